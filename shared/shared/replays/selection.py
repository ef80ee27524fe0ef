"""Chooses events of the log by time, type, school and id, and counts them."""

import datetime as dt
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from shared.errors import Malformed, Refused
from shared.events import ReplayRequested
from shared.events.envelope import Envelope
from shared.messaging.connection import Connection
from shared.messaging.stream_reader import StreamMessage, first_offset, last_offset, read_stream

SILENCE_SECONDS = 5.0
CLOCKS = dt.timedelta(minutes=5)
"""The broker finds a time by its own clock, and begins at the chunk before it; an event has its publisher's time."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The events that a replay chooses. Without times, types, schools or ids it chooses all of its topics."""

    topics: frozenset[str]
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    schools: frozenset[UUID] = frozenset()
    events: frozenset[UUID] = frozenset()
    force: bool = False
    """Whether a log that begins too late is accepted."""

    @classmethod
    def of(cls, request: ReplayRequested, topics: frozenset[str]) -> "Selection":
        """Return what a request chooses among the topics of its consumer; raises Refused for another type."""
        if strangers := sorted(set(request.types) - topics):
            raise Refused(
                f"{request.consumer} does not read {', '.join(strangers)}; it reads {', '.join(sorted(topics))}"
            )
        return cls(
            frozenset(request.types) or topics,
            request.since,
            request.until,
            frozenset(request.schools),
            frozenset(request.events),
            request.force,
        )

    def chooses(self, message: StreamMessage, envelope: Envelope) -> bool:
        """Whether an event is chosen."""
        return (
            envelope.type in self.topics
            and (self.since is None or envelope.time >= self.since)
            and (self.until is None or envelope.time <= self.until)
            and (not self.events or envelope.id in self.events)
            and (not self.schools or bool(self.schools & schools_of(message, envelope)))
        )


def schools_of(message: StreamMessage, envelope: Envelope) -> frozenset[UUID]:
    """Return the schools of an event. One about a person of several schools names them in its body."""
    if envelope.school_id is not None:
        return frozenset((envelope.school_id,))
    try:
        positions = orjson.loads(message.body).get("positions") or {}
        return frozenset(UUID(school) for school in positions)
    except (ValueError, AttributeError, TypeError):
        return frozenset()


@dataclass(slots=True)
class Seen:
    """What was read of a stream: its first and last event, and the chosen ones by type."""

    types: Counter[str] = field(default_factory=Counter)
    first: tuple[int, dt.datetime] | None = None
    last: tuple[int, dt.datetime] | None = None

    def add(self, message: StreamMessage, envelope: Envelope) -> None:
        """Count a chosen event."""
        self.types[envelope.type] += 1
        self.last = (message.offset, envelope.time)
        self.first = self.first or self.last

    def shown(self) -> dict[str, Any]:
        """Return it for the result of a task."""
        first, last = self.first, self.last
        return {
            "events": self.types.total(),
            "types": dict(sorted(self.types.items())),
            "from_offset": first and first[0],
            "from_time": first and first[1].isoformat(),
            "to_offset": last and last[0],
            "to_time": last and last[1].isoformat(),
        }


async def chosen(
    connection: Connection, stream: str, selection: Selection, seen: Seen
) -> AsyncGenerator[tuple[int, int, list[StreamMessage]]]:
    """Yield (position, end, chosen messages) for each batch of a stream, up to its end at the start of this call.

    Raises Refused if events that would be chosen are no longer in the log, and TimeoutError if it does not continue.
    """
    end = await last_offset(connection, stream)
    if end < 0:
        return
    begin = await first_offset(connection, stream)
    since = selection.since
    start: Any = "first" if since is None else since - CLOCKS
    at, first = -1, True
    async with read_stream(connection, stream, start) as incoming:
        while at < end:
            messages = await incoming.batch(SILENCE_SECONDS)
            if not messages and since is not None and at < 0:
                return  # the log has no message since then
            if not messages:
                raise TimeoutError(f"{stream} sent no more messages after {at}, before its end at {end}")
            if first:
                _check_start(stream, begin, messages[0], selection)
                first = False
            at = messages[-1].offset
            yield at, end, [each for each in messages if each.offset <= end and _takes(selection, each, seen)]
            await incoming.ack()


def _check_start(stream: str, begin: int, message: StreamMessage, selection: Selection) -> None:
    """Refuse a log whose first events are gone, if they might be among the chosen ones."""
    envelope = _envelope(message)
    if selection.force or begin <= 0 or message.offset > begin or envelope is None:
        return
    if selection.since is None or envelope.time > selection.since:
        raise Refused(
            f"{stream} begins at {envelope.time.isoformat(timespec='seconds')}, and what was before is gone: choose a "
            "`since` that is not earlier, or `force`"
        )


def check_age(messages: Iterable[StreamMessage], oldest: dt.datetime) -> None:
    """Raise Refused for an event that is older than its consumer's inbox: it may be handled a second time."""
    for message in messages:
        envelope = _envelope(message)
        if envelope is not None and envelope.time < oldest:
            raise Refused(
                f"the event {envelope.id} of {envelope.time.isoformat(timespec='seconds')} is older than the inbox, "
                "which may not know that it was handled: choose a `since` that is not before "
                f"{oldest.isoformat(timespec='seconds')} (INBOX_DAYS)"
            )


def _takes(selection: Selection, message: StreamMessage, seen: Seen) -> bool:
    envelope = _envelope(message)
    if envelope is None or not selection.chooses(message, envelope):
        return False
    seen.add(message, envelope)
    return True


def _envelope(message: StreamMessage) -> Envelope | None:
    """Read the envelope; None for what is no event of ours."""
    try:
        return Envelope.read(message.headers)
    except Malformed:
        return None


def total(seen: Sequence[Seen]) -> int:
    """Return the number of chosen events of all streams."""
    return sum(each.types.total() for each in seen)
