"""Reads of schedules: for people, and for the sweep that keeps the system's own."""

from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text
from sqlmodel import SQLModel, any_, col, or_

from scheduler.tables import ScheduleRead, ScheduleRow, SchoolRow
from shared.events import NotificationDue
from shared.events.schedules import ScheduleState
from shared.persistence.query import Query, given, showing


class Armed(SQLModel):
    """What tells whether one of the system's own schedules is as it should be."""

    schedule_id: UUID
    timezone: str
    rule: dict[str, Any] | None
    state: ScheduleState


class SchoolZone(SQLModel):
    """A school and its timezone."""

    school_id: UUID
    timezone: str


OURS = col(ScheduleRow.school_id) == given("school")
OF_THE_GROUP = col(ScheduleRow.school_id).is_(None)
NEWEST = (
    showing(ScheduleRead, ScheduleRow)
    .where(col(ScheduleRow.rule).is_not(None))  # without one it is a tombstone, which is not shown
    .order_by(col(ScheduleRow.schedule_id).desc())
    .limit(given("limit"))
)
CHOICES = {
    "id": col(ScheduleRow.schedule_id) == given("id"),
    "state": col(ScheduleRow.state) == given("state"),
    "after": col(ScheduleRow.schedule_id) < given("after"),
}
LIST_SCHEDULES = Query(ScheduleRead, NEWEST.where(OURS, col(ScheduleRow.emits) == NotificationDue.topic), **CHOICES)
"""Schedules of a school, newest first."""
LIST_SYSTEM_SCHEDULES = Query(
    ScheduleRead, NEWEST.where(or_(OURS, OF_THE_GROUP), col(ScheduleRow.emits) != NotificationDue.topic), **CHOICES
)
"""The system's own for a school, those of the whole group included, newest first."""
READ_SCHEDULE = Query(ScheduleRead, NEWEST.where(or_(OURS, OF_THE_GROUP)), **CHOICES)
"""A schedule that a school may see."""

FIND_ARMED = Query(
    Armed, showing(Armed, ScheduleRow).where(col(ScheduleRow.emits) == any_(given("topics", ARRAY(Text))))
)
"""Schedules whose runs publish one of the topics."""
LIST_ZONES = Query(
    SchoolZone, showing(SchoolZone, SchoolRow).where(col(SchoolRow.active), col(SchoolRow.timezone).is_not(None))
)
"""Active schools whose timezone is known."""
