"""Routes for schedules: reads and decisions. The gateway calls them with an internal token, for one school."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Query, Response
from psycopg.rows import DictRow
from pydantic import BaseModel, Field

from scheduler import decisions, reads, store
from scheduler.decisions import Target
from scheduler.schemas import Preview, Schedule, SchedulePage, local, shown
from scheduler.tables import ScheduleRead
from shared.errors import RuleRefused
from shared.events.schedule_rules import CatchUp, Rule
from shared.events.schedules import ScheduleState
from shared.http.internal_auth import InternalCaller, internal_caller, transactions
from shared.http.preconditions import IfMatch, etag
from shared.recurrence import upcoming, validate_rule
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

router = APIRouter(prefix="/v1/schedules", tags=["schedules"])

UTC = "UTC"

Who = Annotated[InternalCaller, Depends(internal_caller)]
Rows = Annotated[UnitOfWorkFactory, Depends(transactions)]


class Previewed(BaseModel):
    """A rule to preview."""

    rule: Rule
    timezone: str | None = None
    count: int = Field(default=10, ge=1, le=50)


class Changes(BaseModel):
    """Changes of a schedule; missing fields stay unchanged. `payload` replaces the parts that it names."""

    rule: Rule | None = None
    timezone: str | None = None
    catch_up: CatchUp | None = None
    max_age_seconds: int | None = Field(default=None, ge=1)
    payload: dict[str, Any] | None = None
    directory_version: int | None = None


@router.get("")
async def listing(
    who: Who,
    rows: Rows,
    system: bool = False,
    state: ScheduleState | None = None,
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> SchedulePage:
    """Schedules of a school, or `system` schedules, newest first; pass `next` as `after` for the next page."""
    query = reads.LIST_SYSTEM_SCHEDULES if system else reads.LIST_SCHEDULES
    async with rows.request(who.school) as tx:
        found = await query.all(tx, school=who.school, state=state, after=after, limit=limit + 1)
        zone = await store.timezone_of(tx, who.school)
    items = [shown(row, zone) for row in found[:limit]]
    return SchedulePage(items=items, timezone=zone or UTC, next=items[-1].id if len(found) > limit else None)


@router.post("/preview")
async def preview(body: Previewed, who: Who, rows: Rows) -> Preview:
    """The next runs of a rule, by the school's present calendar."""
    async with rows.request(who.school) as tx:
        zone = await store.timezone_of(tx, who.school)
        school, _ = await store.calendar_of_school(tx, who.school)
        now = await store.database_now(tx)
    timezone = body.timezone or zone or UTC
    try:
        validate_rule(body.rule, timezone, now)
    except RuleRefused as refusal:
        raise decisions.invalid(refusal.field, refusal.reason) from None
    # In a thread: many runs of a rule with a calendar may take long, and other requests must not wait.
    runs = await asyncio.to_thread(upcoming, body.rule, timezone, now, body.count, school)
    return Preview(timezone=timezone, runs=[local(run, timezone) for run in runs])


@router.get("/{schedule_id}")
async def read(schedule_id: UUID, who: Who, rows: Rows, response: Response) -> Schedule:
    """One schedule; the ETag is its version."""
    async with rows.request(who.school) as tx:
        found = await reads.READ_SCHEDULE.first(tx, school=who.school, id=schedule_id, limit=1)
        zone = await store.timezone_of(tx, who.school)
    if found is None:
        raise HTTPException(404, "no such schedule in this school")
    response.headers["ETag"] = etag(found.version)
    return shown(found, zone)


Decide = Callable[[UnitOfWork, Target], Awaitable[DictRow]]


@asynccontextmanager
async def _deciding(who: InternalCaller, rows: UnitOfWorkFactory) -> AsyncIterator[UnitOfWork]:
    """Open a transaction. Platform administrators also decide about schedules of the group, which have no school."""
    opened = rows.begin() if who.role == "platform_admin" else rows.request(who.school)
    async with opened as tx:
        yield tx


async def _decide(
    schedule_id: UUID,
    who: InternalCaller,
    rows: UnitOfWorkFactory,
    expected: int | None,
    response: Response,
    decide: Decide,
) -> Schedule:
    target = Target(schedule_id, who.school, who.role in ("platform_admin", "school_admin"), expected)
    async with _deciding(who, rows) as tx:
        row = await decide(tx, target)
        zone = await store.timezone_of(tx, who.school)
    response.headers["ETag"] = etag(row["version"])
    return shown(ScheduleRead.model_validate(row), zone)


@router.patch("/{schedule_id}")
async def change(
    schedule_id: UUID, body: Changes, who: Who, rows: Rows, version: IfMatch, response: Response
) -> Schedule:
    """Change rule, timezone, policy or message."""
    changes = body.model_dump(mode="json", exclude_none=True)
    if body.rule is not None:
        changes["rule"] = body.rule.model_dump(mode="json")
    return await _decide(
        schedule_id, who, rows, version, response, lambda tx, target: decisions.change(tx, target, changes)
    )


@router.delete("/{schedule_id}")
async def cancel(schedule_id: UUID, who: Who, rows: Rows, version: IfMatch, response: Response) -> Schedule:
    """Cancel a schedule; it never runs again."""
    return await _decide(schedule_id, who, rows, version, response, decisions.cancel)


@router.post("/{schedule_id}/pause")
async def pause(schedule_id: UUID, who: Who, rows: Rows, version: IfMatch, response: Response) -> Schedule:
    """Pause a schedule until it is resumed."""
    return await _decide(schedule_id, who, rows, version, response, decisions.pause)


@router.post("/{schedule_id}/resume")
async def resume(schedule_id: UUID, who: Who, rows: Rows, version: IfMatch, response: Response) -> Schedule:
    """Resume a paused schedule."""
    return await _decide(schedule_id, who, rows, version, response, decisions.resume)


@router.post("/{schedule_id}/run-now")
async def run_now(schedule_id: UUID, who: Who, rows: Rows, version: IfMatch, response: Response) -> Schedule:
    """Run a schedule now."""
    return await _decide(schedule_id, who, rows, version, response, decisions.run_now)
