"""Schedules: requests, state changes, and the events of due runs."""

import datetime as dt
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.event import Event, Personal, StateEvent
from shared.events.notifications import NotificationIntent
from shared.events.schedule_rules import CatchUp, Rule

ScheduleState = Literal["active", "paused", "done", "expired", "cancelled"]


class ScheduleRequested(Event):
    """A person requested a schedule with one run or many; the gateway committed the request.

    `payload` is the event to emit (topic `emits`) without the fields that each run adds; it is encrypted as a whole.
    For a single run it already has `notification_id` and `task_id`, so that the requester can follow them.
    """

    topic: ClassVar[str] = "schedule.requested"

    schedule_id: UUID
    school_id: UUID
    rule: Rule
    timezone: str
    catch_up: CatchUp = "once"
    max_age_seconds: int | None = None
    emits: Literal["notification.due"] = "notification.due"
    directory_version: int
    requested_by: UUID | None = None
    requested_at: dt.datetime
    payload: Annotated[dict[str, Any], Personal] = Field(default_factory=dict)

    @property
    def subject(self) -> str:
        return str(self.schedule_id)

    @property
    def sealed_for(self) -> UUID:
        return self.schedule_id


class ScheduleChanged(StateEvent):
    """A schedule was registered, changed, paused, resumed, cancelled or ended. Its runs emit events of their own."""

    topic: ClassVar[str] = "schedule.changed"
    log_only: ClassVar[bool] = True

    schedule_id: UUID
    school_id: UUID | None = None
    emits: str
    state: ScheduleState
    timezone: str
    next_run: dt.datetime | None = None
    changed_at: dt.datetime

    @property
    def subject(self) -> str:
        return str(self.schedule_id)


class NotificationDue(NotificationIntent):
    """A scheduled notification is due. The same run of a schedule always has the same ids."""

    topic: ClassVar[str] = "notification.due"

    schedule_id: UUID
    due_at: dt.datetime

    @property
    def sealed_for(self) -> UUID:
        return self.schedule_id


class RunDue(Event):
    """A system job is due. `task_id` belongs to the run; a duplicate of the event has the same one."""

    schedule_id: UUID
    task_id: UUID
    school_id: UUID | None = None
    due_at: dt.datetime

    @property
    def subject(self) -> str:
        return str(self.schedule_id)


class FilesCleanupDue(RunDue):
    """Deleted files whose retention time has ended are due to be purged."""

    topic: ClassVar[str] = "files.cleanup_due"


class ReportsCleanupDue(RunDue):
    """Reports whose retention time has ended are due to be removed."""

    topic: ClassVar[str] = "reports.cleanup_due"


class ReportsMonthlyDue(RunDue):
    """A month has ended at a school: `month` is its first day, `starts_at` and `ends_at` (exclusive) its instants."""

    topic: ClassVar[str] = "reports.monthly_due"

    month: dt.date
    timezone: str
    starts_at: dt.datetime
    ends_at: dt.datetime


class TasksExpiryDue(RunDue):
    """Task results whose retention time has ended are due to be deleted."""

    topic: ClassVar[str] = "tasks.expiry_due"
