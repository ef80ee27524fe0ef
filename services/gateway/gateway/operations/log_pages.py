"""Pages of the log in the order of time, and the tree of what followed from an event. Pure."""

import datetime as dt
from collections.abc import Iterable, Mapping
from uuid import UUID

from pydantic import AwareDatetime, BaseModel

from gateway.event_log.log_reader import Entry, Read
from gateway.problems import Problem
from shared.messaging import topology

STREAMS = tuple(topology.LOGS)
LARGEST_OFFSET = 2**63 - 1


class LogEvent(BaseModel):
    """An event of the log, without its body: it may hold personal data."""

    id: UUID
    type: str
    major: int
    time: AwareDatetime
    source: str
    subject: str
    school_id: UUID | None
    task_id: UUID | None
    correlation_id: UUID | None
    causation_id: UUID | None
    stream: str
    offset: int
    size: int


class LogPage(BaseModel):
    """Oldest first. `next` continues, also where `complete` is false: the reading ended at its limits.

    `looked_at` is the number of events that were compared with the filter.
    """

    items: list[LogEvent]
    next: str | None
    complete: bool
    looked_at: int


class LogTree(LogEvent):
    """An event and what followed from it. `indirect`: through work of a service, which the log does not hold."""

    indirect: bool = False
    children: list["LogTree"] = []


class LogTreePage(BaseModel):
    """The tree of an event. `complete` is false when the reading ended at its limits: more may have followed."""

    tree: LogTree
    complete: bool
    looked_at: int


def page(reads: Mapping[str, Read], starts: Mapping[str, int | dt.datetime | str], limit: int) -> LogPage:
    """Merge what was read. Events after the last one of a stream that has more wait for the next page."""
    unfinished = [read.until for read in reads.values() if not read.complete]
    horizon = min((until for until in unfinished if until is not None), default=None)
    entries = sorted((each for read in reads.values() for each in read.entries), key=_order)
    chosen = [each for each in entries if horizon is None or each.envelope.time <= horizon][:limit]
    left = {(each.stream, each.offset) for each in entries} - {(each.stream, each.offset) for each in chosen}
    cursor: dict[str, int] = {}
    for stream, read in reads.items():
        waiting = [offset for where, offset in left if where == stream]
        start = starts[stream]
        at = read.offset + 1 if read.offset >= 0 else start if isinstance(start, int) else None
        if (next_ := min(waiting, default=at)) is not None:
            cursor[stream] = next_
    complete = all(read.complete or read.full for read in reads.values())
    looked_at = sum(read.looked_at for read in reads.values())
    more = bool(left) or bool(unfinished) or any(not read.complete for read in reads.values())
    return LogPage(
        items=[shown(each) for each in chosen], next=_write(cursor) if more else None, complete=complete,
        looked_at=looked_at,
    )  # fmt: skip


def _order(entry: Entry) -> tuple[dt.datetime, str, int]:
    return entry.envelope.time, entry.stream, entry.offset


def shown(entry: Entry) -> LogEvent:
    """Return what operators see of an event."""
    envelope = entry.envelope
    names = ("id", "type", "major", "time", "source", "subject", "school_id", "task_id", "correlation_id")
    return LogEvent(
        **{name: getattr(envelope, name) for name in names},
        causation_id=envelope.causation_id,
        stream=entry.stream,
        offset=entry.offset,
        size=entry.size,
    )


def _write(cursor: Mapping[str, int]) -> str:
    return "_".join(str(cursor.get(stream, "-")) for stream in STREAMS)


def read_cursor(text: str, since: dt.datetime | None) -> dict[str, int | dt.datetime | str]:
    """Return where each stream continues; 422 for a cursor that is none of ours."""
    parts = text.split("_")
    valid = len(parts) == len(STREAMS) and all(part == "-" or _is_offset(part) for part in parts)
    if not valid:
        errors = [{"loc": ["query", "after"], "code": "invalid", "message": "is no `next` of a page of the log"}]
        raise Problem(422, "invalid", errors=errors)
    start = "first" if since is None else since
    return {stream: start if part == "-" else int(part) for stream, part in zip(STREAMS, parts, strict=True)}


def _is_offset(part: str) -> bool:
    return part.isascii() and part.isdigit() and int(part[:20]) <= LARGEST_OFFSET


def tree_of(root: Entry, entries: Iterable[Entry]) -> LogTree:
    """Return an event with its descendants. What work of a service caused hangs on the root."""
    later = sorted((each for each in entries if each.envelope.id != root.envelope.id), key=_order)
    nodes = {root.envelope.id: LogTree(**shown(root).model_dump())}
    known = {each.envelope.id for each in later}
    for each in later:
        cause = each.envelope.causation_id
        if cause is None:
            continue
        node = LogTree(**shown(each).model_dump())
        parent = nodes.get(cause)
        if parent is None and cause in known:
            continue  # it follows from another event of the same correlation, which is not below the root
        if parent is None:
            parent = nodes[root.envelope.id]
            node.indirect = True
        parent.children.append(node)
        nodes[each.envelope.id] = node
    return nodes[root.envelope.id]
