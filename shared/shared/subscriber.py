"""Takes messages off this service's queues with FastStream: a channel and a prefetch for each queue.

FastStream brings them through every loss of the broker; its wrapping stays in here. Acknowledgements share frames.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import structlog
from aiormq.abc import AbstractChannel
from faststream.middlewares import AckPolicy
from faststream.rabbit import Channel, RabbitBroker, RabbitMessage, RabbitQueue

from shared.publisher import CONNECTION_PROBLEMS

log = structlog.get_logger()


class Acks:
    """Acknowledges one channel's messages as they are settled, in any order, with as few frames as will do.

    The broker numbers what it delivers on a channel 1, 2, 3, …: all up to a number are settled only if none is missing.
    """

    def __init__(self, channel: AbstractChannel) -> None:
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


async def _as_it_is(message: RabbitMessage) -> RabbitMessage:
    """Decoder that leaves the message alone: parsing is the consumer's, so that a malformed body is settled too."""
    return message


class Subscriber:
    """All queues of a service: `take` them, `start` when they are there, `stop` to drain."""

    def __init__(self, url: str, patience: float) -> None:
        """`patience`: seconds that `stop` waits, at most, for what is in hand."""
        self._broker = RabbitBroker(url, apply_types=False, logger=None, graceful_timeout=patience)
        self._acks: WeakKeyDictionary[AbstractChannel, Acks] = WeakKeyDictionary()
        self.queues: list[str] = []

    def take(self, queue: str, settle: Settle, prefetch: int) -> None:
        """Have `settle` called with each message of a queue, with at most `prefetch` of them in hand."""

        async def hand(message: RabbitMessage) -> None:
            raw = message.raw_message
            acks = self._acks.get(raw.channel)
            if acks is None:
                acks = self._acks[raw.channel] = Acks(raw.channel)
            await settle(Message(raw.headers, raw.body, raw.delivery_tag or 0, acks))

        subscriber = self._broker.subscriber(
            RabbitQueue(queue, declare=False, durable=True),
            ack_policy=AckPolicy.MANUAL,
            channel=Channel(prefetch_count=prefetch),
            decoder=_as_it_is,
            no_reply=True,
            title=queue,
        )
        subscriber(hand)
        self.queues.append(queue)

    async def start(self) -> None:
        """Take messages from now on, through every loss of the broker."""
        await self._broker.start()

    async def stop(self) -> None:
        """Take no more, wait for what is in hand, and tell the broker what was settled."""
        for subscriber in self._broker.subscribers:
            await subscriber.stop()
        await asyncio.gather(*(acks.saying for acks in self._acks.values() if acks.saying))
        await self._broker.stop()
