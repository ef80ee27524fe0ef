"""Event → decide → store → emit: schedules are taken up; schools and their calendars are kept in step."""

import json
from collections.abc import Sequence

from scheduler import decisions, store
from scheduler.decisions import Which
from shared.events import CalendarChanged, DirectoryEvent, Event, ScheduleRequested, SchoolChanged, TaskCancelRequested
from shared.events.schedule_rules import OnceRule
from shared.jobs.task_status import track
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory


async def take_up(event: ScheduleRequested, tx: UnitOfWork) -> None:
    """Arm what was asked for. Where it was decided about before it was known, that decision holds."""
    if not event.payload:
        # Erased on the way: there is nothing left to say. A single run's task bears the schedule's id.
        if isinstance(event.rule, OnceRule):
            erased = "its texts were erased before it came due"
            await track(tx, event.schedule_id, school_id=event.school_id, kind=store.KIND, state="failed", error=erased)
        await tx.execute(store.BURY, {"id": event.schedule_id})
        return
    cause = tx.cause
    row = await store.take_up(tx, event, (cause.correlation_id or cause.id) if cause else None)
    if row is None:
        return
    if row["wish"] is not None:
        await decisions.fulfil(tx, event.schedule_id)
        return
    if row["state"] == "cancelled":
        await store.end_task(tx, row | {"payload": event.payload}, "cancelled")
    store.tell(tx, row)


async def cancel_task(event: TaskCancelRequested, tx: UnitOfWork) -> None:
    """A single send that was asked to stop as a task: its schedule has the task's id. The notifier is asked as well."""
    if event.kind == store.KIND and event.school_id is not None:
        which = Which(event.task_id, event.school_id, admin=False, expected=None)
        await decisions.cancel_if_open(tx, which)


async def remember_schools(events: Sequence[Event], tx: UnitOfWork) -> None:
    """Keep timezones, calendars and how far each school's directory has come."""
    schools = [e for e in events if isinstance(e, SchoolChanged)]
    calendars = [e for e in events if isinstance(e, CalendarChanged)]
    if schools:
        await tx.execute(store.REMEMBER_SCHOOLS, {"rows": json.dumps([_school(e) for e in schools])})
    if calendars:
        await tx.execute(store.REMEMBER_CALENDARS, {"rows": json.dumps([_calendar(e) for e in calendars])})
    positions = [
        {"school_id": str(school), "seen": version}
        for e in events
        if isinstance(e, DirectoryEvent)
        for school, version in e.positions.items()
    ]
    if positions:
        await tx.execute(store.REMEMBER_POSITIONS, {"rows": json.dumps(positions)})


def _school(event: SchoolChanged) -> dict[str, object]:
    return event.model_dump(mode="json", include={"school_id", "timezone", "active", "version"}) | {"seen": 0}


def _calendar(event: CalendarChanged) -> dict[str, object]:
    return {
        "school_id": str(event.school_id),
        "calendar": event.model_dump(mode="json"),
        "calendar_version": event.version,
        "seen": 0,
    }


async def follow_calendars(transactions: UnitOfWorkFactory) -> None:
    """Arm again what a changed calendar moves."""
    while True:
        async with transactions.begin() as tx:
            if await store.follow_calendars(tx) == 0:
                return


async def forget(transactions: UnitOfWorkFactory, days: int) -> None:
    """Forget schedules that ended long ago."""
    async with transactions.begin() as tx:
        await tx.execute(store.FORGET, {"days": days})
