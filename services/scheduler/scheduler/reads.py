"""Reads of schedules: for people, and for the sweep that keeps the system's own."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlmodel import SQLModel, and_, col, or_, select

from scheduler.tables import ScheduleRead, ScheduleRow, SchoolRow
from shared.events import NotificationDue
from shared.events.schedules import ScheduleState
from shared.persistence.reads import select_all, select_as, showing
from shared.transactions.unit_of_work import Transaction


class Armed(SQLModel):
    """What tells whether one of the system's own schedules is as it should be."""

    schedule_id: UUID
    timezone: str
    rule: dict[str, Any] | None
    state: ScheduleState


async def one(tx: Transaction, school: UUID, schedule_id: UUID) -> ScheduleRead | None:
    """A schedule of the school or of the group; a tombstone is none."""
    statement = showing(ScheduleRead, ScheduleRow).where(
        col(ScheduleRow.schedule_id) == schedule_id,
        or_(ScheduleRow.school_id == school, col(ScheduleRow.school_id).is_(None)),
        col(ScheduleRow.rule).is_not(None),
    )
    found = await select_as(tx, ScheduleRead, statement)
    return found[0] if found else None


async def page(
    tx: Transaction,
    school: UUID,
    limit: int,
    *,
    system: bool,
    state: ScheduleState | None,
    after: UUID | None,
) -> list[ScheduleRead]:
    """Schedules of a school, newest first; with `system` the system's own, those of the group included."""
    statement = showing(ScheduleRead, ScheduleRow).where(col(ScheduleRow.rule).is_not(None))
    ours = col(ScheduleRow.school_id) == school
    of_the_group = col(ScheduleRow.school_id).is_(None)
    sends = col(ScheduleRow.emits) == NotificationDue.topic
    statement = statement.where(and_(or_(ours, of_the_group), ~sends) if system else and_(ours, sends))
    if state is not None:
        statement = statement.where(col(ScheduleRow.state) == state)
    if after is not None:
        statement = statement.where(col(ScheduleRow.schedule_id) < after)
    statement = statement.order_by(col(ScheduleRow.schedule_id).desc()).limit(limit)
    return await select_as(tx, ScheduleRead, statement)


async def that_emit(tx: Transaction, topics: Sequence[str]) -> list[Armed]:
    """All schedules whose runs publish one of the topics."""
    return await select_as(tx, Armed, showing(Armed, ScheduleRow).where(col(ScheduleRow.emits).in_(topics)))


async def schools(tx: Transaction) -> list[tuple[UUID, str | None]]:
    """Active schools and their timezones, as far as they are known."""
    return await select_all(tx, select(SchoolRow.school_id, SchoolRow.timezone).where(SchoolRow.active))
