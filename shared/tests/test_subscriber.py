"""Queues that come and go, messages that cannot be settled, and stops: what the broker counts of it."""

import asyncio
import uuid
from contextlib import asynccontextmanager

import aio_pika
import pytest
from aio_pika import RobustQueue

from shared.events import Envelope, NotificationCompleted, SchoolChanged
from shared.messaging import subscriber, topology
from shared.messaging.subscriber import ClusterBroker, Subscriber
from shared.testing.fault_proxy import proxied
from shared.testing.fixtures import Recorder, declare, eventually


async def as_it_is(message):
    return message


async def through(handle, message):
    """A processor that has no opinion."""
    await handle(message)


@asynccontextmanager
async def consuming(each):
    """A subscriber that runs; the body may stop it."""
    running_on = asyncio.create_task(each.run())
    each.begin()
    try:
        yield each
    finally:
        running_on.cancel()
        await asyncio.wait([running_on])


async def test_a_message_that_cannot_be_settled_is_requeued_until_the_delivery_limit(spine, monkeypatch):
    """Whatever is wrong with its processing: it blocks no place of the prefetch, and nothing spins."""
    # given
    monkeypatch.setattr(subscriber, "REQUEUE_SECONDS", 0.01)
    work = topology.lane_queue("notifier", "unsettled")
    await declare(spine.backing.amqp_url, topology.spine(), topology.Topology(queues=(work,)))
    settled, tries = [], 0

    async def handle(message):
        nonlocal tries
        if message.body == b"bad":
            tries += 1
            raise ZeroDivisionError
        settled.append(message.body)

    each = Subscriber(spine.backing.amqp_url, "test", drain=5)
    each.subscribe(work.name, as_it_is, handle, through, prefetch=1)
    async with await aio_pika.connect(spine.backing.amqp_url) as connection:
        channel = await connection.channel()
        for body in (b"first", b"bad", b"last"):
            await channel.default_exchange.publish(aio_pika.Message(body), work.name)
        # when
        async with consuming(each):
            # then
            dead = await channel.get_queue(topology.DEAD)
            letter = await eventually(lambda: dead.get(fail=False), bool, within=60)  # each try prints a traceback
            await letter.ack()
            assert (letter.body, letter.headers["x-first-death-reason"]) == (b"bad", "delivery_limit")
            assert (settled, tries) == ([b"first", b"last"], topology.DELIVERY_LIMIT + 1)
            await each.stop()
        assert (await channel.declare_queue(work.name, passive=True)).declaration_result.message_count == 0


async def test_promise_15_a_connection_lost_before_its_first_channel_is_replaced_and_closed(spine):
    """Such a loss ended the service: of all losses, FastStream raises only this one to its caller."""
    # given
    work = topology.lane_queue("notifier", "early")
    await declare(spine.backing.amqp_url, topology.spine(), topology.Topology(queues=(work,)))
    seen = []

    async def handle(message):
        seen.append(message.body)

    async with proxied(spine.backing.amqp_url) as (url, proxy):
        each = Subscriber(url, "test", drain=5)
        each.subscribe(work.name, as_it_is, handle, through, prefetch=5)
        proxy.cut_first_channel()
        # when
        async with consuming(each), await aio_pika.connect(spine.backing.amqp_url) as connection:
            channel = await connection.channel()
            await channel.default_exchange.publish(aio_pika.Message(b"first"), work.name)
            # then
            await eventually(lambda: asyncio.sleep(0, list(seen)), lambda found: found == [b"first"])
            # and the lost connection does not come back beside it
            await asyncio.sleep(3 * subscriber.PAUSE_SECONDS)
            assert proxy.connections == 1


