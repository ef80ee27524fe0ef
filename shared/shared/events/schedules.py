"""Schedules: asked for, moved on, and what comes due by them."""

import datetime as dt
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.event import Event, Personal, StateEvent
from shared.events.notifications import NotificationIntent
from shared.events.schedule_rules import CatchUp, Rule

ScheduleState = Literal["active", "paused", "done", "expired", "cancelled"]


class ScheduleRequested(Event):
    """Somebody asked for something to happen later, once or again and again; committed by the gateway.

    `payload` is the event to emit (topic `emits`) without what only the run knows; it is sealed whole. For a single
    run it already names `notification_id` and `task_id`, so that the asker can follow them.
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
    """A schedule was taken up, changed, paused, resumed, cancelled, or ended; its runs are told by what they emit."""

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
    """The time has come to tell people something. The same run of a schedule always has the same ids."""

    topic: ClassVar[str] = "notification.due"

    schedule_id: UUID
    due_at: dt.datetime

    @property
    def sealed_for(self) -> UUID:
        return self.schedule_id


class RunDue(Event):
    """The time has come for a chore; `task_id` is the run's, and the same when it is told twice."""

    schedule_id: UUID
    task_id: UUID
    school_id: UUID | None = None
    due_at: dt.datetime

    @property
    def subject(self) -> str:
        return str(self.schedule_id)


class FilesCleanupDue(RunDue):
    """Files that were deleted long enough ago may be purged."""

    topic: ClassVar[str] = "files.cleanup_due"
    log_only: ClassVar[bool] = True


class ReportsCleanupDue(RunDue):
    """Reports that are older than their keeping time may be removed."""

    topic: ClassVar[str] = "reports.cleanup_due"
    log_only: ClassVar[bool] = True


class ReportsMonthlyDue(RunDue):
    """A month has ended at a school: `month` is its first day, `starts_at` to before `ends_at` the same as instants."""

    topic: ClassVar[str] = "reports.monthly_due"
    log_only: ClassVar[bool] = True

    month: dt.date
    timezone: str
    starts_at: dt.datetime
    ends_at: dt.datetime


class TasksExpiryDue(RunDue):
    """Results of tasks that are older than their keeping time may be dropped."""

    topic: ClassVar[str] = "tasks.expiry_due"
