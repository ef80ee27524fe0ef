"""Roster imports, for administrators of the group: the upload, its progress, and the rows that were not used."""

from typing import Annotated, BinaryIO
from uuid import UUID

from fastapi import APIRouter, File, Form, Query, Response, UploadFile
from fastapi.responses import RedirectResponse
from uuid_utils.compat import uuid7

from gateway.console.console_route import ConsoleImportRoute, ConsoleRoute
from gateway.console.file_form_fields import NOT_KEPT
from gateway.console.page import Page, ReaderPage
from gateway.console.query import PAGE_ROWS, Filter, FlagFilter, IdFilter
from gateway.console.refusals import refusal_text
from gateway.console.school_names import school_names_of
from gateway.files.received_file import chunks
from gateway.http.dependencies import Configured, Rows
from gateway.http.fields import MOST
from gateway.problems import Problem
from gateway.roster_import import routes as import_routes
from gateway.roster_import import upload as import_upload
from gateway.roster_import.job import KIND, request_import
from gateway.roster_import.upload import Order
from gateway.security.access_control import PLATFORM, allow
from gateway.security.caller import CurrentCaller
from gateway.settings import Settings
from gateway.tasks import task_routes
from gateway.tasks.reads import Task
from gateway.tasks.task_search import TaskFilter
from shared.events import FINAL

router = APIRouter(prefix="/console/imports", include_in_schema=False, route_class=ConsoleRoute)
uploads = APIRouter(prefix="/console/imports", include_in_schema=False, route_class=ConsoleImportRoute)

SHOWN = frozenset({409, 413, 422})


@router.get("", dependencies=[allow(PLATFORM)])
async def imports(
    page: ReaderPage,
    caller: CurrentCaller,
    rows: Rows,
    settings: Configured,
    after: IdFilter = None,
    source: Filter = None,
    dry_run: FlagFilter = None,
    ended: FlagFilter = None,
) -> Response:
    """List imports, the newest first, with the form for a new one. `ended`: it was sent after its session."""
    order = Order(source or "", bool(dry_run) or not ended)
    return await _list(page, caller, rows, settings, after, order=order, error=page.text(NOT_KEPT) if ended else None)


@uploads.post("", dependencies=[allow(PLATFORM)])
async def add(
    page: ReaderPage,
    caller: CurrentCaller,
    rows: Rows,
    settings: Configured,
    file: Annotated[UploadFile, File()],
    key: Annotated[str, Form(min_length=1, max_length=200)],
    source: Annotated[str, Form(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")] = "",
    dry_run: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Take a roster, and show the task that imports it."""
    order = Order(source.strip(), bool(dry_run))
    try:
        with await import_upload.receive(chunks(file), settings.import_limit_bytes) as upload:
            answer = await _request(rows, caller, upload, key, order)
    except Problem as problem:
        if problem.status not in SHOWN:
            raise
        message = refusal_text(page, problem)
        return await _list(page, caller, rows, settings, None, problem.status, order=order, error=message)
    return RedirectResponse(page.href(f"/console/imports/{answer}"), 303)


@router.get("/{task_id}", dependencies=[allow(PLATFORM)])
async def one(
    task_id: UUID,
    page: ReaderPage,
    caller: CurrentCaller,
    rows: Rows,
    settings: Configured,
    after: Annotated[int, Query(ge=0, le=MOST)] = 0,
) -> Response:
    """Show an import: progress, what it changed, what it waits for, and each row that was not used."""
    task = await _import(task_id, caller, rows, settings)
    rejected = await import_routes.rejected(task_id, rows, after, PAGE_ROWS)
    schools = await _schools(rows, task)
    return page.list_html(
        "import.html",
        {},
        after,
        rejected.next,
        task=task,
        ended=task.state in FINAL,
        waits=_waits(task),
        schools=schools,
        rejected=rejected.items,
    )


@router.get("/{task_id}/confirm", dependencies=[allow(PLATFORM)])
async def ask_confirm(
    task_id: UUID, page: ReaderPage, caller: CurrentCaller, rows: Rows, settings: Configured
) -> Response:
    """Ask before an import ends people, or makes administrators."""
    task = await _import(task_id, caller, rows, settings)
    return page.html("import_confirm.html", task=task, schools=await _schools(rows, task))


@router.post("/{task_id}/confirm", dependencies=[allow(PLATFORM)])
async def confirm(task_id: UUID, page: ReaderPage, rows: Rows) -> Response:
    """Let an import go on."""
    await import_routes.confirm_import(task_id, rows)
    return RedirectResponse(page.href(f"/console/imports/{task_id}"), 303)


@router.post("/{task_id}/cancel", dependencies=[allow(PLATFORM)])
async def cancel(task_id: UUID, page: ReaderPage, caller: CurrentCaller, rows: Rows, settings: Configured) -> Response:
    """Stop an import; rows that are written stay."""
    await _import(task_id, caller, rows, settings)
    await task_routes.cancel(task_id, caller, rows, settings, Response())
    return RedirectResponse(page.href(f"/console/imports/{task_id}"), 303)


async def _request(rows: Rows, caller: CurrentCaller, upload: BinaryIO, key: str, order: Order) -> str:
    async with rows.begin() as tx:
        answer = await request_import(tx, caller, upload, key, order)
    task: str = answer["task_id"]
    return task


async def _import(task_id: UUID, caller: CurrentCaller, rows: Rows, settings: Settings) -> Task:
    """Return the task of an import; 404 for another task."""
    task = await task_routes.read(task_id, caller, rows, settings)
    if task.kind != KIND:
        raise Problem(404, "not_found")
    return task


async def _schools(rows: Rows, task: Task) -> dict[str, str]:
    """Return the names of the schools of which an import would end people."""
    async with rows.begin() as tx:
        return await school_names_of(tx, (each["school_id"] for each in (task.result or {}).get("would_end", ())))


def _waits(task: Task) -> bool:
    """Return whether an import waits for a confirmation."""
    return task.state not in FINAL and bool(task.result) and (task.result or {}).get("waits_for") == "confirmation"


async def _list(
    page: Page,
    caller: CurrentCaller,
    rows: Rows,
    settings: Settings,
    after: UUID | None,
    status: int = 200,
    *,
    order: Order,
    error: str | None = None,
) -> Response:
    found = await task_routes.listing(caller, rows, settings, TaskFilter(kind=KIND, after=after, limit=PAGE_ROWS))
    return page.list_html(
        "imports.html", {}, after, found.next, status, tasks=found.items, order=order, error=error, key=str(uuid7())
    )
