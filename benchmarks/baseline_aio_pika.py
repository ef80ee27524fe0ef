"""The peer of the spine's figures: plain aio-pika, the same bytes on the same exchange, queue and stream.

Each returns messages per second. Publishing keeps 200 confirms in flight, as the relay does; consuming acknowledges one
by one with the prefetch of a reaction; reading a stream acknowledges by batch, as a projection does.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aio_pika
from aio_pika.abc import AbstractIncomingMessage, DeliveryMode

from shared.messaging.topology import EVENTS

IN_FLIGHT = 200
PREFETCH = 50
READ_AHEAD = 400


@dataclass(frozen=True, slots=True)
class Message:
    """What goes over the wire."""

    routing_key: str
    headers: dict[str, Any]
    body: bytes


async def publish(url: str, messages: Sequence[Message]) -> float:
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

        began = time.perf_counter()
        for start in range(0, len(messages), IN_FLIGHT):
            await asyncio.gather(*(send(message) for message in messages[start : start + IN_FLIGHT]))
        return len(messages) / (time.perf_counter() - began)


async def consume(url: str, queue: str, count: int) -> float:
    """Take `count` messages off a queue that holds them, from the first delivery to the last ack."""
    clock = _Clock(count)

    async def take(message: AbstractIncomingMessage) -> None:
        clock.first()
        await message.ack()
        clock.tick()

    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(publisher_confirms=False)
        await channel.set_qos(PREFETCH)
        await (await channel.get_queue(queue, ensure=False)).consume(take)
        return await clock.rate()


async def read(url: str, stream: str, offset: int, count: int) -> float:
    """Read `count` messages of a stream after `offset`."""
    clock = _Clock(count)
    inbox: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(publisher_confirms=False)
        await channel.set_qos(READ_AHEAD)
        queue = await channel.get_queue(stream, ensure=False)
        await queue.consume(inbox.put, arguments={"x-stream-offset": offset + 1 if offset >= 0 else "first"})
        seen = 0
        while seen < count:
            batch = [await inbox.get()]
            clock.first()
            while not inbox.empty():
                batch.append(inbox.get_nowait())
            await batch[-1].ack(multiple=True)
            seen += len(batch)
            clock.tick(len(batch))
        return await clock.rate()


async def through(url: str, queue: str, messages: Sequence[Message]) -> float:
    """Publish and consume at once: messages per second from the first publish to the last ack."""
    began = time.perf_counter()
    await asyncio.gather(publish(url, messages), consume(url, queue, len(messages)))
    return len(messages) / (time.perf_counter() - began)


class _Clock:
    """Counts up to a number and takes the time from the first to the last."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._left = count
        self._began = 0.0
        self._took = 0.0
        self._done = asyncio.Event()

    def first(self) -> None:
        self._began = self._began or time.perf_counter()

    def tick(self, by: int = 1) -> None:
        self._left -= by
        if self._left <= 0:
            self._took = time.perf_counter() - self._began
            self._done.set()

    async def rate(self) -> float:
        async with asyncio.timeout(120):
            await self._done.wait()
        return self._count / self._took
