"""Takes messages off this service's queues: one connection for nothing else, a channel and a prefetch for each queue.

On aiormq, the layer below aio-pika: it wraps nothing, and acknowledges many messages in one frame.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aio_pika
import structlog
from aio_pika.abc import AbstractConnection
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel

from shared.publisher import CONNECTION_PROBLEMS, underlying

log = structlog.get_logger()

PAUSE = 0.5
"""Before a queue is asked for again that could not be taken from."""


class Acks:
    """Acknowledges one channel's messages as they are settled, in any order, with as few frames as will do.

    The broker numbers what it delivers on a channel 1, 2, 3, …: all up to a number are settled only if none is missing.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._all_up_to = 0
        self._settled: set[int] = set()
        """Not said yet."""
        self._said: set[int] = set()
        """Said one by one, beyond those that are all settled."""
        self.saying: asyncio.Task[None] | None = None

    def settled(self, tag: int) -> None:
        """It need not come again."""
        self._settled.add(tag)
        if self.saying is None or self.saying.done():
            self.saying = asyncio.create_task(self._say())

    async def _say(self) -> None:
        """If the channel is lost by now the broker gives the messages again, and the inbox knows them."""
        try:
            while self._settled:
                for tag, multiple in self._due():
                    await self._channel.basic_ack(tag, multiple=multiple)
        except CONNECTION_PROBLEMS as problem:
            log.info("acks.lost", error=type(problem).__name__)

    def _due(self) -> list[tuple[int, bool]]:
        """All up to the first that is still in hand in one; those behind it one by one."""
        due = []
        tag, latest = self._all_up_to + 1, 0
        while tag in self._settled or tag in self._said:
            if tag in self._settled:
                latest = tag
            self._said.discard(tag)
            tag += 1
        self._all_up_to = tag - 1
        if latest:
            due.append((latest, True))
        behind = {each for each in self._settled if each >= tag}
        due += [(each, False) for each in behind]
        self._said |= behind
        self._settled.clear()
        return due


@dataclass(frozen=True, slots=True)
class Message:
    """One message in hand."""

    headers: Mapping[str, Any]
    body: bytes
    _tag: int
    _acks: Acks

    def ack(self) -> None:
        """It is done with: the broker is told soon."""
        self._acks.settled(self._tag)


Settle = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Subscription:
    """A queue, what settles each of its messages, and how many are in hand at once."""

    queue: str
    settle: Settle
    prefetch: int


class Subscriber:
    """All subscriptions of a service; `run` it, `begin` when the queues are there, `stop` to drain."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._begun = asyncio.Event()
        self._consumers: dict[str, tuple[Channel, Acks]] = {}
        self._in_hand = 0
        self._idle = asyncio.Event()
        self.subscriptions: list[Subscription] = []

    def begin(self) -> None:
        """Take messages from now on."""
        self._begun.set()

    async def run(self) -> None:
        """Take messages until cancelled, through every loss of the broker."""
        pause = 0.2
        while self.subscriptions:
            await self._begun.wait()
            try:
                async with await aio_pika.connect(
                    self._url, timeout=5, client_properties={"connection_name": f"{self._name}-consumer"}
                ) as connection:
                    pause = 0.2
                    gone = asyncio.Event()
                    connection.close_callbacks.add(lambda *_, gone=gone: gone.set())
                    async with asyncio.TaskGroup() as each:
                        for subscription in self.subscriptions:
                            each.create_task(self._keep(connection, subscription, gone))
            except CONNECTION_PROBLEMS as problem:
                log.warning("subscriber.away", error=type(problem).__name__, again_in=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)

    async def _keep(self, connection: AbstractConnection, subscription: Subscription, gone: asyncio.Event) -> None:
        """Take from one queue until the connection is `gone`; a queue that is missing keeps no other from it."""
        while not gone.is_set():
            try:
                await self._consume(connection, subscription)
            except CONNECTION_PROBLEMS as problem:
                log.warning("consumer.interrupted", queue=subscription.queue, error=type(problem).__name__)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAUSE):
                    await gone.wait()

    async def _consume(self, connection: AbstractConnection, subscription: Subscription) -> None:
        await self._begun.wait()
        lost = asyncio.Event()
        async with connection.channel(publisher_confirms=False) as outer:
            outer.close_callbacks.add(lambda *_: lost.set())
            channel = await underlying(outer)
            acks = Acks(channel)

            async def deliver(arrived: DeliveredMessage) -> None:
                tag = arrived.delivery_tag or 0
                headers = arrived.header.properties.headers or {}
                await self._hand(Message(headers, arrived.body, tag, acks), subscription)

            # The broker ends a consumer whose queue is deleted.
            channel.on_consumer_cancel_callbacks.add(lambda _: lost.set())
            await channel.basic_qos(prefetch_count=subscription.prefetch)
            begun = await channel.basic_consume(subscription.queue, deliver)
            consumer = begun.consumer_tag or ""
            self._consumers[consumer] = (channel, acks)
            try:
                await lost.wait()
            finally:
                self._consumers.pop(consumer, None)

    async def _hand(self, message: Message, subscription: Subscription) -> None:
        self._in_hand += 1
        try:
            await subscription.settle(message)
        finally:
            self._in_hand -= 1
            if self._in_hand == 0:
                self._idle.set()

    async def stop(self, patience: float) -> None:
        """Take no more and wait, `patience` seconds at most, for what is in hand; raises TimeoutError."""
        self._begun.clear()
        consumers = list(self._consumers.items())
        for consumer, (channel, _) in consumers:
            with contextlib.suppress(*CONNECTION_PROBLEMS):
                await channel.basic_cancel(consumer, timeout=1.0)
        async with asyncio.timeout(patience):
            while self._in_hand:
                self._idle.clear()
                await self._idle.wait()
            await asyncio.gather(*(acks.saying for _, (_, acks) in consumers if acks.saying))
