"""Reads a stream of the log from an offset on: what a projection, a probe and a backfill have in common."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from shared.messaging.connection import Connection, underlying
from shared.persistence.database import replace_nul

BATCH = 400
"""Messages in hand; more gains nothing (measured)."""
LINGER = 0.005
BUSY = 3
"""Wait LINGER for more only after a batch of at least this many: an idle stream is read at once."""
PROBE = 0.5
PROBE_LONGEST = 10 * PROBE


Inbox = asyncio.Queue[AbstractIncomingMessage | None]
"""What has come; None once no more will."""


@dataclass(frozen=True, slots=True)
class Read:
    """One message of a stream."""

    offset: int
    headers: Mapping[str, Any]
    body: bytes

    @classmethod
    def of(cls, message: AbstractIncomingMessage) -> "Read":
        """What a projection needs of a message."""
        return cls(cast("int", message.headers["x-stream-offset"]), message.headers, message.body)

    @property
    def type(self) -> str | None:
        """The topic that it says it is of; None if that is no text."""
        found = self.headers.get("ce-type")
        return found if isinstance(found, str) else None

    @property
    def mark(self) -> str | None:
        """What tells this message from another at the same offset of a stream that was made anew."""
        found = self.headers.get("ce-id")
        return replace_nul(found) if found else None


class Incoming:
    """A stream's messages as they come."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._last: AbstractIncomingMessage | None = None
        self._size = 0

    async def batch(self, patience: float | None = None) -> list[Read]:
        """At least one message, or none after `patience` seconds; raises ConnectionError when no more will come."""
        linger = self._size >= BUSY
        messages: list[AbstractIncomingMessage] = []
        try:
            async with asyncio.timeout(patience):
                message = await self._inbox.get()
        except TimeoutError:
            return []
        while message is not None:
            messages.append(message)
            if linger and self._inbox.empty():
                linger = False
                await asyncio.sleep(LINGER)
            if self._inbox.empty() or len(messages) == BATCH:
                self._size, self._last = len(messages), messages[-1]
                return [Read.of(each) for each in messages]
            message = self._inbox.get_nowait()
        raise ConnectionError("the log's channel was closed")

    async def ack(self) -> None:
        """Acknowledge all that was given."""
        if self._last is not None:
            await self._last.ack(multiple=True)
            self._last = None


@asynccontextmanager
async def reading(connection: Connection, stream: str, start: Any, prefetch: int = BATCH) -> AsyncIterator[Incoming]:
    """What lies in a stream from `start` on: an offset, an instant, "first", "last" (chunk) or "next"."""
    inbox: Inbox = asyncio.Queue()
    async with connection.channel(publisher_confirms=False) as channel:
        await _on_loss(channel, lambda: inbox.put_nowait(None))
        await channel.set_qos(prefetch)
        queue = await channel.get_queue(stream, ensure=False)
        await queue.consume(inbox.put, arguments={"x-stream-offset": start})
        yield Incoming(inbox)


async def _on_loss(channel: AbstractChannel, tell: Callable[[], None]) -> None:
    """Call `tell` when the channel closes, and when the broker ends a consumer because its stream is deleted."""
    channel.close_callbacks.add(lambda *_: tell())
    (await underlying(channel)).on_consumer_cancel_callbacks.add(lambda _: tell())


async def first_offset(connection: Connection, stream: str) -> int:
    """The lowest offset that a stream still holds, or -1 when it is empty."""
    async with reading(connection, stream, "first", prefetch=1) as incoming:
        found = await incoming.batch(PROBE * 4)
    return found[0].offset if found else -1


async def last_offset(connection: Connection, stream: str, enough: int | None = None) -> int:
    """The highest offset of a stream, or -1 when it is empty; with `enough`, that or the first found at or above it.

    `last` gives the last chunk, which is read to its end, and what others publish meanwhile: PROBE seconds of silence
    end it, PROBE_LONGEST where there is none. With `enough` no silence is trusted: who is busy is silent too.
    """
    highest = -1
    silence = PROBE if enough is None else PROBE_LONGEST
    async with connection.channel(publisher_confirms=False) as channel:
        holds = (await channel.declare_queue(stream, passive=True)).declaration_result.message_count
    patience = PROBE_LONGEST if holds else silence
    async with reading(connection, stream, "last") as incoming:
        with suppress(TimeoutError):
            async with asyncio.timeout(PROBE_LONGEST):
                while (enough is None or highest < enough) and (found := await incoming.batch(patience)):
                    highest = found[-1].offset
                    await incoming.ack()
                    patience = silence
    return highest
