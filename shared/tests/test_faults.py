"""Outages under load: nothing is lost, no attempt is counted, and everything continues by itself."""

import asyncio
import uuid

import psycopg
from psycopg import sql

from shared.events import Envelope, SchoolChanged
from shared.testing.fixtures import Recorder, declare, eventually, running

TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
LOG = "CREATE TABLE IF NOT EXISTS notifier.seen (school_id uuid, version bigint, at timestamptz DEFAULT now())"


async def remember(event, tx):
    await tx.execute("INSERT INTO seen (school_id, version) VALUES (%s, %s)", (event.school_id, event.version))


def prepare(backing):
    with psycopg.connect(backing.admin_url, autocommit=True) as connection:
        connection.execute(LOG)
        connection.execute("ALTER TABLE notifier.seen OWNER TO notifier_owner")
        connection.execute("GRANT ALL ON notifier.seen TO notifier_worker")


async def test_promise_04_rule_16_the_database_cuts_every_connection_under_load(spine):
    # given
    prepare(spine.backing)
    async with spine.running(lambda s: s.on(SchoolChanged, remember)) as service:
        facts = [spine.school() for _ in range(600)]
        wanted = {fact.school_id for fact in facts}

        async def emit():
            for start in range(0, len(facts), 20):
                while True:
                    try:
                        await spine.emit(service, *facts[start : start + 20])
                        break
                    except psycopg.OperationalError:
                        await asyncio.sleep(0.05)  # the writer tries again: its commit failed

        async def cut():
            for _ in range(6):
                async with await psycopg.AsyncConnection.connect(spine.backing.admin_url, autocommit=True) as admin:
                    await admin.execute(TERMINATE)
                await asyncio.sleep(0.15)  # the rhythm of the faults

        # when
        await asyncio.gather(emit(), cut())
        # then
        query = "SELECT count(DISTINCT school_id) FROM seen WHERE school_id = ANY(%s)"

        async def handled():
            try:
                return await spine.count(service, query, list(wanted))
            except psycopg.OperationalError:
                return None  # the pool still had a connection that was cut

        await eventually(handled, lambda n: n == len(wanted), within=30)
        every = await spine.count(service, "SELECT count(*) FROM seen WHERE school_id = ANY(%s)", list(wanted))
        repeated = every - len(wanted)
        assert repeated <= 20 * 6, "only batches whose commit was cut may have been emitted twice"
        queue = "notifier.school.changed"
        assert service.metrics.handled.labels(queue, "dead")._value.get() == 0
        assert service.metrics.handled.labels(queue, "retried")._value.get() == 0
        await spine.outbox_drained(service)


async def test_rule_16_read_only_database_counts_no_attempt(spine):
    """A standby after a failover, or a server that is read-only because its disk is full."""
    # given
    prepare(spine.backing)
    fact, letters = spine.school(), Recorder()
    async with spine.running(
        lambda s: s.on(SchoolChanged, remember), lambda s: s.store_dead_letters(letters.keep)
    ) as service:
        with psycopg.connect(spine.backing.admin_url, autocommit=True) as admin:
            (name,) = admin.execute("SELECT current_database()").fetchone()

            def read_only(so):
                setting = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
                admin.execute("SET default_transaction_read_only = off")
                admin.execute(setting.format(sql.Identifier(name), sql.Literal(so)))
                admin.execute(TERMINATE)

            read_only("on")
            try:
                await eventually(service.runtime.not_ready, lambda reasons: "read-only" in str(reasons))
                # when
                headers, body = Envelope.of(fact, "test").headers(), fact.model_dump_json().encode()
                await service.components.publisher.publish("school.events", fact.topic, body, headers)
                await eventually(lambda: asyncio.sleep(0, service.components.pause_switch.closed), bool)
            finally:
                read_only("off")
        # then
        await eventually(service.runtime.not_ready, lambda reasons: reasons == [])
        query = "SELECT count(*) FROM seen WHERE school_id = %s"
        await eventually(lambda: spine.count(service, query, fact.school_id), lambda n: n == 1)
        assert letters.seen == []
        assert service.metrics.handled.labels("notifier.school.changed", "retried")._value.get() == 0


async def test_promise_03_every_confirmed_event_is_in_the_log_and_projected_once(spine):
    # given
    applied = []

    async def project(events, tx):
        applied.extend((event.school_id, event.version) for event in events)

    async with spine.running(lambda s: s.project("project", (SchoolChanged,), project)) as service:
        facts = [spine.school() for _ in range(500)]

        # when: the publishing connection is cut while the relay runs
        async def emit():
            for start in range(0, len(facts), 25):
                await spine.emit(service, *facts[start : start + 25])
                await asyncio.sleep(0)

        async def cut():
            for _ in range(3):
                await service.components.publisher.ready.wait()
                connection = service.components.publisher.connection
                if connection is not None:
                    await connection.close()

        await asyncio.gather(emit(), cut())
        wanted = {(fact.school_id, 1) for fact in facts}

        async def done():
            return wanted - set(applied)

        # then
        await eventually(done, lambda missing: not missing, within=30)
        await spine.outbox_drained(service)


async def test_two_readers_of_one_projection_apply_each_event_once(spine):
    prepare(spine.backing)

    async def count_schools(events, tx):
        for event in events:
            await remember(event, tx)

    first, second = spine.build(), spine.build()
    for service in (first, second):
        service.project("count_schools", (SchoolChanged,), count_schools)
    await declare(spine.backing.amqp_url, first.topology())
    async with running(first), running(second):
        facts = [spine.school() for _ in range(300)]
        await spine.emit(first, *facts)
        ids = [fact.school_id for fact in facts]
        query = "SELECT count(*) FROM seen WHERE school_id = ANY(%s)"
        await eventually(lambda: spine.count(first, query, ids), lambda n: n >= len(ids), within=30)
        last = spine.school(1, uuid.uuid4())
        await spine.emit(second, last)
        await eventually(lambda: spine.count(first, query, [last.school_id]), lambda n: n == 1, within=30)
        assert await spine.count(first, query, ids) == len(ids)
