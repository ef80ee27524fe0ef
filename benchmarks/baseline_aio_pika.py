"""The peers of the spine's figures: plain aio-pika and a bare FastStream, the same bytes on the same queue and stream.

Publishing keeps 200 confirms in flight, as the relay does; consuming acknowledges one by one with the prefetch of a
reaction; reading a stream acknowledges by batch, as a projection does.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aio_pika
from aio_pika.abc import AbstractIncomingMessage, DeliveryMode
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue

from shared.events import NotificationCompleted
from shared.messaging.topology import EVENTS

IN_FLIGHT = 200
PREFETCH = 50
READ_AHEAD = 400
PATIENCE = 120


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the measurement."""

    routing_key: str
    headers: dict[str, Any]
    body: bytes


@dataclass(frozen=True, slots=True)
class Pace:
    """Messages a second, and microseconds of this process's processor time for each."""

    rate: float
    cpu: float


class Stopwatch:
    """Measures wall time and processor time since it was made."""

    def __init__(self) -> None:
        self._began, self._cpu = time.perf_counter(), time.process_time()

    def pace(self, count: int) -> Pace:
        """Return the pace of `count` messages so far."""
        took, cpu = time.perf_counter() - self._began, time.process_time() - self._cpu
        return Pace(count / took, cpu / count * 1e6)


async def publish(url: str, messages: Sequence[Message]) -> Pace:
    """Publish persistent messages with confirms."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        exchange = await channel.get_exchange(EVENTS, ensure=False)

        async def send(message: Message) -> None:
            wrapped = aio_pika.Message(
                message.body,
                headers=dict(message.headers),
                content_type="application/json",
                message_id=message.headers["ce-id"],
                delivery_mode=DeliveryMode.PERSISTENT,
            )
            await exchange.publish(wrapped, message.routing_key, timeout=30)

        watch = Stopwatch()
        for start in range(0, len(messages), IN_FLIGHT):
            await asyncio.gather(*(send(message) for message in messages[start : start + IN_FLIGHT]))
        return watch.pace(len(messages))


async def consume(url: str, queue: str, count: int) -> Pace:
    """Consume `count` messages of a full queue, from the first delivery to the last ack."""
    counter = _Counter(count)

    async def take(message: AbstractIncomingMessage) -> None:
        counter.first()
        await message.ack()
        counter.tick()

    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(publisher_confirms=False)
        await channel.set_qos(PREFETCH)
        await (await channel.get_queue(queue, ensure=False)).consume(take)
        return await counter.pace()


async def consume_by_faststream(url: str, queue: str, count: int) -> Pace:
    """As `consume`, by FastStream as its documentation begins: a handler of a model, acknowledged when it returns."""
    counter = _Counter(count)
    broker = RabbitBroker(url, logger=None)
    channel = Channel(prefetch_count=PREFETCH, publisher_confirms=False)

    @broker.subscriber(RabbitQueue(queue, declare=False), channel=channel, no_reply=True)
    async def take(event: NotificationCompleted) -> None:  # noqa: ARG001  # read and thrown away, as by `consume`
        counter.first()
        counter.tick()

    async with broker:
        await broker.start()
        return await counter.pace()


async def read(url: str, stream: str, offset: int, count: int) -> Pace:
    """Read `count` messages of a stream after `offset`."""
    counter = _Counter(count)
    inbox: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(publisher_confirms=False)
        await channel.set_qos(READ_AHEAD)
        queue = await channel.get_queue(stream, ensure=False)
        await queue.consume(inbox.put, arguments={"x-stream-offset": offset + 1 if offset >= 0 else "first"})
        seen = 0
        while seen < count:
            batch = [await inbox.get()]
            counter.first()
            while not inbox.empty():
                batch.append(inbox.get_nowait())
            await batch[-1].ack(multiple=True)
            seen += len(batch)
            counter.tick(len(batch))
        return await counter.pace()


async def through(url: str, queue: str, messages: Sequence[Message]) -> Pace:
    """Publish and consume at once, from the first publish to the last ack."""
    watch = Stopwatch()
    await asyncio.gather(publish(url, messages), consume(url, queue, len(messages)))
    return watch.pace(len(messages))


class _Counter:
    """Counts up to a number and measures from the first to the last."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._left = count
        self._watch: Stopwatch | None = None
        self._found: asyncio.Future[Pace] = asyncio.get_running_loop().create_future()

    def first(self) -> None:
        self._watch = self._watch or Stopwatch()

    def tick(self, by: int = 1) -> None:
        self._left -= by
        if self._left <= 0 and self._watch is not None and not self._found.done():
            self._found.set_result(self._watch.pace(self._count))

    async def pace(self) -> Pace:
        async with asyncio.timeout(PATIENCE):
            return await self._found
