"""A message that fails for good is reported to its service before it becomes a dead letter."""

import asyncio

import aio_pika
import pytest

from shared.errors import Reject
from shared.events import Envelope, SchoolChanged
from shared.messaging.topology import DELIVERY_LIMIT, reaction_queue
from shared.testing.fixtures import Recorder, declare, eventually, running


class Reports:
    """Records the failures that are reported; `fails` decides which of them raise an error."""

    def __init__(self, fails=lambda _: False):
        self.seen = []
        self._fails = fails

    async def report(self, failure, tx):
        self.seen.append(failure)
        await tx.execute("SELECT 1")
        if self._fails(failure):
            raise ValueError("cannot be stored")


@pytest.mark.parametrize(
    ("problem", "says"),
    [
        (Reject("the school has moved"), "the school has moved"),
        (ValueError("a secret text"), "an error of the system, which the operators find"),
    ],
)
async def test_trust_8_a_message_that_dies_is_reported_with_a_plain_reason(spine, problem, says):
    failing, letters, reports = Recorder(lambda _: problem), Recorder(), Reports()
    async with spine.running(
        lambda service: service.on(SchoolChanged, failing.one),
        lambda service: service.on_final_failure(SchoolChanged, reports.report),
        lambda service: service.store_dead_letters(letters.keep),
    ) as service:
        fact = spine.school()
        await spine.emit(service, fact)
        await letters.until(len)
    (failure,) = reports.seen
    assert (failure.content, failure.envelope.school_id) == (fact, fact.school_id)
    assert says in failure.reason
    assert "secret" not in failure.reason


async def test_trust_8_a_report_that_fails_is_repeated_without_the_content_and_holds_no_dead_letter(spine):
    failing, letters = Recorder(lambda _: Reject("no")), Recorder()
    reports = Reports(lambda failure: failure.content is not None)
    async with spine.running(
        lambda service: service.on(SchoolChanged, failing.one),
        lambda service: service.on_final_failure(SchoolChanged, reports.report),
        lambda service: service.store_dead_letters(letters.keep),
    ) as service:
        await spine.emit(service, spine.school())
        await letters.until(len)
    assert [failure.content is None for failure in reports.seen] == [False, True]


async def test_trust_8_a_message_that_is_tried_again_is_not_reported(spine):
    turns = []
    failing = Recorder(lambda _: turns.append(1) or (ValueError("once") if len(turns) == 1 else None))
    reports = Reports()
    async with spine.running(
        lambda service: service.on(SchoolChanged, failing.one),
        lambda service: service.on_final_failure(SchoolChanged, reports.report),
    ) as service:
        await spine.emit(service, spine.school())
        await failing.until(lambda seen: len(seen) == 2)
        await asyncio.sleep(0)
    assert reports.seen == []


async def test_promise_07_a_message_that_ended_its_consumer_to_the_limit_is_reported_and_not_handled(spine):
    # given: a message that was being handled at 20 crashes
    handled, letters, reports = Recorder(), Recorder(), Reports()
    service = spine.build()
    service.on(SchoolChanged, handled.one)
    service.on_final_failure(SchoolChanged, reports.report)
    service.store_dead_letters(letters.keep)
    await declare(spine.backing.amqp_url, service.topology())
    fact = spine.school()
    async with await aio_pika.connect(spine.backing.amqp_url) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue(reaction_queue(service.name, fact.topic).name)
        message = aio_pika.Message(fact.model_dump_json().encode(), headers=Envelope.of(fact, "test").headers())
        await channel.default_exchange.publish(message, queue.name)
        for _ in range(DELIVERY_LIMIT):
            found = await eventually(lambda: queue.get(fail=False), lambda message: message is not None, within=30)
            await found.nack(requeue=True)
    # when
    async with running(service):
        (letter,) = await letters.until(len)
    # then
    (failure,) = reports.seen
    assert failure.content == fact
    assert failure.reason == "its service ended, or lost its connection, 20 times while it handled this"
    assert (letter.queue, letter.error) == (queue.name, f"DeliveryLimit: {failure.reason}")
    assert handled.seen == []
