"""Queries on schedules: for the routes, and for the periodic task that maintains system schedules."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text
from sqlmodel import SQLModel, any_, col, or_

from scheduler.tables import ScheduleRead, ScheduleRow, SchoolRow
from shared.events import NotificationDue
from shared.events.schedules import ScheduleState
from shared.persistence.query import Query, given, showing


class Armed(SQLModel):
    """The fields of a system schedule that show whether it is up to date."""

    schedule_id: UUID
    timezone: str
    rule: dict[str, Any] | None
    state: ScheduleState
    due_at: dt.datetime | None


class SchoolZone(SQLModel):
    """A school and its timezone."""

    school_id: UUID
    timezone: str


OF_SCHOOL = col(ScheduleRow.school_id) == given("school")
OF_THE_GROUP = col(ScheduleRow.school_id).is_(None)
SELECT_NEWEST = (
    showing(ScheduleRead, ScheduleRow)
    .where(col(ScheduleRow.rule).is_not(None))  # without one it is a tombstone, which is not shown
    .order_by(col(ScheduleRow.schedule_id).desc())
    .limit(given("limit"))
)
CONDITIONS = {
    "id": col(ScheduleRow.schedule_id) == given("id"),
    "state": col(ScheduleRow.state) == given("state"),
    "after": col(ScheduleRow.schedule_id) < given("after"),
}
LIST_SCHEDULES = Query(
    ScheduleRead, SELECT_NEWEST.where(OF_SCHOOL, col(ScheduleRow.emits) == NotificationDue.topic), **CONDITIONS
)
"""Schedules of a school, newest first."""
LIST_SYSTEM_SCHEDULES = Query(
    ScheduleRead,
    SELECT_NEWEST.where(or_(OF_SCHOOL, OF_THE_GROUP), col(ScheduleRow.emits) != NotificationDue.topic),
    **CONDITIONS,
)
"""System schedules of a school and of the whole group, newest first."""
READ_SCHEDULE = Query(ScheduleRead, SELECT_NEWEST.where(or_(OF_SCHOOL, OF_THE_GROUP)), **CONDITIONS)
"""One schedule that a school may see."""

FIND_ARMED = Query(
    Armed, showing(Armed, ScheduleRow).where(col(ScheduleRow.emits) == any_(given("topics", ARRAY(Text))))
)
"""Schedules whose runs publish one of the topics."""
LIST_ZONES = Query(
    SchoolZone, showing(SchoolZone, SchoolRow).where(col(SchoolRow.active), col(SchoolRow.timezone).is_not(None))
)
"""Active schools with a known timezone."""