async def test_what_comes_before_the_start_returns_is_processed(spine, monkeypatch):
    """FastStream drops it. On a busy machine that filled the prefetch, and the queue stood still."""
    # given
    work = topology.lane_queue("notifier", "prompt")
    await declare(spine.backing.amqp_url, topology.spine(), topology.Topology(queues=(work,)))
    seen, consume = [], RobustQueue.consume

    async def handle(message):
        seen.append(message.body)

    async def consume_and_dawdle(queue, callback, **options):
        arrived = asyncio.Event()

        async def receive(message):
            await callback(message)
            arrived.set()

        tag = await consume(queue, receive, **options)
        await arrived.wait()
        return tag

    monkeypatch.setattr(RobustQueue, "consume", consume_and_dawdle)
    each = Subscriber(spine.backing.amqp_url, "test", drain=5)
    each.subscribe(work.name, as_it_is, handle, through, prefetch=1)
    async with await aio_pika.connect(spine.backing.amqp_url) as connection:
        channel = await connection.channel()
        for body in (b"first", b"second"):
            await channel.default_exchange.publish(aio_pika.Message(body), work.name)
        # when
        async with consuming(each):
            # then
            await eventually(lambda: asyncio.sleep(0, seen), lambda found: found == [b"first", b"second"], within=60)


async def test_a_connection_that_is_back_leaves_each_channel_to_its_consumer(spine):
    """The library opens one after the other, which took minutes on a busy cluster that had lost a node."""
    # given
    back = asyncio.Event()
    async with proxied(spine.backing.amqp_url) as (url, proxy):
        connection = await ClusterBroker(url, "test").connect()
        try:
            channels = [await connection.channel() for _ in range(3)]
            connection.reconnect_callbacks.add(lambda *_: back.set())
            # when
            proxy.cut()
            await asyncio.wait_for(back.wait(), 60)
            # then
            assert [channel.is_closed for channel in channels] == [True] * 3
            await asyncio.gather(*(channel.restore() for channel in channels))
            assert [channel.is_closed for channel in channels] == [False] * 3
        finally:
            await connection.close()


async def test_promise_11_a_backlog_waits_at_the_broker_and_not_in_the_service(spine):
    # given
    work = topology.lane_queue("notifier", "behind")
    await declare(spine.backing.amqp_url, topology.spine(), topology.Topology(queues=(work,)))
    count, prefetch, started, finish = 1_000, 20, 0, asyncio.Event()

    async def handle(message):
        nonlocal started
        started += 1
        await finish.wait()

    async with await aio_pika.connect(spine.backing.amqp_url) as connection:
        channel = await connection.channel()
        for number in range(count):
            await channel.default_exchange.publish(aio_pika.Message(str(number).encode()), work.name)
        # when
        each = Subscriber(spine.backing.amqp_url, "test", drain=5)
        each.subscribe(work.name, as_it_is, handle, through, prefetch=prefetch)
        async with consuming(each):
            await eventually(lambda: asyncio.sleep(0, started), lambda found: found >= prefetch)
            # then the service holds so many and asks for no more
            queue = await channel.get_queue(work.name)
            waiting = await eventually(queue.declare, lambda found: found.message_count <= count - prefetch)
            await queue.purge()
            finish.set()
    assert (started, waiting.message_count) == (prefetch, count - prefetch)


async def test_a_stop_burns_no_delivery(spine):
    """What is being processed is finished once; what waits in the queue is not counted as delivered.

    More messages end at the stop than the acknowledgements that RabbitMQ has on their way to a queue (32).
    """
    # given
    work = topology.lane_queue("notifier", "stopped")
    await declare(spine.backing.amqp_url, topology.spine(), topology.Topology(queues=(work,)))
    prefetch, started, seen, finish = 200, 0, [], asyncio.Event()

    async def handle(message):
        nonlocal started
        started += 1
        await finish.wait()
        seen.append((int(message.body), message.headers.get("x-delivery-count", 0)))

    def subscribed():
        each = Subscriber(spine.backing.amqp_url, "test", drain=5)
        each.subscribe(work.name, as_it_is, handle, through, prefetch=prefetch)
        return each

    async with await aio_pika.connect(spine.backing.amqp_url) as connection:
        channel = await connection.channel()
        for number in range(3 * prefetch):
            await channel.default_exchange.publish(aio_pika.Message(str(number).encode()), work.name)
    async with consuming(subscribed()) as each:
        await eventually(lambda: asyncio.sleep(0, started), lambda found: found == prefetch)
        # when
        stopping = asyncio.create_task(each.stop())
        await eventually(
            lambda: asyncio.sleep(0, [sub.running for sub in each.broker.subscribers]), lambda on: on == [False]
        )
        finish.set()
        await stopping
        # then
        assert sorted(seen) == [(number, 0) for number in range(prefetch)]
    # and the others are as they were
    async with consuming(subscribed()):
        await eventually(lambda: asyncio.sleep(0, len(seen)), lambda found: found >= 3 * prefetch)
    assert sorted(seen) == [(number, 0) for number in range(3 * prefetch)]


