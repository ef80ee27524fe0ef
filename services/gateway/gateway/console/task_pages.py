"""Tasks: what was asked for and how far it is; one task with its timeline, and a stop for it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Response
from fastapi.responses import RedirectResponse

from gateway.console.console_route import ConsoleRoute
from gateway.console.page import ReaderPage
from gateway.console.query import PAGE_ROWS, Filter, IdFilter, ReadFlag, TaskStateFilter
from gateway.console.texts import N_
from gateway.event_log.log_reader import LogReader
from gateway.http.dependencies import Configured, Rows
from gateway.security.access_control import ADMINS, PLATFORM, STAFF, allow
from gateway.security.caller import CurrentCaller
from gateway.tasks import task_routes
from gateway.tasks.task_search import TaskFilter
from gateway.tasks.timeline import read_timeline
from shared.events import FINAL
from shared.http.provided import Provided

router = APIRouter(prefix="/console/tasks", include_in_schema=False, route_class=ConsoleRoute)

Timelines = Annotated[LogReader, Depends(Provided(LogReader))]


@router.get("", dependencies=[allow(STAFF)])
async def tasks(
    page: ReaderPage,
    caller: CurrentCaller,
    rows: Rows,
    settings: Configured,
    school: Filter = None,
    state: TaskStateFilter = None,
    kind: Filter = None,
    after: IdFilter = None,
) -> Response:
    """List tasks, the newest first."""
    found = await task_routes.listing(
        caller, rows, settings, TaskFilter(state=state, kind=kind, after=after, limit=PAGE_ROWS), school
    )
    asked = {"state": state, "kind": kind}
    return page.list_html("tasks.html", asked, after, found.next, tasks=found.items)


@router.get("/{task_id}", dependencies=[allow(STAFF)])
async def task(task_id: UUID, page: ReaderPage, caller: CurrentCaller, rows: Rows, settings: Configured) -> Response:
    """Show one task."""
    found = await task_routes.read(task_id, caller, rows, settings)
    stoppable = found.state not in FINAL and found.cancel_requested_at is None
    return page.html("task.html", task=found, stoppable=stoppable and caller.role in ADMINS)


@router.get("/{task_id}/timeline", dependencies=[allow(STAFF)])
async def timeline(
    task_id: UUID,
    page: ReaderPage,
    caller: CurrentCaller,
    rows: Rows,
    settings: Configured,
    log: Timelines,
    read: ReadFlag = False,
) -> Response:
    """Show what happened for a task. Its page does not have it, because the log is read for it."""
    task = await task_routes.read(task_id, caller, rows, settings)
    if not read:
        about = page.text(N_("Timeline of a task"))
        return page.reading(about, f"/console/tasks/{task_id}", page.text(N_("Task")))
    found = await read_timeline(log, rows, task)
    return page.html("timeline.html", task=task, timeline=found, reads_log=caller.role in PLATFORM)


@router.get("/{task_id}/cancel", dependencies=[allow(ADMINS)])
async def ask_cancel(
    task_id: UUID, page: ReaderPage, caller: CurrentCaller, rows: Rows, settings: Configured
) -> Response:
    """Ask before a task is stopped."""
    return page.html("task_cancel.html", task=await task_routes.read(task_id, caller, rows, settings))


@router.post("/{task_id}/cancel", dependencies=[allow(ADMINS)])
async def cancel(
    task_id: UUID,
    page: ReaderPage,
    caller: CurrentCaller,
    rows: Rows,
    settings: Configured,
    sure: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Request that a task stops; its service decides."""
    if sure:
        await task_routes.cancel(task_id, caller, rows, settings, Response())
    return RedirectResponse(page.href(f"/console/tasks/{task_id}"), 303)
