"""The rules behind the promises (other tests of rules: `grep -r test_rule_`)."""

import asyncio
import datetime as dt
import itertools
import uuid
from urllib.parse import urlsplit

import psycopg
import pytest

from shared.consumers.retry_policy import GiveUp, RetryAfter, decide
from shared.errors import InfrastructureDown, Malformed, Reject, Retry, UnknownMajor
from shared.events import SchoolChanged
from shared.persistence.database import Database
from shared.projections.projector import newest_states
from shared.testing.fault_proxy import FaultInjectionProxy
from shared.testing.fixtures import declare, eventually, service_url
from shared.transactions.outbox import LEASE_OUTBOX_ROWS

TIERS = (5, 60, 600)
OUTBOX = "SELECT count(*) FROM outbox"


async def test_rule_03_the_inbox_row_is_there_before_the_handler_begins_and_not_without_its_commit(spine):
    # given
    found, fail = [], [True]
    inbox = "SELECT count(*) AS n FROM inbox WHERE message_id = %s"

    async def look(event, tx):
        found.append((await tx.row(inbox, (tx.cause.id,)))["n"])
        if fail.pop() if fail else False:
            raise ValueError

    async with spine.running(lambda s: s.on(SchoolChanged, look)) as service:
        # when: the first attempt fails
        await spine.emit(service, spine.school())
        await eventually(lambda: asyncio.sleep(0, list(found)), lambda seen: len(seen) == 2)
    # then: the second attempt found the same inbox rows as the first
    assert found == [1, 1]


@pytest.mark.parametrize(
    ("problem", "attempts", "becomes"),
    [
        (ValueError("a bug"), 1, RetryAfter(5)),
        (ValueError("a bug"), 3, RetryAfter(600)),
        (ValueError("a bug"), 4, GiveUp()),
        (UnknownMajor("newer"), 1, RetryAfter(5)),
        (Retry("soon", dt.timedelta(seconds=30)), 1, RetryAfter(60)),
        (Retry("some day", dt.timedelta(days=1)), 1, RetryAfter(600)),
        (Reject("never"), 1, GiveUp()),
        (Malformed("no event"), 1, GiveUp()),
    ],
)
def test_rule_05_every_error_becomes_another_try_or_a_dead_letter_and_none_is_swallowed(problem, attempts, becomes):
    assert decide(problem, attempts, TIERS) == becomes


async def test_rule_09_each_outbox_row_is_leased_by_one_relay(spine):
    # given
    service = spine.build()
    await service.database.open()
    try:
        await spine.emit(service, *(spine.school() for _ in range(200)))

        async def lease(limit, seconds):
            async with service.database.worker() as connection:
                values = {"lease": uuid.uuid4(), "limit": limit, "lease_seconds": seconds}
                return [
                    row["position"] for row in await (await connection.execute(LEASE_OUTBOX_ROWS, values)).fetchall()
                ]

        # when
        taken = list(itertools.chain(*await asyncio.gather(*(lease(40, 1) for _ in range(8)))))
        # then
        assert len(taken) == len(set(taken)) == 200
        assert await lease(200, 1) == []
        # and the leases expire by the database's clock
        again = await eventually(lambda: lease(200, 0), lambda rows: len(rows) == 200)
        assert sorted(again) == sorted(taken)
    finally:
        async with service.database.worker() as connection:
            await connection.execute("DELETE FROM outbox")
        await service.database.close()


async def test_outbox_rows_of_requests_are_published_under_forced_row_level_security(spine):
    # given
    forced = "SELECT count(*) FROM pg_class WHERE oid = 'outbox'::regclass AND relrowsecurity AND relforcerowsecurity"
    seen = []

    async def remember(event, tx):
        seen.append(event.school_id)

    async with spine.running(lambda s: s.on(SchoolChanged, remember)) as service:
        facts = [spine.school() for _ in range(20)]
        # when: requests of twenty schools
        for fact in facts:
            async with service.transactions.request(fact.school_id) as tx:
                tx.emit(fact)
        # then
        await spine.outbox_drained(service)
        wanted = sorted(fact.school_id for fact in facts)
        await eventually(lambda: asyncio.sleep(0, sorted(seen)), lambda found: found == wanted)
        assert await spine.count(service, forced) == 1


async def test_rule_10_every_wait_is_bounded_on_the_server_too(spine):
    # given
    url = service_url(spine.backing.admin_url, "notifier")
    database = Database(url, "notifier")
    bounds = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    await database.open()
    try:
        for pool in (database.workers, database.requests):
            async with pool.connection() as connection:
                # then
                for bound in bounds:
                    (shown,) = (await (await connection.execute(f"SHOW {bound}")).fetchone()).values()
                    assert shown not in ("0", "0ms"), bound
                options = connection.info.get_parameters()
                assert (options["tcp_user_timeout"], options["keepalives_idle"]) == ("10000", "10")
        async with database.worker() as connection:
            await connection.execute("SET statement_timeout = 50")
            with pytest.raises(psycopg.errors.QueryCanceled):
                await connection.execute("SELECT pg_sleep(5)")
    finally:
        await database.close()


def test_rule_11_newest_state_remains_in_any_order():
    school = uuid.uuid4()
    states = [SchoolChanged(school_id=school, name=f"v{v}", timezone="UTC", version=v) for v in (1, 2, 3)]
    for order in itertools.permutations([*states, states[2].model_copy()]):
        assert [event.name for event in newest_states(order)] == ["v3"]


async def test_rule_12_late_commit_with_a_low_position_is_published(spine):
    # given
    seen = []

    async def remember(event, tx):
        seen.append(event.school_id)

    async with spine.running(lambda s: s.on(SchoolChanged, remember)) as service:
        late, quick = spine.school(), spine.school()
        async with service.transactions.begin() as tx:
            await tx.execute("SELECT nextval(pg_get_serial_sequence('outbox', 'position'))")  # its position
            tx.emit(late)
            # when: another transaction gets a higher position, commits and is published first
            await spine.emit(service, quick)
            await eventually(lambda: asyncio.sleep(0, list(seen)), lambda found: quick.school_id in found)
            assert late.school_id not in seen
        # then
        await eventually(lambda: asyncio.sleep(0, list(seen)), lambda found: late.school_id in found)
        await spine.outbox_drained(service)


async def test_rule_15_commits_during_a_broker_outage_are_published_afterwards(spine):
    # given: no server listens on the broker's port
    parts = urlsplit(spine.backing.amqp_url)
    proxy = FaultInjectionProxy("127.0.0.1", 1)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}").geturl()
    seen = []

    async def remember(event, tx):
        seen.append(event.school_id)

    service = spine.build(amqp_url=url)
    service.on(SchoolChanged, remember)
    await declare(spine.backing.amqp_url, service.topology())
    async with server, service.runtime.running():
        await eventually(service.runtime.not_ready, lambda reasons: "broker: away" in reasons)
        # when
        facts = [spine.school() for _ in range(20)]
        await spine.emit(service, *facts)
        with pytest.raises(InfrastructureDown):
            await service.components.publisher.publish("", "nowhere", b"", {})
        assert await spine.count(service, OUTBOX) == 20
        proxy._host, proxy._port = parts.hostname, parts.port
        # then
        await eventually(service.runtime.not_ready, lambda reasons: reasons == [], within=30)
        await spine.outbox_drained(service)
        wanted = sorted(fact.school_id for fact in facts)
        await eventually(lambda: asyncio.sleep(0, sorted(seen)), lambda found: found == wanted)
