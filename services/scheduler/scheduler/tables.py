"""The scheduler's tables; row-level security is in `migrations`, the spine's tables are `shared.persistence.tables`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import NaiveDatetime
from sqlalchemy import BigInteger, CheckConstraint, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel

from shared.events.schedules import ScheduleState
from shared.persistence.schema import Table, column, schema


class SchedulerTable(Table):
    """A table of the scheduler's schema."""

    metadata = schema()


class ScheduleShown(SQLModel):
    """What is shown of a schedule as it is stored."""

    school_id: UUID | None  # none: the group's own
    emits: str  # the topic of the event that a run publishes
    state: ScheduleState = column(Text)
    version: int = column(default="1")  # rises with every decision and is the ETag
    rule: dict[str, Any] | None = column(JSONB)  # none: a tombstone, a decision that came before its intent
    timezone: str = column(default="'UTC'")
    catch_up: str = column(default="'once'")
    max_age_seconds: int | None
    runs: int = column(BigInteger, default="0")
    requested_by: UUID | None
    requested_at: datetime | None
    changed_at: datetime = column(default="clock_timestamp()")


class ScheduleRead(ScheduleShown):
    """What is read of a schedule to show it."""

    schedule_id: UUID = column(key=True)
    payload: dict[str, Any] | None = column(JSONB)  # the message, as it was asked for
    due_at: datetime | None  # the next run, by the database's clock
    last_due_at: datetime | None
    last_run_at: datetime | None
    last_outcome: str | None
    last_task_id: UUID | None
    last_notification_id: UUID | None


class ScheduleRow(ScheduleRead, SchedulerTable, table=True):
    """A schedule: when its next run is due, and what the run publishes."""

    __table_args__ = (
        CheckConstraint("state IN ('active', 'paused', 'done', 'expired', 'cancelled')", name="ck_schedule_state"),
        Index("ix_schedule_simple_due_at", "due_at", postgresql_where=text("state = 'active' AND simple")),
        Index("ix_schedule_due_at", "due_at", postgresql_where=text("state = 'active' AND NOT simple")),
        Index("ix_schedule_school_id", "school_id", "schedule_id"),
        Index("ix_schedule_calendar", "school_id", postgresql_where=text("needs_calendar")),
        Index("ix_schedule_changed_at", "changed_at", postgresql_using="brin"),
    )

    directory_version: int = column(BigInteger, default="0")
    correlation_id: UUID | None
    wish: dict[str, Any] | None = column(JSONB)  # on a tombstone: what was decided, for the intent to meet

    # One run and no calendar: `headers` and `data` hold the whole message, so that one statement fires a backlog.
    simple: bool = column(default="false")
    headers: str | None
    data: str | None

    fire_until: datetime = column(default="'9999-12-31 00:00:00+00'")  # a run that is later than this expires
    needs_calendar: bool = column(default="false")
    calendar_version: int = column(BigInteger, default="0")  # that `due_at` was calculated with
    over_until: NaiveDatetime | None  # a local time of the rule: occurrences up to here are completed


class SchoolRow(SchedulerTable, table=True):
    """What rules need to know of a school, projected from the log."""

    school_id: UUID = column(key=True)
    timezone: str | None
    zone_followed: str | None  # the timezone that its schedules are computed with
    active: bool = column(default="true")
    version: int = column(BigInteger, default="0")
    calendar: dict[str, Any] | None = column(JSONB)
    calendar_version: int = column(BigInteger, default="0")
    seen: int = column(BigInteger, default="0")  # the highest directory version that the log has brought
