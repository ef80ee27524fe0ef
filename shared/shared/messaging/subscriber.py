"""Takes messages off this service's queues: one connection for nothing else, a channel and a prefetch for each queue.

On aiormq, the layer below aio-pika, and on what `deliveries.py` takes from its frames.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiormq.channel import Channel

from shared.messaging.connection import CONNECTION_PROBLEMS
from shared.messaging.deliveries import Link, linked

log = structlog.get_logger()

PAUSE = 0.5
"""Before a queue is asked for again that could not be taken from."""
UNSETTLED_PAUSE = 1.0
"""Before a message goes back to its queue that could neither be handled nor passed on."""


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

    async def requeue(self, tag: int) -> None:
        """Somebody is to be given it again; the broker counts how often, and gives it up in the end."""
        try:
            await self._channel.basic_nack(tag, requeue=True)
        except CONNECTION_PROBLEMS as problem:
            log.info("acks.lost", error=type(problem).__name__)
        # Not before: an ack of all up to a later one must not overtake it.
        self._said.add(tag)

    async def _say(self) -> None:
        """If the channel is lost by now the broker gives the messages again, and the inbox knows them."""
        try:
            while self._settled:
                due = self._due()
                for nth, (tag, multiple) in enumerate(due, 1):
                    await self._channel.basic_ack(tag, multiple=multiple, wait=nth == len(due))
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

    async def requeue(self) -> None:
        """It is not: it goes back to its queue."""
        await self._acks.requeue(self._tag)


Settle = Callable[[Message], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Subscription:
    """A queue, what settles each of its messages, and how many are in hand at once."""

    queue: str
    settle: Settle
    prefetch: int


async def _settle(subscription: Subscription, message: Message) -> None:
    """What settles is at fault if it raises; its message must not stay in hand for that until the process ends."""
    try:
        await subscription.settle(message)
    except Exception:
        log.exception("message.unsettled", queue=subscription.queue)
        await asyncio.sleep(UNSETTLED_PAUSE)
        await message.requeue()


@dataclass(frozen=True, slots=True)
class _Consumer:
    """What takes from one queue right now."""

    channel: Channel
    acks: Acks
    in_hand: set[asyncio.Task[None]] = field(default_factory=set)


class Subscriber:
    """All subscriptions of a service; `run` it, `begin` when the queues are there, `stop` to drain."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._begun = asyncio.Event()
        self._consumers: dict[str, _Consumer] = {}
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
                async with linked(self._url, f"{self._name}-consumer") as link:
                    pause = 0.2
                    async with asyncio.TaskGroup() as each:
                        for subscription in self.subscriptions:
                            each.create_task(self._keep(link, subscription))
            except CONNECTION_PROBLEMS as problem:
                log.warning("subscriber.away", error=type(problem).__name__, again_in=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)

    async def _keep(self, link: Link, subscription: Subscription) -> None:
        """Take from one queue until the link is gone; a queue that is missing keeps no other from it."""
        while not link.gone.is_set():
            try:
                await self._consume(link, subscription)
            except CONNECTION_PROBLEMS as problem:
                log.warning("consumer.interrupted", queue=subscription.queue, error=type(problem).__name__)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAUSE):
                    await link.gone.wait()

    async def _consume(self, link: Link, subscription: Subscription) -> None:
        """What is in hand when the channel is lost is let go of: the broker gives it to somebody again."""
        await self._begun.wait()
        lost = asyncio.Event()
        async with link.channel(subscription.prefetch, lost.set) as channel:
            consumer = _Consumer(channel, Acks(channel))

            def take(headers: Mapping[str, Any], body: bytes, tag: int) -> None:
                task = asyncio.create_task(_settle(subscription, Message(headers, body, tag, consumer.acks)))
                consumer.in_hand.add(task)
                task.add_done_callback(consumer.in_hand.discard)

            name = await link.consume(channel, subscription.queue, take)
            self._consumers[name] = consumer
            try:
                await lost.wait()
            finally:
                del self._consumers[name]
                for task in consumer.in_hand:
                    task.cancel()
                if consumer.acks.saying:  # it may wait for a writer that is gone
                    consumer.acks.saying.cancel()

    async def stop(self, patience: float) -> None:
        """Take no more and wait, `patience` seconds at most, for what is in hand; raises TimeoutError."""
        self._begun.clear()
        consumers = dict(self._consumers)
        for name, consumer in consumers.items():
            with contextlib.suppress(*CONNECTION_PROBLEMS):
                await consumer.channel.basic_cancel(name, timeout=1.0)
        async with asyncio.timeout(patience):
            while in_hand := [task for consumer in consumers.values() for task in consumer.in_hand]:
                await asyncio.wait(in_hand)
            if saying := [consumer.acks.saying for consumer in consumers.values() if consumer.acks.saying]:
                await asyncio.wait(saying)
