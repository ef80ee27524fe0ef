"""Handlers: register schedules, cancel them, and project schools and their calendars."""

import json
from collections.abc import Sequence

from scheduler import decisions, store
from scheduler.decisions import Target
from shared.consumers.final_failure import FinalFailure
from shared.events import CalendarChanged, DirectoryEvent, Event, ScheduleRequested, SchoolChanged, TaskCancelRequested
from shared.events.notifications import SEND_TASK
from shared.events.schedule_rules import OnceRule
from shared.jobs.task_status import track
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory


async def register(event: ScheduleRequested, tx: UnitOfWork) -> None:
    """Register a requested schedule and compute its first run; apply a decision that arrived before the request."""
    if not event.payload:
        # The texts were erased before the request arrived. The task of a single run has the id of its schedule.
        if isinstance(event.rule, OnceRule):
            erased = "the texts of the notification were erased before it was due"
            await track(tx, event.schedule_id, school_id=event.school_id, kind=SEND_TASK, state="failed", error=erased)
        await tx.execute(store.DELETE_TOMBSTONE, {"id": event.schedule_id})
        return
    cause = tx.cause
    row = await store.register(tx, event, (cause.correlation_id or cause.id) if cause else None)
    if row is None:
        return
    if row["wish"] is not None:
        await decisions.apply_deferred_decision(tx, event.schedule_id)
        return
    if row["state"] == "cancelled":
        await store.end_task(tx, row | {"payload": event.payload}, "cancelled")
    store.publish_change(tx, row)


async def fail_request(failure: FinalFailure, tx: UnitOfWork) -> None:
    """End the task of a single run whose request failed for good; a repeating schedule has none of its own."""
    request = failure.content
    if isinstance(request, ScheduleRequested) and isinstance(request.rule, OnceRule):
        error = f"it could not be scheduled, and will not be sent: {failure.reason}"
        await track(tx, request.schedule_id, school_id=request.school_id, kind=SEND_TASK, state="failed", error=error)


async def cancel_task(event: TaskCancelRequested, tx: UnitOfWork) -> None:
    """Cancel the schedule of a cancelled task: a single run has the id of its schedule. The notifier reacts as well."""
    if event.kind == SEND_TASK and event.school_id is not None:
        target = Target(event.task_id, event.school_id, admin=False, expected=None)
        await decisions.cancel_if_open(tx, target)


async def remember_schools(events: Sequence[Event], tx: UnitOfWork) -> None:
    """Project the timezone, the calendar and the directory version of each school."""
    schools = [e for e in events if isinstance(e, SchoolChanged)]
    calendars = [e for e in events if isinstance(e, CalendarChanged)]
    if schools:
        await tx.execute(store.UPSERT_SCHOOLS, {"rows": json.dumps([_school(e) for e in schools])})
    if calendars:
        await tx.execute(store.UPSERT_CALENDARS, {"rows": json.dumps([_calendar(e) for e in calendars])})
    positions = [
        {"school_id": str(school), "seen": version}
        for e in events
        if isinstance(e, DirectoryEvent)
        for school, version in e.positions.items()
    ]
    if positions:
        await tx.execute(store.UPSERT_DIRECTORY_VERSIONS, {"rows": json.dumps(positions)})


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
    """Recompute the next runs of schedules that a changed calendar moves."""
    while True:
        async with transactions.begin() as tx:
            if await store.recompute_outdated(tx) == 0:
                return


async def follow_zones(transactions: UnitOfWorkFactory) -> None:
    """Recompute the next runs of schedules whose school has moved to another timezone."""
    while True:
        async with transactions.begin() as tx:
            if not await store.follow_zone(tx):
                return


async def forget(transactions: UnitOfWorkFactory, days: int) -> None:
    """Delete schedules that ended more than `days` days ago."""
    async with transactions.begin() as tx:
        await tx.execute(store.DELETE_ENDED_SCHEDULES, {"days": days})
