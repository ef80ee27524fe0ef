"""Reads a stream of the log from an offset on: what a projection, a probe and a backfill have in common."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from aiormq.channel import Channel

from shared.messaging.deliveries import Link
from shared.persistence.database import replace_nul

BATCH = 400
"""Messages in hand; more gains nothing (measured)."""
LINGER = 0.005
BUSY = 3
"""Wait LINGER for more only after a batch of at least this many: an idle stream is read at once."""
PROBE = 0.5
PROBE_LONGEST = 10 * PROBE


@dataclass(frozen=True, slots=True)
class Read:
    """One message of a stream."""

    offset: int
    headers: Mapping[str, Any]
    body: bytes

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


Inbox = asyncio.Queue[Read | None]
"""What has come; None once no more will."""


class Incoming:
    """A stream's messages as they come."""

    def __init__(self, channel: Channel, inbox: Inbox) -> None:
        self._channel = channel
        self._inbox = inbox
        self._given = self._size = 0

    async def batch(self, patience: float | None = None) -> list[Read]:
        """At least one message, or none after `patience` seconds; raises ConnectionError when no more will come."""
        linger = self._size >= BUSY
        messages: list[Read] = []
        try:
            async with asyncio.timeout(patience):
                message = await self._inbox.get()
        except TimeoutError:
            return messages
        while message is not None:
            messages.append(message)
            if linger and self._inbox.empty():
                linger = False
                await asyncio.sleep(LINGER)
            if self._inbox.empty() or len(messages) == BATCH:
                self._size = len(messages)
                self._given += self._size
                return messages
            message = self._inbox.get_nowait()
        raise ConnectionError("the log's channel was closed")

    async def ack(self) -> None:
        """All that was given is done with: a channel numbers what it delivers 1, 2, 3, …"""
        await self._channel.basic_ack(self._given, multiple=True)


@asynccontextmanager
async def reading(link: Link, stream: str, start: Any, prefetch: int = BATCH) -> AsyncIterator[Incoming]:
    """What lies in a stream from `start` on: an offset, an instant, "first", "last" (chunk) or "next"."""
    inbox: Inbox = asyncio.Queue()

    def take(headers: Mapping[str, Any], body: bytes, _tag: int) -> None:
        inbox.put_nowait(Read(int(headers["x-stream-offset"]), headers, body))

    async with link.channel(prefetch, lambda: inbox.put_nowait(None)) as channel:
        await link.consume(channel, stream, take, {"x-stream-offset": start})
        yield Incoming(channel, inbox)


async def first_offset(link: Link, stream: str) -> int:
    """The lowest offset that a stream still holds, or -1 when it is empty."""
    async with reading(link, stream, "first", prefetch=1) as incoming:
        found = await incoming.batch(PROBE * 4)
    return found[0].offset if found else -1


async def last_offset(link: Link, stream: str, enough: int | None = None) -> int:
    """The highest offset of a stream, or -1 when it is empty; with `enough`, that or the first found at or above it.

    `last` gives the last chunk, which is read to its end, and what others publish meanwhile: PROBE seconds of silence
    end it, PROBE_LONGEST where there is none. With `enough` no silence is trusted: who is busy is silent too.
    """
    highest = -1
    silence = PROBE if enough is None else PROBE_LONGEST
    async with link.channel(BATCH) as channel:
        holds = (await channel.queue_declare(stream, passive=True)).message_count
    patience = PROBE_LONGEST if holds else silence
    async with reading(link, stream, "last") as incoming:
        with suppress(TimeoutError):
            async with asyncio.timeout(PROBE_LONGEST):
                while (enough is None or highest < enough) and (found := await incoming.batch(patience)):
                    highest = found[-1].offset
                    await incoming.ack()
                    patience = silence
    return highest
