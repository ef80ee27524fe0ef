"""`/v1/tasks`, `/v1/workers`: tasks and the processes that do them."""

from uuid import UUID

from fastapi import APIRouter, Response

from gateway.http.dependencies import Rows, school_of, seen_by
from gateway.http.fields import Limit, Wanted
from gateway.http.guarded_route import GuardedRoute
from gateway.problems import Problem
from gateway.security.access_control import PLATFORM, STAFF, allow
from gateway.security.caller import CurrentCaller
from gateway.tasks.cancel import request_cancel
from gateway.tasks.reads import LIST_TASKS, READ_TASK, Task, TaskPage, Worker, Workers, WorkerState
from shared.events import TaskState

router = APIRouter(prefix="/v1", tags=["tasks"], route_class=GuardedRoute)

# Select all workers. Figures that change with each heartbeat are left out where they are not current.
SELECT_WORKERS = """
SELECT worker, service, seen_at, state, state <> 'live' AS stale,
       CASE state WHEN 'live' THEN facts
                  ELSE facts - '{in_flight,handled,failed,load,memory_bytes}'::text[] END AS facts
FROM (
    SELECT *, CASE WHEN missed < 3 THEN 'live' WHEN missed < 12 THEN 'stale' ELSE 'gone' END AS state
    FROM (SELECT *, extract(epoch FROM clock_timestamp() - seen_at) / (facts->>'every_seconds')::float8 AS missed
          FROM worker) beats
) states
WHERE %(state)s::text IS NULL OR state = %(state)s
ORDER BY service, worker
"""


@router.get("/tasks/{task_id}", dependencies=[allow(STAFF, scope="tasks:read")])
async def read(task_id: UUID, caller: CurrentCaller, rows: Rows) -> Task:
    """One task."""
    async with seen_by(rows, caller) as tx:
        found = await READ_TASK.first(tx, id=task_id)
    if found is None:
        raise Problem(404, "not_found")
    return found


@router.post("/tasks/{task_id}/cancel", status_code=202, dependencies=[allow(STAFF, scope="tasks:write")])
async def cancel(task_id: UUID, caller: CurrentCaller, rows: Rows, response: Response) -> Task:
    """Request that a task stops. Its owner decides: it may still succeed. 409 `too_late` once it has ended."""
    async with seen_by(rows, caller) as tx:
        await request_cancel(tx, caller, task_id)
        found = await READ_TASK.first(tx, id=task_id)
    assert found is not None
    response.headers["Location"] = f"/v1/tasks/{task_id}"
    return found


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
    """List tasks of the caller's school; administrators of the group name one, or see all."""
    where = caller.school if school is None else await school_of(rows, caller, school)
    async with seen_by(rows, caller) as tx:
        found = await LIST_TASKS.all(tx, school=where, state=state, kind=kind, after=after, limit=limit + 1)
    items = found[:limit]
    return TaskPage(items=items, next=items[-1].id if len(found) > limit else None)


@router.get("/workers", dependencies=[allow(PLATFORM, scope="workers:read")])
async def workers(rows: Rows, state: WorkerState | None = None) -> Workers:
    """List the workers: `live`, `stale` after three missed heartbeats, `gone` after twelve; forgotten after an hour."""
    async with rows.begin() as tx:
        return Workers(items=[Worker(**row) for row in await tx.rows(SELECT_WORKERS, {"state": state})])