async def test_a_stop_waits_for_so_long_and_then_says_so(spine):
    # given
    work = topology.lane_queue("notifier", "slow")
    await declare(spine.backing.amqp_url, topology.spine(), topology.Topology(queues=(work,)))
    started, ended = asyncio.Event(), []

    async def handle(message):
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(message.body)

    each = Subscriber(spine.backing.amqp_url, "test", drain=0.2)
    each.subscribe(work.name, as_it_is, handle, through, prefetch=5)
    async with await aio_pika.connect(spine.backing.amqp_url) as connection:
        channel = await connection.channel()
        await channel.default_exchange.publish(aio_pika.Message(b"slow"), work.name)
        async with consuming(each):
            await asyncio.wait_for(started.wait(), 10)
            # when
            with pytest.raises(TimeoutError):
                await each.stop()
        # then: it is cancelled, and stays with the broker
        assert ended == [b"slow"]
        queue = await channel.get_queue(work.name)
        assert await eventually(lambda: queue.get(fail=False, no_ack=True), bool)


async def test_a_queue_that_is_missing_keeps_no_other_from_being_consumed_and_is_consumed_when_it_is_made(spine):
    # given
    url, names = spine.backing.amqp_url, [f"gone.{number}" for number in range(3)]
    lanes = [topology.lane_queue("notifier", name) for name in names]
    await declare(url, topology.spine(), topology.Topology(queues=(lanes[1],)))
    seen = []

    async def handle(message):
        seen.append((message.body, message.headers.get("x-delivery-count", 0)))

    each = Subscriber(url, "test", drain=5)
    for lane in lanes:
        each.subscribe(lane.name, as_it_is, handle, through, prefetch=5)
    async with consuming(each), await aio_pika.connect(url) as connection:
        channel = await connection.channel()

        async def send(body, lane):
            await channel.default_exchange.publish(aio_pika.Message(body), lane.name)

        # when
        await send(b"first", lanes[1])
        await eventually(lambda: asyncio.sleep(0, list(seen)), lambda found: found == [(b"first", 0)])
        await asyncio.sleep(3 * subscriber.PAUSE_SECONDS)  # so that the others were tried several times
        await send(b"second", lanes[1])
        await eventually(lambda: asyncio.sleep(0, len(seen)), lambda found: found == 2)
        await declare(url, topology.Topology(queues=tuple(lanes)))
        await send(b"third", lanes[0])
        await send(b"fourth", lanes[2])
        # then
        bodies = {b"first", b"second", b"third", b"fourth"}
        await eventually(lambda: asyncio.sleep(0, set(seen)), lambda found: found == {(body, 0) for body in bodies})


async def test_a_queue_that_is_deleted_keeps_no_other_from_its_messages_and_is_consumed_again(spine):
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


async def test_messages_that_an_older_version_left_in_its_queue_are_processed_too(spine):
    # given
    schools, old = Recorder(), topology.projection_retry_queue("notifier", "mirror_of_before")

    def register(service):
        service.on(SchoolChanged, schools.one)
        service.on_queue(old, SchoolChanged, schools.one)

    async with spine.running(register), await aio_pika.connect(spine.backing.amqp_url) as connection:
        channel = await connection.channel()
        fact = spine.school()
        headers = Envelope.of(fact, "gateway").headers()
        # when
        message = aio_pika.Message(fact.model_dump_json().encode(), headers=headers)
        await channel.default_exchange.publish(message, old.name)
        # then
        await schools.until(lambda seen: [each.school_id for each in seen] == [fact.school_id])
