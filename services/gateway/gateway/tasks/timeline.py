"""The timeline of a task: the events of its correlation id, read from the log.

The log keeps what happened, not how often a consumer tried: attempts are known of messages that failed for good.
"""

import asyncio
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel

from gateway.problems import Problem
from gateway.tasks.reads import Task
from shared.errors import NotUnderstood
from shared.events import FINAL, Envelope, TaskChanged
from shared.messaging.connection import CONNECTION_PROBLEMS, Connection, connected
from shared.messaging.stream_reader import PROBE, StreamMessage, read_stream
from shared.messaging.topology import LOGS
from shared.transactions.unit_of_work import UnitOfWorkFactory

BEFORE = dt.timedelta(minutes=1)
AFTER = dt.timedelta(minutes=1)
"""How long before a task's first row and after its last change its events are looked for."""
READ_SECONDS = 4.0
READ_MESSAGES = 50_000
"""Limits of what one request reads of each stream."""

# Find the failures of these messages. No body and no header is read.
SELECT_FAILURES = """
SELECT failure_id, message_id, queue, attempts, fingerprint, given_back_at, resolved_at, discarded_at FROM failure
WHERE message_id = ANY(%(ids)s) ORDER BY failure_id
"""


class FailureOfStep(BaseModel):
    """A consumer that failed for good with this event, and after how many attempts."""

    failure: int
    queue: str
    attempts: int
    fingerprint: str
    closed: bool


class Step(BaseModel):
    """An event. `seconds` is the time from its cause to it, null for the first and where the cause is not in the log.

    `state` is what a change of a task says.
    """

    id: UUID
    at: dt.datetime
    type: str
    service: str
    subject: str
    cause: UUID | None
    seconds: float | None
    state: str | None = None
    failures: list[FailureOfStep] = []


class Timeline(BaseModel):
    """The events of a task in the order of their time. `complete` is false if a limit ended the search."""

    task_id: UUID
    correlation_id: UUID | None
    complete: bool
    notes: list[str]
    steps: list[Step]


class TimelineReader:
    """Reads timelines from the streams, without a trace in them."""

    def __init__(self, url: str, transactions: UnitOfWorkFactory) -> None:
        self._url = url
        self._transactions = transactions

    async def read(self, task: Task) -> Timeline:
        """Return the timeline of a task; 503 while the broker is unavailable."""
        start = task.created_at - BEFORE
        end = (task.changed_at if task.state in FINAL else dt.datetime.now(dt.UTC)) + AFTER
        try:
            async with connected(self._url, "gateway-timeline") as connection:
                parts = await asyncio.gather(*(_events(connection, stream, start, end) for stream in LOGS))
        except CONNECTION_PROBLEMS as problem:
            raise Problem(503, "unavailable", "The log cannot be read, because the broker is unavailable.") from problem
        found = [each for events, _ in parts for each in events]
        correlation = next((e.correlation_id for e, _ in found if e.task_id == task.id and e.correlation_id), None)
        mine = [
            (e, state)
            for e, state in found
            if e.task_id == task.id
            or (correlation and e.correlation_id == correlation and _may_be_seen(e.school_id, task.school_id))
        ]
        async with self._transactions.begin() as tx:
            failures = await tx.rows(SELECT_FAILURES, {"ids": [str(e.id) for e, _ in mine]})
        complete = all(done for _, done in parts)
        return Timeline(
            task_id=task.id,
            correlation_id=correlation,
            complete=complete,
            notes=_notes(complete, mine != [], task),
            steps=_steps(mine, failures),
        )


def _may_be_seen(school: UUID | None, of_task: UUID | None) -> bool:
    """Whether an event belongs to the timeline of a school's task: one cause can have tasks of many schools."""
    return of_task is None or school in (None, of_task)


async def _events(
    connection: Connection, stream: str, start: dt.datetime, end: dt.datetime
) -> tuple[list[tuple[Envelope, str | None]], bool]:
    """Read the envelopes of a stream between two times; the second value is whether all of it was read."""
    found: list[tuple[Envelope, str | None]] = []
    loop = asyncio.get_running_loop()
    deadline, seen = loop.time() + READ_SECONDS, 0
    async with read_stream(connection, stream, start) as incoming:
        while messages := await incoming.batch(PROBE):
            await incoming.ack()
            seen += len(messages)
            envelopes = list(_read(messages))
            found += [each for each in envelopes if start <= each[0].time <= end]
            if any(envelope.time > end for envelope, _ in envelopes):
                break
            if loop.time() > deadline or seen > READ_MESSAGES:
                return found, False
    return found, True


def _read(messages: Iterable[StreamMessage]) -> Iterable[tuple[Envelope, str | None]]:
    """Read envelopes, and of changes of a task the state; others' bodies stay unread."""
    for message in messages:
        try:
            envelope = Envelope.read(message.headers)
        except NotUnderstood:
            continue
        yield envelope, _state(message.body) if envelope.type == TaskChanged.topic else None


def _state(body: bytes) -> str | None:
    try:
        found = orjson.loads(body).get("state")
    except (orjson.JSONDecodeError, AttributeError):
        return None
    return found if isinstance(found, str) else None


def _steps(events: list[tuple[Envelope, str | None]], failures: Sequence[Mapping[str, Any]]) -> list[Step]:
    times = {envelope.id: envelope.time for envelope, _ in events}
    failed: dict[str, list[FailureOfStep]] = {}
    for row in failures:
        closed = row["resolved_at"] is not None or row["discarded_at"] is not None
        failed.setdefault(row["message_id"], []).append(
            FailureOfStep(
                failure=row["failure_id"],
                queue=row["queue"],
                attempts=row["attempts"],
                fingerprint=row["fingerprint"],
                closed=closed,
            )
        )
    return [
        Step(
            id=each.id,
            at=each.time,
            type=each.type,
            service=each.source,
            subject=each.subject,
            cause=each.causation_id,
            seconds=(each.time - times[each.causation_id]).total_seconds() if each.causation_id in times else None,
            state=state,
            failures=failed.get(str(each.id), []),
        )
        for each, state in sorted(events, key=lambda one: one[0].time)
    ]


def _notes(complete: bool, any_found: bool, task: Task) -> list[str]:
    notes = ["Attempts are known of messages that failed for good; the log does not say how often others were tried."]
    if not complete:
        notes.append("The log has more events in the time of this task than one request reads. Later ones are missing.")
    if not any_found:
        notes.append(f"The log has no event of this task any more, or not yet. Its row says: {task.state}.")
    return notes
