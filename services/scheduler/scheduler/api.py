"""Reads of schedules and decisions about them; asked by the gateway with an internal token, within one school."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Query, Response
from psycopg.rows import DictRow
from pydantic import BaseModel, Field

from scheduler import decisions, store
from scheduler.decisions import Which
from shared.errors import RuleRefused
from shared.events.schedule_rules import CatchUp, Rule
from shared.events.schedules import ScheduleState
from shared.http.internal_auth import Asked, asked, transactions
from shared.http.preconditions import IfMatch, etag
from shared.recurrence import check, upcoming, zone_of
from shared.transactions.unit_of_work import Transaction, Transactions

router = APIRouter(prefix="/v1/schedules", tags=["schedules"])

FIELDS = """
schedule_id, school_id, emits, state, version, rule, timezone, catch_up, max_age_seconds, payload, due_at, runs,
last_due_at, last_run_at, last_outcome, last_task_id, last_notification_id, requested_by, requested_at, changed_at
"""
ONE = f"""
SELECT {FIELDS} FROM schedule WHERE schedule_id = %(id)s AND (school_id = %(school)s OR school_id IS NULL)
"""  # noqa: S608  # our own column list
PAGE = f"""
SELECT {FIELDS} FROM schedule
WHERE ((NOT %(system)s AND school_id = %(school)s AND emits = 'notification.due')
    OR (%(system)s AND (school_id = %(school)s OR school_id IS NULL) AND emits <> 'notification.due'))
  AND rule IS NOT NULL AND (%(state)s::text IS NULL OR state = %(state)s)
  AND (%(after)s::uuid IS NULL OR schedule_id < %(after)s)
ORDER BY schedule_id DESC LIMIT %(limit)s
"""  # noqa: S608  # our own column list
UTC = "UTC"

Who = Annotated[Asked, Depends(asked)]
Rows = Annotated[Transactions, Depends(transactions)]


class Previewed(BaseModel):
    """A rule that may be saved later."""

    rule: Rule
    timezone: str | None = None
    count: int = Field(default=10, ge=1, le=50)


class Changes(BaseModel):
    """What becomes different; what is left out stays. `payload` replaces the parts that it names."""

    rule: Rule | None = None
    timezone: str | None = None
    catch_up: CatchUp | None = None
    max_age_seconds: int | None = Field(default=None, ge=1)
    payload: dict[str, Any] | None = None
    directory_version: int | None = None


def _local(moment: dt.datetime | None, zone: str) -> str | None:
    return moment.astimezone(zone_of(zone)).isoformat() if moment else None


def _shown(row: DictRow, school_zone: str | None) -> dict[str, Any]:
    """A schedule as people see it; times of runs in the school's timezone, or its own while the school is not known."""
    zone = school_zone or row["timezone"] or UTC
    payload = row["payload"] or {}
    message = {name: value for name, value in payload.items() if name not in ("notification_id", "task_id")}
    return {
        "id": row["schedule_id"],
        "school_id": row["school_id"],
        "state": row["state"],
        "version": row["version"],
        "emits": row["emits"],
        "rule": row["rule"],
        "timezone": row["timezone"],
        "catch_up": row["catch_up"],
        "max_age_seconds": row["max_age_seconds"],
        "message": message or None,
        "notification_id": payload.get("notification_id"),
        "task_id": payload.get("task_id"),
        "next_run": _local(row["due_at"] if row["state"] == "active" else None, zone),
        "runs": row["runs"],
        "last_run": row["last_outcome"]
        and {
            "due_at": _local(row["last_due_at"], zone),
            "ran_at": _local(row["last_run_at"], zone),
            "outcome": row["last_outcome"],
            "task_id": row["last_task_id"],
            "notification_id": row["last_notification_id"],
        },
        "requested_by": row["requested_by"],
        "requested_at": row["requested_at"],
        "changed_at": row["changed_at"],
    }


