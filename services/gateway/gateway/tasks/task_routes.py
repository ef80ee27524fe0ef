"""`/v1/tasks`, `/v1/workers`: what is going on."""

import datetime as dt
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel

from gateway.http.dependencies import Rows, school_of, seen_by
from gateway.http.fields import Limit, Wanted
from gateway.http.guarded_route import GuardedRoute
from gateway.problems import Problem
from gateway.security.access_control import PLATFORM, STAFF, allow
from gateway.security.caller import CurrentCaller
from gateway.tasks.cancel import request_cancel
from shared.events import TaskState

router = APIRouter(prefix="/v1", tags=["tasks"], route_class=GuardedRoute)

FIELDS = """
task_id AS id, school_id, kind, state, epoch, jsonb_build_object('done', done, 'total', total) AS progress,
result, error, created_at, changed_at, cancel_requested_at
"""
ONE = f"SELECT {FIELDS} FROM task WHERE task_id = %(id)s"  # noqa: S608  # our own column list
PAGE = f"""
SELECT {FIELDS} FROM task
WHERE (%(school)s::uuid IS NULL OR school_id = %(school)s) AND (%(state)s::text IS NULL OR state = %(state)s)
  AND (%(kind)s::text IS NULL OR kind = %(kind)s) AND (%(after)s::uuid IS NULL OR task_id < %(after)s)
ORDER BY task_id DESC LIMIT %(limit)s
"""  # noqa: S608  # our own column list
WORKERS = """
SELECT worker, service, seen_at, facts,
       seen_at < clock_timestamp() - make_interval(secs => 3 * (facts->>'every_seconds')::float8) AS stale
FROM worker ORDER BY service, worker
"""


class Progress(BaseModel):
    """How far a task is, in its own unit."""

    done: int
    total: int


class Task(BaseModel):
    """One task."""

    id: UUID
    school_id: UUID | None
    kind: str
    state: TaskState
    epoch: int
    progress: Progress
    result: dict[str, Any] | None
    error: str | None
    created_at: dt.datetime
    changed_at: dt.datetime
    cancel_requested_at: dt.datetime | None = None


class TaskPage(BaseModel):
    """Newest first; pass `next` as `after` to go on."""

    items: list[Task]
    next: UUID | None


@router.get("/tasks/{task_id}", dependencies=[allow(STAFF, scope="tasks:read")])
async def read(task_id: UUID, caller: CurrentCaller, rows: Rows) -> Task:
    """One task."""
    async with seen_by(rows, caller) as tx:
        row = await tx.row(ONE, {"id": task_id})
    if row is None:
        raise Problem(404, "not_found")
    return Task(**row)


@router.post("/tasks/{task_id}/cancel", status_code=202, dependencies=[allow(STAFF, scope="tasks:write")])
async def cancel(task_id: UUID, caller: CurrentCaller, rows: Rows, response: Response) -> Task:
    """Ask for a task to stop. Its owner decides: it may still succeed. 409 `too_late` once it has ended."""
    async with seen_by(rows, caller) as tx:
        await request_cancel(tx, caller, task_id)
        row = await tx.row(ONE, {"id": task_id})
    assert row is not None
    response.headers["Location"] = f"/v1/tasks/{task_id}"
    return Task(**row)


@router.get("/tasks", dependencies=[allow(STAFF, scope="tasks:read")])
async def listing(
    caller: CurrentCaller,
    rows: Rows,
    school: Wanted = None,
    state: TaskState | None = None,
    kind: Wanted = None,
    after: UUID | None = None,
    limit: Limit = 50,
) -> TaskPage:
    """Tasks of the caller's school; administrators of the group name one, or see all."""
    where = caller.school if school is None else await school_of(rows, caller, school)
    values = {"school": where, "state": state, "kind": kind, "after": after, "limit": limit + 1}
    async with seen_by(rows, caller) as tx:
        found = await tx.rows(PAGE, values)
    items = [Task(**row) for row in found[:limit]]
    return TaskPage(items=items, next=items[-1].id if len(found) > limit else None)


@router.get("/workers", dependencies=[allow(PLATFORM, scope="workers:read")])
async def workers(rows: Rows) -> dict[str, Any]:
    """Who is working; `stale` after three missed beats."""
    async with rows.begin() as tx:
        return {"items": await tx.rows(WORKERS)}
