"""What becomes of one message, on FastStream's test broker: no RabbitMQ, no database."""

import asyncio
import json
import uuid
from types import SimpleNamespace

import psycopg
import pytest
from faststream.rabbit import TestRabbitBroker

from shared.consumers.message_processor import MessageProcessor
from shared.consumers.pause_switch import PauseSwitch
from shared.consumers.quarantine import ExclusiveSection
from shared.errors import InfrastructureDown, LeaseLost, Reject, Undeliverable, Unwritable
from shared.events import Envelope, SchoolChanged
from shared.messaging import subscriber
from shared.messaging.serialization import deserialize
from shared.messaging.subscriber import Subscriber
from shared.telemetry import Metrics
from shared.transactions.unit_of_work import Duplicate

QUEUE = "notifier.school.changed"
TIERS = (5, 60)


class FakePublisher:
    """Remembers what was passed on, or raises."""

    def __init__(self, problem=None):
        self.passed_on = []
        self.ready = asyncio.Event()
        self.ready.set()
        self._problem = problem

    async def publish(self, exchange, routing_key, body, headers):
        if self._problem:
            raise self._problem
        self.passed_on.append((exchange, routing_key, body, headers))


async def available():
    """A database that answers."""


class Desk:
    """A subscribed queue whose handler raises `problems`, one each time it is called, then succeeds."""

    def __init__(self, *problems, publisher=None):
        self.publisher = publisher or FakePublisher()
        self.metrics, self.handled = Metrics(), []
        self.gate = PauseSwitch(available, self.metrics)
        self._problems = list(problems)
        processor = MessageProcessor(
            "notifier",
            QUEUE,
            publisher=self.publisher,
            gate=self.gate,
            turnstile=ExclusiveSection(),
            metrics=self.metrics,
            tiers=TIERS,
        )
        self.subscriber = Subscriber("amqp://127.0.0.1:1/", "test", drain=1)
        self.subscriber.subscribe(QUEUE, self.decode, self.handle, processor, prefetch=10)

    async def decode(self, message):
        envelope = Envelope.read(message.headers)
        return envelope, await deserialize(envelope, message.body, SimpleNamespace(keys=None))

    async def handle(self, envelope, fact):
        self.handled.append((envelope.id, fact))
        if self._problems:
            raise self._problems.pop(0)

    async def publish(self, body, headers):
        async with TestRabbitBroker(self.subscriber.broker) as broker:
            await broker.publish(body, QUEUE, headers=headers)

    def outcomes(self):
        samples = self.metrics.handled.collect()[0].samples
        return {s.labels["outcome"]: s.value for s in samples if s.name.endswith("_total") and s.value}


def message(**headers):
    fact = SchoolChanged(school_id=uuid.uuid4(), name="Demo", timezone="UTC", version=1)
    return fact, fact.model_dump_json().encode(), Envelope.of(fact, "gateway").headers() | headers


async def test_a_handled_message_is_done_and_nothing_is_passed_on():
    # given
    desk, (fact, body, headers) = Desk(), message()
    # when
    await desk.publish(body, headers)
    # then
    assert desk.handled == [(uuid.UUID(headers["ce-id"]), fact)]
    assert desk.outcomes() == {"done": 1}
    assert desk.publisher.passed_on == []


@pytest.mark.parametrize(
    ("problem", "attempt", "exchange", "outcome"),
    [
        (ValueError("x"), 0, "notifier.retry.5s", "retried"),
        (ValueError("x"), 1, "notifier.retry.60s", "retried"),
        (ValueError("x"), 2, "school.dead", "dead"),
        (Reject("no"), 0, "school.dead", "dead"),
    ],
)
async def test_a_failed_message_goes_to_the_next_tier_and_to_the_dead_letters(problem, attempt, exchange, outcome):
    # given
    desk, (_, body, headers) = Desk(problem), message(**{"sc-attempt": attempt})
    # when
    await desk.publish(body, headers)
    # then
    ((to, key, passed, carried),) = desk.publisher.passed_on
    assert (to, key, passed, carried["sc-attempt"]) == (exchange, QUEUE, body, attempt + 1)
    assert carried["ce-id"] == headers["ce-id"]
    assert desk.outcomes() == {outcome: 1}


@pytest.mark.parametrize(("problem", "outcome"), [(Duplicate(), "duplicate"), (LeaseLost("x"), "superseded")])
async def test_a_message_that_is_handled_elsewhere_is_settled_and_not_passed_on(problem, outcome):
    desk, (_, body, headers) = Desk(problem), message()
    await desk.publish(body, headers)
    assert desk.outcomes() == {outcome: 1}
    assert desk.publisher.passed_on == []


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda body, headers: (b"not json", headers), "Malformed: body: not JSON"),
        (lambda body, headers: (body, {"some": "header"}), "Malformed: envelope"),
        (lambda body, headers: (json.dumps({"name": 1}).encode(), headers), "ValidationError"),
    ],
)
async def test_a_message_that_cannot_be_read_is_passed_on_without_a_handler(spoil, error):
    # given
    desk, (_, body, headers) = Desk(), message()
    body, headers = spoil(body, headers)
    # when
    await desk.publish(body, headers)
    # then
    ((_, _, passed, carried),) = desk.publisher.passed_on
    assert passed == body
    assert carried["sc-error"].startswith(error)
    assert desk.handled == []


async def test_an_outage_holds_the_message_and_counts_no_attempt():
    # given
    desk, (fact, body, headers) = Desk(InfrastructureDown("x"), psycopg.OperationalError("refused")), message()
    opening = asyncio.create_task(desk.gate.run())
    # when
    await asyncio.wait_for(desk.publish(body, headers), 10)
    # then: it is decoded once and handled three times
    opening.cancel()
    assert [each for _, each in desk.handled] == [fact] * 3
    assert desk.handled[0][1] is desk.handled[2][1]
    assert desk.outcomes() == {"done": 1}
    assert desk.publisher.passed_on == []


@pytest.mark.parametrize("problem", [Unwritable("x"), ZeroDivisionError()])
async def test_a_message_that_cannot_be_passed_on_is_raised_so_that_it_is_requeued(problem, monkeypatch):
    # given
    monkeypatch.setattr(subscriber, "REQUEUE_SECONDS", 0.0)
    desk, (_, body, headers) = Desk(ValueError("x"), publisher=FakePublisher(problem)), message()
    # when
    with pytest.raises(subscriber.Unsettled, match=type(problem).__name__):
        await desk.publish(body, headers)
    # then
    assert desk.outcomes() == {}


async def test_a_tier_that_is_missing_is_an_outage():
    # given
    desk, (_, body, headers) = Desk(ValueError("x"), publisher=FakePublisher(Undeliverable("unroutable"))), message()
    # when
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(desk.publish(body, headers), 0.2)
    # then
    assert desk.gate.closed