@router.get("")
async def listing(
    who: Who,
    rows: Rows,
    system: bool = False,
    state: ScheduleState | None = None,
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, Any]:
    """Schedules of a school, newest first, or the `system`'s own; ask again with `next` as `after` to go on."""
    values = {"school": who.school, "system": system, "state": state, "after": after, "limit": limit + 1}
    async with rows.request(who.school) as tx:
        found = await tx.rows(PAGE, values)
        zone = await store.zone(tx, who.school)
    items = [_shown(row, zone) for row in found[:limit]]
    return {"items": items, "timezone": zone or UTC, "next": items[-1]["id"] if len(found) > limit else None}


@router.post("/preview")
async def preview(body: Previewed, who: Who, rows: Rows) -> dict[str, Any]:
    """The next runs of a rule before it is saved, by the school's calendar as it is known now."""
    async with rows.request(who.school) as tx:
        zone = await store.zone(tx, who.school)
        school, _ = await store.school_of(tx, who.school)
        now = await store.now(tx)
    timezone = body.timezone or zone or UTC
    try:
        check(body.rule, timezone, now)
    except RuleRefused as refusal:
        raise decisions.invalid(refusal.field, refusal.reason) from None
    # In a thread: many runs of a rule that follows the calendar may take a while, and others are not to wait for it.
    runs = await asyncio.to_thread(upcoming, body.rule, timezone, now, body.count, school)
    return {"timezone": timezone, "runs": [_local(run, timezone) for run in runs]}


@router.get("/{schedule_id}")
async def read(schedule_id: UUID, who: Who, rows: Rows, response: Response) -> dict[str, Any]:
    """One schedule; its version is the ETag."""
    async with rows.request(who.school) as tx:
        row = await tx.row(ONE, {"id": schedule_id, "school": who.school})
        zone = await store.zone(tx, who.school)
    if row is None or row["rule"] is None:
        raise HTTPException(404, "no such schedule in this school")
    response.headers["ETag"] = etag(row["version"])
    return _shown(row, zone)


Decide = Callable[[Transaction, Which], Awaitable[DictRow]]


@asynccontextmanager
async def _deciding(who: Asked, rows: Transactions) -> AsyncIterator[Transaction]:
    """Platform administrators also decide about the group's own schedules, which no school's request may write."""
    opened = rows.begin() if who.role == "platform_admin" else rows.request(who.school)
    async with opened as tx:
        yield tx


async def _decide(
    schedule_id: UUID, who: Asked, rows: Transactions, expected: int | None, response: Response, decide: Decide
) -> dict[str, Any]:
    which = Which(schedule_id, who.school, who.role in ("platform_admin", "school_admin"), expected)
    async with _deciding(who, rows) as tx:
        row = await decide(tx, which)
        zone = await store.zone(tx, who.school)
    response.headers["ETag"] = etag(row["version"])
    return _shown(row, zone)


@router.patch("/{schedule_id}")
async def change(
    schedule_id: UUID, body: Changes, who: Who, rows: Rows, version: IfMatch, response: Response
) -> dict[str, Any]:
    """Another rule, timezone, policy or message."""
    changes = body.model_dump(mode="json", exclude_none=True)
    if body.rule is not None:
        changes["rule"] = body.rule.model_dump(mode="json")
    return await _decide(
        schedule_id, who, rows, version, response, lambda tx, which: decisions.change(tx, which, changes)
    )


@router.delete("/{schedule_id}")
async def cancel(schedule_id: UUID, who: Who, rows: Rows, version: IfMatch, response: Response) -> dict[str, Any]:
    """Never again."""
    return await _decide(schedule_id, who, rows, version, response, decisions.cancel)


@router.post("/{schedule_id}/pause")
async def pause(schedule_id: UUID, who: Who, rows: Rows, version: IfMatch, response: Response) -> dict[str, Any]:
    """Not until it is resumed."""
    return await _decide(schedule_id, who, rows, version, response, decisions.pause)


@router.post("/{schedule_id}/resume")
async def resume(schedule_id: UUID, who: Who, rows: Rows, version: IfMatch, response: Response) -> dict[str, Any]:
    """Go on."""
    return await _decide(schedule_id, who, rows, version, response, decisions.resume)


@router.post("/{schedule_id}/run-now")
async def run_now(schedule_id: UUID, who: Who, rows: Rows, version: IfMatch, response: Response) -> dict[str, Any]:
    """One run at once."""
    return await _decide(schedule_id, who, rows, version, response, decisions.run_now)
