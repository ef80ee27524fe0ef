"""Response models of the scheduler."""

import datetime as dt
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from scheduler.tables import ScheduleRead, ScheduleShown
from shared.recurrence import zone_of


class LastRun(BaseModel):
    """The last run: its due time, its time, its outcome, and what it published.

    The gateway adds `task` with state, result and error of the task, when it knows them.
    """

    due_at: str | None
    ran_at: str | None
    outcome: str
    task_id: UUID | None
    notification_id: UUID | None


class Schedule(ScheduleShown):
    """A schedule. Times of runs are in the school's timezone, or in the schedule's own while the school is unknown."""

    id: UUID
    message: dict[str, Any] | None
    notification_id: UUID | None
    task_id: UUID | None
    next_run: str | None
    last_run: LastRun | None


class SchedulePage(BaseModel):
    """A page of schedules, newest first. Pass `next` as `after` for the next page; it is null on the last page."""

    items: list[Schedule]
    timezone: str
    next: UUID | None


class Preview(BaseModel):
    """The next runs of a rule, in its timezone."""

    timezone: str
    runs: list[str]


def local(moment: dt.datetime, zone: str) -> str:
    """Format an instant with the offset of a timezone."""
    return moment.astimezone(zone_of(zone)).isoformat()


def shown(stored: ScheduleRead, school_zone: str | None) -> Schedule:
    """Make the response of a stored schedule."""
    zone = school_zone or stored.timezone
    payload = stored.payload or {}
    message = {name: value for name, value in payload.items() if name not in ("notification_id", "task_id")}
    return Schedule(
        **stored.model_dump(include=set(ScheduleShown.model_fields)),
        id=stored.schedule_id,
        message=message or None,
        notification_id=payload.get("notification_id"),
        task_id=payload.get("task_id"),
        next_run=local(stored.due_at, zone) if stored.state == "active" and stored.due_at else None,
        last_run=_last_run(stored, zone),
    )


def _last_run(stored: ScheduleRead, zone: str) -> LastRun | None:
    if not stored.last_outcome:
        return None
    return LastRun(
        due_at=stored.last_due_at and local(stored.last_due_at, zone),
        ran_at=stored.last_run_at and local(stored.last_run_at, zone),
        outcome=stored.last_outcome,
        task_id=stored.last_task_id,
        notification_id=stored.last_notification_id,
    )
