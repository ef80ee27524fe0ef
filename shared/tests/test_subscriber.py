"""What the broker is told of settled messages, and queues that come and go."""

import asyncio
import uuid

import aio_pika
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.events import Envelope, NotificationCompleted, SchoolChanged
from shared.messaging import subscriber, topology
from shared.messaging.subscriber import Acks, Subscriber, Subscription
from shared.testing.fixtures import Recorder, declare, eventually


class Broker:
    """Keeps what it waits for; as RabbitMQ, it takes `multiple` to mean all up to this tag."""

    def __init__(self, tags):
        self.waits_for = set(tags)
        self.given_back = set()
        self.frames = 0

    async def basic_ack(self, tag, *, multiple, wait=True):
        await asyncio.sleep(0)
        assert tag in self.waits_for, "an unknown delivery tag closes the channel"
        self.waits_for -= {each for each in self.waits_for if each <= tag} if multiple else {tag}
        self.frames += 1

    async def basic_nack(self, tag, *, requeue):
        await asyncio.sleep(0)
        assert requeue
        self.waits_for.remove(tag)
        self.given_back.add(tag)


@settings(max_examples=50, deadline=None)
@given(st.permutations(range(1, 21)), st.integers(0, 20), st.sets(st.integers(0, 20)), st.sets(st.integers(1, 20)))
async def test_exactly_what_is_settled_is_acknowledged(order, count, pauses, failed):
    # given
    broker = Broker(order)
    acks = Acks(broker)
    # when
    for turn, tag in enumerate(order[:count]):
        if tag in failed:
            await acks.requeue(tag)
        else:
            acks.settled(tag)
        if turn in pauses:
            await asyncio.sleep(0)
    if acks.saying:
        await acks.saying
    # then
    assert broker.waits_for == set(order[count:])
    assert broker.given_back == failed & set(order[:count])


async def test_many_settled_in_order_take_one_frame():
    broker = Broker(range(1, 51))
    acks = Acks(broker)
    for tag in range(1, 51):
        acks.settled(tag)
    await acks.saying
    assert (broker.waits_for, broker.frames) == (set(), 1)


async def test_what_cannot_be_settled_goes_back_and_is_given_up_by_the_broker_in_the_end(spine, monkeypatch):
    """Whatever is wrong with what settles: it is in nobody's hand for ever, and nobody spins."""
    # given
    monkeypatch.setattr(subscriber, "UNSETTLED_PAUSE", 0.01)
    work = topology.lane_queue("notifier", "unsettled")
    await declare(spine.backing.amqp_url, topology.spine(), topology.Topology(queues=(work,)))
    settled, tries = [], 0

    async def settle(message):
        nonlocal tries
        if message.body == b"bad":
            tries += 1
            raise ZeroDivisionError
        settled.append(message.body)
        message.ack()

    each = Subscriber(spine.backing.amqp_url, "test")
    each.subscriptions.append(Subscription(work.name, settle, prefetch=1))
    async with await aio_pika.connect(spine.backing.amqp_url) as connection:
        channel = await connection.channel()
        for body in (b"first", b"bad", b"last"):
            await channel.default_exchange.publish(aio_pika.Message(body), work.name)
        # when
        running = asyncio.create_task(each.run())
        each.begin()
        # then
        dead = await channel.get_queue(topology.DEAD)
        letter = await eventually(lambda: dead.get(fail=False), bool)
        await letter.ack()
        assert (letter.body, letter.headers["x-first-death-reason"]) == (b"bad", "delivery_limit")
        assert (settled, tries) == ([b"first", b"last"], topology.DELIVERY_LIMIT + 1)
        await each.stop(patience=5)
        running.cancel()
        await asyncio.wait([running])
        assert (await channel.declare_queue(work.name, passive=True)).declaration_result.message_count == 0


async def test_a_queue_that_is_deleted_keeps_no_other_from_its_messages_and_is_taken_from_again(spine):
    # given
    seen = []

    async def remember(event, tx):
        seen.append(event.subject)

    def register(service):
        service.on(SchoolChanged, remember)
        service.on(NotificationCompleted, remember)

    async def subjects():
        return seen

    async with spine.running(register) as service:
        async with await aio_pika.connect(spine.backing.amqp_url) as connection:
            channel = await connection.channel()
            await channel.queue_delete("notifier.notification.completed")
        # when
        fact = spine.school()
        await spine.emit(service, fact)
        await eventually(subjects, lambda found: fact.subject in found)
        await declare(spine.backing.amqp_url, service.topology())
        # then
        query = "SELECT count(*) FROM outbox"
        await eventually(lambda: spine.count(service, query), lambda n: n == 0)
        ids = {name: uuid.uuid4() for name in ("notification_id", "school_id", "task_id")}
        other = NotificationCompleted(**ids, counts={})
        await spine.emit(service, other)
        await eventually(subjects, lambda found: other.subject in found)


async def test_what_a_version_before_left_in_a_queue_of_its_own_is_taken_too(spine):
    # given
    schools, old = Recorder(), topology.projection_retry_queue("notifier", "mirror_of_before")

    def register(service):
        service.on(SchoolChanged, schools.one)
        service.drain_old_queue(old, SchoolChanged, schools.one)

    async with spine.running(register), await aio_pika.connect(spine.backing.amqp_url) as connection:
        channel = await connection.channel()
        fact = spine.school()
        headers = Envelope.of(fact, "gateway").headers()
        # when
        message = aio_pika.Message(fact.model_dump_json().encode(), headers=headers)
        await channel.default_exchange.publish(message, old.name)
        # then
        await schools.until(lambda seen: [each.school_id for each in seen] == [fact.school_id])
