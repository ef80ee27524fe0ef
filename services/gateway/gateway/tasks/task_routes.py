"""`/v1/tasks`, `/v1/workers`: tasks and the processes that do them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from gateway.event_log.log_reader import LogReader
from gateway.http.dependencies import Configured, Rows, school_of, seen_by
from gateway.http.fields import Wanted
from gateway.http.guarded_route import GuardedRoute
from gateway.problems import Problem
from gateway.security.access_control import PLATFORM, STAFF, allow
from gateway.security.caller import CurrentCaller
from gateway.settings import Settings
from gateway.tasks import task_search
from gateway.tasks.cancel import request_cancel
from gateway.tasks.reads import READ_TASK, Task, TaskPage, Worker, Workers, WorkerState
from gateway.tasks.task_search import TaskFilter
from gateway.tasks.timeline import Timeline, read_timeline
from shared.http.provided import Provided
from shared.transactions.unit_of_work import UnitOfWork

router = APIRouter(prefix="/v1", tags=["tasks"], route_class=GuardedRoute)

# Select all workers. Of one that is not live only what stays true of its process is shown.
SELECT_WORKERS = """
SELECT worker, service, seen_at, state, state <> 'live' AS stale,
       CASE state WHEN 'live' THEN facts ELSE (
           SELECT jsonb_object_agg(key, value) FROM jsonb_each(facts)
           WHERE key IN ('service', 'worker', 'host', 'version', 'started_at', 'at', 'every_seconds')) END AS facts
FROM (
    SELECT *, CASE WHEN missed < 3 THEN 'live' WHEN missed < 12 THEN 'stale' ELSE 'gone' END AS state
    FROM (SELECT *, extract(epoch FROM clock_timestamp() - seen_at) / (facts->>'every_seconds')::float8 AS missed
          FROM worker) beats
) states
WHERE %(state)s::text IS NULL OR state = %(state)s
ORDER BY service, worker
"""


@router.get("/tasks/{task_id}", dependencies=[allow(STAFF, scope="tasks:read")])
async def read(task_id: UUID, caller: CurrentCaller, rows: Rows, settings: Configured) -> Task:
    """One task."""
    async with seen_by(rows, caller) as tx:
        return await _found(tx, task_id, settings)


@router.get("/tasks/{task_id}/timeline", dependencies=[allow(STAFF, scope="tasks:read")])
async def timeline(
    task_id: UUID,
    caller: CurrentCaller,
    rows: Rows,
    settings: Configured,
    log: Annotated[LogReader, Depends(Provided(LogReader))],
) -> Timeline:
    """Show what happened for a task: the events of its correlation id in the log, in order, and where one failed.

    `notes` say what is not known: the log has no handlers that published nothing, and old events leave it.
    """
    async with seen_by(rows, caller) as tx:
        task = await _found(tx, task_id, settings)
    return await read_timeline(log, rows, task)


@router.post("/tasks/{task_id}/cancel", status_code=202, dependencies=[allow(STAFF, scope="tasks:write")])
async def cancel(task_id: UUID, caller: CurrentCaller, rows: Rows, settings: Configured, response: Response) -> Task:
    """Request that a task stops. Its owner decides: it may still succeed. 409 `too_late` once it has ended."""
    async with seen_by(rows, caller) as tx:
        await request_cancel(tx, caller, task_id)
        found = await _found(tx, task_id, settings)
    response.headers["Location"] = f"/v1/tasks/{task_id}"
    return found


async def _found(tx: UnitOfWork, task_id: UUID, settings: Settings) -> Task:
    found = await READ_TASK.first(tx, id=task_id, kept_days=settings.result_days)
    if found is None:
        raise Problem(404, "not_found")
    return found


@router.get("/tasks", dependencies=[allow(STAFF, scope="tasks:read")])
async def listing(
    caller: CurrentCaller,
    rows: Rows,
    settings: Configured,
    wanted: Annotated[TaskFilter, Depends()],
    school: Wanted = None,
) -> TaskPage:
    """List tasks of the caller's school, newest first; administrators of the group name a school, or see all.

    `text` looks into kind, error and result of 2,000 tasks at a time; pass `next` as `after` to look further. The id of
    a task, or of the notification that it sends, always finds it.
    """
    where = caller.school if school is None else await school_of(rows, caller, school)
    async with seen_by(rows, caller) as tx:
        return await task_search.find(tx, wanted, where, settings.result_days)


@router.get("/workers", dependencies=[allow(PLATFORM, scope="workers:read")])
async def workers(rows: Rows, state: WorkerState | None = None) -> Workers:
    """List the workers: `live`, `stale` after three missed heartbeats, `gone` after twelve; forgotten after an hour."""
    async with rows.begin() as tx:
        return Workers(items=[Worker(**row) for row in await tx.rows(SELECT_WORKERS, {"state": state})])
