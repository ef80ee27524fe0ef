"""Reads a stream of the event log from an offset."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from shared.messaging.connection import Connection, underlying
from shared.persistence.database import replace_nul

BATCH = 400
"""Messages without acknowledgement; more are not faster (measured)."""
LINGER = 0.005
BUSY = 3
"""Wait LINGER seconds for more messages only after a batch of at least this size: a single message is not delayed."""
PROBE = 0.5
PROBE_LONGEST = 10 * PROBE
"""Seconds without a message after which the end of a stream is assumed, and the limit of such a probe."""


MessageQueue = asyncio.Queue[AbstractIncomingMessage | None]
"""Received messages; None when no more will come."""


@dataclass(frozen=True, slots=True)
class StreamMessage:
    """One message of a stream."""

    offset: int
    headers: Mapping[str, Any]
    body: bytes

    @classmethod
    def of(cls, message: AbstractIncomingMessage) -> "StreamMessage":
        """Copy what a projection needs from a message."""
        return cls(cast("int", message.headers["x-stream-offset"]), message.headers, message.body)

    @property
    def type(self) -> str | None:
        """The topic in its header; None if that is not a text."""
        found = self.headers.get("ce-type")
        return found if isinstance(found, str) else None

    @property
    def identity(self) -> str | None:
        """Its id. Another id at the same offset shows that the stream was deleted and recreated."""
        found = self.headers.get("ce-id")
        return replace_nul(found) if found else None


class StreamConsumer:
    """Delivers the messages of a stream in batches."""

    def __init__(self, inbox: MessageQueue) -> None:
        self._inbox = inbox
        self._last: AbstractIncomingMessage | None = None
        self._size = 0

    async def batch(self, patience: float | None = None) -> list[StreamMessage]:
        """Return at least one message, or none after `patience` seconds; raises ConnectionError after a loss."""
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
                return [StreamMessage.of(each) for each in messages]
            message = self._inbox.get_nowait()
        raise ConnectionError("the channel of the stream was closed")

    async def ack(self) -> None:
        """Acknowledge all returned messages."""
        if self._last is not None:
            await self._last.ack(multiple=True)
            self._last = None


@asynccontextmanager
async def read_stream(
    connection: Connection, stream: str, start: Any, prefetch: int = BATCH
) -> AsyncIterator[StreamConsumer]:
    """Read a stream from `start`: an offset, an instant, "first", "last" (chunk) or "next"."""
    inbox: MessageQueue = asyncio.Queue()
    async with connection.channel(publisher_confirms=False) as channel:
        await _on_loss(channel, lambda: inbox.put_nowait(None))
        await channel.set_qos(prefetch)
        queue = await channel.get_queue(stream, ensure=False)
        await queue.consume(inbox.put, arguments={"x-stream-offset": start})
        yield StreamConsumer(inbox)


async def _on_loss(channel: AbstractChannel, lost: Callable[[], None]) -> None:
    """Call `lost` when the channel closes, and when the broker cancels the consumer because the stream was deleted."""
    channel.close_callbacks.add(lambda *_: lost())
    (await underlying(channel)).on_consumer_cancel_callbacks.add(lambda _: lost())


async def first_offset(connection: Connection, stream: str) -> int:
    """Return the lowest offset of a stream, or -1 if it is empty."""
    async with read_stream(connection, stream, "first", prefetch=1) as incoming:
        found = await incoming.batch(PROBE * 4)
    return found[0].offset if found else -1


async def counted_end(connection: Connection, stream: str) -> int:
    """Return the highest offset by the broker's own count, or -1 if it counts no message; it needs no silence.

    The broker may count every few seconds only, so that the newest messages are missing from it.
    """
    count = await _count(connection, stream)
    if not count or (begin := await first_offset(connection, stream)) < 0:
        return -1
    return begin + count - 1


async def _count(connection: Connection, stream: str) -> int:
    async with connection.channel(publisher_confirms=False) as channel:
        return (await channel.declare_queue(stream, passive=True)).declaration_result.message_count or 0


async def last_offset(connection: Connection, stream: str, enough: int | None = None) -> int:
    """Return the highest offset of a stream, or -1 if it is empty; with `enough`, the first found at or above it.

    It reads the last chunk to its end, and what is published meanwhile. PROBE seconds without a message end the search,
    PROBE_LONGEST seconds in any case. With `enough` it waits PROBE_LONGEST for a message: a busy broker pauses too.
    """
    highest = -1
    silence = PROBE if enough is None else PROBE_LONGEST
    patience = PROBE_LONGEST if await _count(connection, stream) else silence
    async with read_stream(connection, stream, "last") as incoming:
        with suppress(TimeoutError):
            async with asyncio.timeout(PROBE_LONGEST):
                while (enough is None or highest < enough) and (found := await incoming.batch(patience)):
                    highest = found[-1].offset
                    await incoming.ack()
                    patience = silence
    return highest
