"""What ends as a dead letter, what does not, and the way back."""

import asyncio
import datetime as dt
import json
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from unittest.mock import AsyncMock

import aio_pika
import psycopg
import pytest

from shared.consumers.batcher import MessageBatcher
from shared.consumers.dead_letters import DeadLetter, requeue
from shared.consumers.message_processor import MessageProcessor
from shared.consumers.pause_switch import PauseSwitch
from shared.consumers.quarantine import ExclusiveSection
from shared.errors import Refused
from shared.events import Envelope, SchoolChanged
from shared.messaging.publisher import Publisher
from shared.messaging.serialization import deserialize
from shared.messaging.topology import DEAD, DELIVERY_LIMIT
from shared.telemetry import Metrics
from shared.testing.fixtures import FakeClock, Recorder, declare, eventually, running
from shared.transactions.buffered_transaction import BufferedTransaction
from shared.transactions.unit_of_work import UnitOfWork

QUEUE = "notifier.school.changed"
OUTAGE = 12 * 60.0


async def test_rule_07_a_delivery_limit_death_is_kept_and_an_operator_gives_it_back(spine):
    # given: a message that was in hand at 21 crashes
    schools, letters = Recorder(), Recorder()
    service = spine.build()
    service.on(SchoolChanged, schools.one)
    service.store_dead_letters(letters.keep)
    await declare(spine.backing.amqp_url, service.topology())
    fact = spine.school()
    async with await aio_pika.connect(spine.backing.amqp_url) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue(QUEUE)
        exchange = await channel.get_exchange("school.events")
        body = fact.model_dump_json().encode()
        await exchange.publish(aio_pika.Message(body, headers=Envelope.of(fact, "test").headers()), fact.topic)
        for _ in range(DELIVERY_LIMIT + 1):
            found = await eventually(lambda: queue.get(fail=False), lambda message: message is not None)
            await found.nack(requeue=True)
    async with running(service):
        (letter,) = await letters.until(len)
        assert (letter.queue, letter.error) == (QUEUE, "dead-lettered by the broker: delivery_limit")
        assert json.loads(letter.body)["school_id"] == str(fact.school_id)
        assert schools.seen == []
        # when
        for turn in ("once", "again"):
            async with service.transactions.begin() as tx:
                await requeue(tx, letter.queue, letter.headers | {"x-death": "old", "sc-attempt": 3}, letter.body)
            await schools.until(len)
            await spine.outbox_drained(service)
            assert len(letters.seen) == 1, turn
        # then: the inbox knows the second
        duplicates = service.metrics.handled.labels(QUEUE, "duplicate")
        await eventually(lambda: asyncio.sleep(0, duplicates._value.get()), lambda n: n == 1)
        assert [event.school_id for event in schools.seen] == [fact.school_id]


async def test_rule_07_a_dead_letter_outlives_any_number_of_keepers_that_crash(spine):
    """RabbitMQ 4 gives every quorum queue a limit of 20 that sets none: what is over it would be dropped."""
    await declare(spine.backing.amqp_url, spine.build().topology())
    async with await aio_pika.connect(spine.backing.amqp_url) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue(DEAD)
        await queue.purge()
        await channel.default_exchange.publish(aio_pika.Message(b"a letter"), DEAD)
        for _ in range(2 * DELIVERY_LIMIT):
            found = await eventually(lambda: queue.get(fail=False), lambda message: message is not None)
            await found.nack(requeue=True)
        found = await eventually(lambda: queue.get(fail=False), lambda message: message is not None)
        assert found.body == b"a letter"
        await found.ack()


async def test_what_is_not_text_has_no_way_back(spine):
    letter = DeadLetter.of({}, b"\xff\xfe", dt.datetime.now(dt.UTC))
    service = spine.build()
    await service.database.open()
    async with service.transactions.begin() as tx:
        with pytest.raises(Refused, match="not text"):
            await requeue(tx, letter.queue, letter.headers, letter.body)
        assert tx.outgoing == []
    await service.database.close()


@pytest.mark.parametrize(
    ("header", "value"),
    [("ce-type", "school.sold"), ("ce-dataschema", "urn:schoolconnect:school.changed:99")],
)
async def test_promise_13_an_unknown_type_or_major_takes_the_tiers_and_is_kept_with_its_fingerprint(
    spine, header, value
):
    # given
    schools, letters = Recorder(), Recorder()
    async with spine.running(
        lambda s: s.on(SchoolChanged, schools.one), lambda s: s.store_dead_letters(letters.keep)
    ) as service:
        fact = spine.school()
        headers = Envelope.of(fact, "test").headers() | {header: value}
        # when
        body = fact.model_dump_json().encode()
        await service.components.publisher.publish("", QUEUE, body, headers)
        # then: a newer replica had the time of all tiers to take it
        (letter,) = await letters.until(lambda seen: [each for each in seen if each.message_id == headers["ce-id"]])
    assert (letter.attempts, letter.queue, letter.body) == (3, QUEUE, body)
    assert letter.error.startswith("UnknownMajor")
    assert len(letter.fingerprint) == 16
    assert letter.first_failed < letter.last_failed
    assert schools.seen == []


CONNECTION = SimpleNamespace(
    execute=AsyncMock(), info=SimpleNamespace(transaction_status=psycopg.pq.TransactionStatus.INTRANS)
)


@dataclass
class Away:
    """A database that cannot be reached until the clock says so."""

    clock: FakeClock
    asked: list = field(default_factory=list)

    async def answer(self, *_):
        self.asked.append(self.clock.now)
        if self.clock.now < OUTAGE:
            raise psycopg.OperationalError("connection refused")

    @asynccontextmanager
    async def handle(self, _, causes):
        await self.answer()
        yield {cause.id: UnitOfWork(BufferedTransaction(CONNECTION), "notifier", cause) for cause in causes}


async def test_rule_16_twelve_minutes_without_a_database_are_no_dead_letter_and_burn_no_attempt():
    # given
    clock, metrics = FakeClock(), Metrics()
    database, handled = Away(clock), Away(clock)
    gate = PauseSwitch(database.answer, metrics, sleep=clock.sleep)
    publisher = Publisher("amqp://127.0.0.1:1/", "test", ())
    publisher.ready.set()
    publisher.publish = pytest.fail
    together = MessageBatcher(QUEUE, Recorder().one, handled, asyncio.Semaphore(8), gate, most=25)

    async def handle(message):
        envelope = Envelope.read(message.headers)
        await together.handle(envelope, await deserialize(envelope, message.body, None))

    process = MessageProcessor(
        "notifier",
        QUEUE,
        publisher=publisher,
        gate=gate,
        turnstile=ExclusiveSection(),
        metrics=metrics,
        tiers=(5, 60, 600),
    )
    fact = SchoolChanged(school_id=uuid.uuid4(), name="Demo", timezone="UTC", version=1)
    messages = [
        SimpleNamespace(
            body=fact.model_dump_json().encode(), headers=Envelope.of(fact, "test").headers() | {"sc-attempt": "3"}
        )
        for _ in range(50)
    ]
    probing = asyncio.create_task(gate.run())
    # when
    await asyncio.wait_for(asyncio.gather(*(process(handle, message) for message in messages)), 10)
    # then
    probing.cancel()
    assert clock.now >= OUTAGE
    assert metrics.handled.labels(QUEUE, "done")._value.get() == 50
    assert max(clock.sleeps) == 5.0, "back within five seconds of the database"
    assert len([at for at in handled.asked if at < OUTAGE]) <= 8, "nobody hammers a database that is away"
