"""The timeline of a task: the events of its correlation id, read from the log.

The log keeps what happened. How often and how long a consumer tried is known if it emitted an event; how often, too, if
it failed for good.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from gateway.event_log.log_reader import Entry, LogReader
from gateway.tasks.reads import Task
from shared.events import FINAL, Envelope
from shared.messaging.topology import LOGS
from shared.transactions.unit_of_work import UnitOfWorkFactory

BEFORE = dt.timedelta(minutes=1)
AFTER = dt.timedelta(minutes=1)
"""How long before a task's first row and after its last change its events are looked for."""
MOST = 50_000
"""Events of one stream that are looked at."""

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

    `handler_seconds` is the part of it in which the reaction to the cause ran, and `attempt` says which try emitted the
    event. `state` is what a change of a task says.
    """

    id: UUID
    at: dt.datetime
    type: str
    service: str
    subject: str
    cause: UUID | None
    seconds: float | None
    handler_seconds: float | None = None
    attempt: int | None = None
    state: str | None = None
    failures: list[FailureOfStep] = []


class Timeline(BaseModel):
    """The events of a task in the order of their time. `complete` is false if a limit ended the search."""

    task_id: UUID
    correlation_id: UUID | None
    complete: bool
    notes: list[str]
    steps: list[Step]


async def read_timeline(log: LogReader, transactions: UnitOfWorkFactory, task: Task) -> Timeline:
    """Return the timeline of a task; 503 while the broker is unavailable."""
    start = task.created_at - BEFORE
    end = (task.changed_at if task.state in FINAL else dt.datetime.now(dt.UTC)) + AFTER
    read = await log.read(dict.fromkeys(LOGS, start), lambda each: start <= each.time <= end, MOST, until=end)
    found = [entry for part in read.values() for entry in part.entries]
    envelopes = [entry.envelope for entry in found]
    correlation = next((e.correlation_id for e in envelopes if e.task_id == task.id and e.correlation_id), None)
    mine = [entry for entry in found if _belongs(entry.envelope, task, correlation)]
    async with transactions.begin() as tx:
        failures = await tx.rows(SELECT_FAILURES, {"ids": [str(entry.envelope.id) for entry in mine]})
    complete = all(part.complete for part in read.values())
    return Timeline(
        task_id=task.id,
        correlation_id=correlation,
        complete=complete,
        notes=_notes(complete, mine != [], task),
        steps=_steps(mine, failures),
    )


def _belongs(event: Envelope, task: Task, correlation: UUID | None) -> bool:
    """Whether an event is the task's, or of its cause: one cause can have tasks of many schools."""
    if event.task_id == task.id:
        return True
    seen = task.school_id is None or event.school_id in (None, task.school_id)
    return correlation is not None and event.correlation_id == correlation and seen


def _steps(events: Sequence[Entry], failures: Sequence[Mapping[str, Any]]) -> list[Step]:
    times = {entry.envelope.id: entry.envelope.time for entry in events}
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
    return [_step(entry, times, failed) for entry in sorted(events, key=lambda one: one.envelope.time)]


def _step(entry: Entry, times: Mapping[UUID, dt.datetime], failed: Mapping[str, list[FailureOfStep]]) -> Step:
    event = entry.envelope
    began = times.get(event.causation_id) if event.causation_id else None
    return Step(
        id=event.id,
        at=event.time,
        type=event.type,
        service=event.source,
        subject=event.subject,
        cause=event.causation_id,
        seconds=None if began is None else (event.time - began).total_seconds(),
        handler_seconds=entry.handler_seconds,
        attempt=entry.attempt,
        state=entry.state,
        failures=failed.get(str(event.id), []),
    )


def _notes(complete: bool, any_found: bool, task: Task) -> list[str]:
    notes = ["Attempts and seconds of a handler are known if it published an event, attempts if it failed for good."]
    if not complete:
        notes.append("The log has more events in the time of this task than one request reads. Later ones are missing.")
    if not any_found:
        notes.append(f"The log has no event of this task any more, or not yet. Its row says: {task.state}.")
    return notes
