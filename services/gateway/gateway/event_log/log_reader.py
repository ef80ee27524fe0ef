"""Reads the event log by a consumer of its own, so much at a time. Of a body only a task's state is read.

The streams are read side by side from their own offsets and merged by time. A reading ends at its limits of events and
seconds, and says so; its cursor holds the offset of each stream, so the next one continues where it ended.
"""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import orjson

from gateway.problems import Problem
from shared.errors import Malformed
from shared.events import Envelope, TaskChanged
from shared.events.headers import HANDLER_ATTEMPT, HANDLER_MICROSECONDS, read_count, read_number
from shared.messaging import topology
from shared.messaging.connection import CONNECTION_PROBLEMS, Connection, connected
from shared.messaging.stream_reader import StreamMessage, counted_end, first_offset, last_offset, read_stream

AT_ONCE = 2
"""Readings of one gateway at the same time; others wait."""
WAIT_SECONDS = 10.0
READ_SECONDS = 6.0
MOST_READ = 50_000
"""Events of one stream that a reading looks at."""
FIRST_PATIENCE, PATIENCE = 1.5, 0.5
"""Seconds without an event after which the end of a stream is assumed, before and after its first one."""
CLOCKS = dt.timedelta(minutes=5)
"""The broker's clock, by which a time is found, and the publishers', by which events are compared."""

Start = int | dt.datetime | str


@dataclass(frozen=True, slots=True)
class Entry:
    """An event of the log: where it is, and its envelope. `state` is what a change of a task says.

    `attempt` and `handler_seconds` are of the reaction that emitted it.
    """

    stream: str
    offset: int
    size: int
    envelope: Envelope
    state: str | None = None
    attempt: int | None = None
    handler_seconds: float | None = None


@dataclass(slots=True)
class Read:
    """What was read of a stream. `complete`: its end was reached. `full`: it has more, and enough was found."""

    entries: list[Entry] = field(default_factory=list)
    looked_at: int = 0
    offset: int = -1
    until: dt.datetime | None = None
    complete: bool = False
    full: bool = False


@dataclass(frozen=True, slots=True)
class Extent:
    """The first and the last event of a stream; None for both if it is empty."""

    first: Entry | None
    last: Entry | None
    lost: bool
    """Whether it had events before its first one."""


class LogReader:
    """Reads streams over a connection of its own for each request."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._free = asyncio.Semaphore(AT_ONCE)

    async def read(
        self,
        starts: Mapping[str, Start],
        wanted: Callable[[Envelope], bool],
        most: int,
        until: dt.datetime | None = None,
    ) -> dict[str, Read]:
        """Read each stream from its start to its end, `until`, `most` events or the limits; 503 without a broker."""
        found = {stream: Read() for stream in starts}

        async def all_of(connection: Connection) -> None:
            reading = [
                _read(connection, stream, start, found[stream], wanted, most, until) for stream, start in starts.items()
            ]
            await asyncio.gather(*reading)

        await self._connected(all_of)
        return found

    async def extents(self) -> dict[str, Extent]:
        """Return the first and the last event of each stream."""
        found: dict[str, Extent] = {}

        async def all_of(connection: Connection) -> None:
            found.update(await asyncio.gather(*(_extent(connection, stream) for stream in topology.LOGS)))

        await self._connected(all_of)
        return found

    async def _connected(self, work: Callable[[Connection], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            raise Problem(503, "unavailable", "Others are reading the log. Try again in a moment.") from None
        try:
            async with connected(self._url, "log reader") as connection:
                await work(connection)
        except CONNECTION_PROBLEMS as problem:
            raise Problem(503, "unavailable", "The log cannot be read: the broker is unavailable.") from problem
        finally:
            self._free.release()


async def _read(
    connection: Connection,
    stream: str,
    start: Start,
    read: Read,
    wanted: Callable[[Envelope], bool],
    most: int,
    until: dt.datetime | None,
) -> None:
    """Fill `read`. The time limit ends it where it is; what is published meanwhile does not lengthen it."""
    end, began = asyncio.get_running_loop().time() + READ_SECONDS, dt.datetime.now(dt.UTC)
    last = await counted_end(connection, stream)
    async with read_stream(connection, stream, start) as incoming:
        patience = FIRST_PATIENCE
        while read.looked_at < MOST_READ and len(read.entries) < most:
            left = end - asyncio.get_running_loop().time()
            messages = await incoming.batch(min(patience, left)) if left > 0 else []
            if not messages:
                read.complete = left > patience
                return
            patience = PATIENCE
            for message in messages:
                _take(stream, start, message, read, wanted)
            await incoming.ack()
            # The count may be seconds old, so that it alone is no end: an event newer than the reading is.
            newest = until or (began if read.offset >= last else None)
            if newest is not None and read.until is not None and read.until > newest:
                read.complete = True
                return
    read.full = len(read.entries) >= most


def _take(stream: str, start: Start, message: StreamMessage, read: Read, wanted: Callable[[Envelope], bool]) -> None:
    if isinstance(start, int) and message.offset < start:
        return  # a chunk is delivered from its beginning
    read.looked_at += 1
    read.offset = message.offset
    entry = _entry(stream, message)
    if entry is None:
        return
    read.until = entry.envelope.time
    if wanted(entry.envelope):
        read.entries.append(entry)


def _entry(stream: str, message: StreamMessage) -> Entry | None:
    """Return an event; None for what is none of ours."""
    try:
        envelope = Envelope.read(message.headers)
    except Malformed:
        return None
    state = _state(message.body) if envelope.type == TaskChanged.topic else None
    attempt = read_count(message.headers, HANDLER_ATTEMPT) or None
    seconds = None
    if HANDLER_MICROSECONDS in message.headers:
        attempt, seconds = attempt or 1, read_number(message.headers, HANDLER_MICROSECONDS) / 1_000_000
    return Entry(stream, message.offset, len(message.body), envelope, state, attempt, seconds)


def _state(body: bytes) -> str | None:
    try:
        found = orjson.loads(body).get("state")
    except (orjson.JSONDecodeError, AttributeError):
        return None
    return found if isinstance(found, str) else None


async def _extent(connection: Connection, stream: str) -> tuple[str, Extent]:
    begin = await first_offset(connection, stream)
    if begin < 0:
        return stream, Extent(None, None, lost=False)
    end = await last_offset(connection, stream)
    return stream, Extent(await _at(connection, stream, begin), await _at(connection, stream, end), lost=begin > 0)


async def _at(connection: Connection, stream: str, offset: int) -> Entry | None:
    async with read_stream(connection, stream, offset, prefetch=1) as incoming:
        messages = await incoming.batch(FIRST_PATIENCE)
    return _entry(stream, messages[0]) if messages else None
