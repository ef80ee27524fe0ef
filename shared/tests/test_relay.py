"""The relay and messages that it cannot encrypt or cannot write."""

import asyncio
import uuid

import psycopg
import pytest

from shared.consumers.dead_letters import requeue
from shared.errors import Refused
from shared.events import PersonChanged, SchoolChanged
from shared.messaging.confirming_channel import MOST_BODY
from shared.testing.fixtures import Recorder, eventually
from shared.transactions.outbox import OutboxEntry
from shared.transactions.relay import Relay


async def test_event_without_a_key_stays_and_does_not_block_others(spine):
    # given
    seen = []

    async def remember(event, tx):
        seen.append(event.school_id)

    async with spine.running(lambda s: s.on(SchoolChanged, remember)) as service:
        stranger, fact = uuid.uuid4(), spine.school()
        # when: this service creates no keys, and the person has none
        await spine.emit(service, PersonChanged(person_id=stranger, version=1, given_name="Canary"), fact)

        # then
        async def handled():
            return seen

        await eventually(handled, lambda ids: fact.school_id in ids)
        query = "SELECT count(*) FROM outbox WHERE sealed_for = %s AND failures > 0"
        await eventually(lambda: spine.count(service, query, stranger), lambda n: n == 1)
        assert service.metrics.publish_failed.labels("missing_key")._value.get() > 0
        async with service.database.worker() as connection:
            await connection.execute("DELETE FROM outbox WHERE sealed_for = %s", (stranger,))


@pytest.mark.parametrize(("key", "body"), [("q" * 300, "{}"), ("too.much", " " * (MOST_BODY + 1))])
async def test_message_that_cannot_be_written_stays_and_does_not_block_others(spine, key, body):
    # given
    schools, fact = Recorder(), spine.school()
    async with spine.running(lambda s: s.on(SchoolChanged, schools.one)) as service:
        # when: it is published before a good one
        async with service.transactions.begin() as tx:
            tx.outgoing.append(OutboxEntry("", key, "{}", body))
            tx.emit(fact)
        # then
        await schools.until(lambda seen: fact in seen)
        query = "SELECT count(*) FROM outbox WHERE routing_key = %s AND failures > 0"
        await eventually(lambda: spine.count(service, query, key), lambda n: n == 1)
        assert service.metrics.publish_failed.labels("unwritable")._value.get() > 0
        async with service.database.worker() as connection:
            await connection.execute("DELETE FROM outbox WHERE routing_key = %s", (key,))


async def test_dead_letter_with_an_impossible_queue_is_not_requeued(spine):
    service = spine.build()
    await service.database.open()
    try:
        async with service.transactions.begin() as tx:
            with pytest.raises(Refused, match="255"):
                await requeue(tx, "ü" * 128, {}, b"{}")
            assert tx.outgoing == []
    finally:
        await service.database.close()


WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%FOR UPDATE SKIP LOCKED%%'"


async def test_a_relay_that_has_waited_too_long_for_a_lock_tries_again(spine):
    # given: nothing else publishes, and someone has locked the table
    service = spine.build()
    await service.database.open()
    service.components.publisher.ready.set()
    relay = Relay(service.database, service.components.publisher, service.vault, asyncio.Event(), service.metrics)
    async with await psycopg.AsyncConnection.connect(spine.backing.admin_url) as admin:
        await admin.execute("LOCK TABLE notifier.outbox IN EXCLUSIVE MODE")

        async def waiting():
            assert running is None or not running.done(), running.exception()
            await admin.execute("SELECT pg_stat_clear_snapshot()")  # a transaction keeps what it saw of others first
            return [pid for (pid,) in await (await admin.execute(WAITING)).fetchall()]

        running = None
        assert await waiting() == []
        running = asyncio.create_task(relay.run())
        try:
            first, *_ = await eventually(waiting, bool)
            # when: its wait ends as by a limit
            await admin.execute("SELECT pg_cancel_backend(%s)", (first,))
            await eventually(waiting, lambda pids: not pids)
            # then
            await eventually(waiting, bool)
        finally:
            running.cancel()
            await admin.rollback()
            await asyncio.wait([running])
            await service.database.close()
