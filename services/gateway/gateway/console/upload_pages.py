"""A new file: the form takes the same way as an upload through the API."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, File, Form, Response, UploadFile
from fastapi.responses import RedirectResponse
from uuid_utils.compat import uuid7

from gateway.console.chosen_school import ChosenSchool
from gateway.console.console_route import ConsoleRoute, ConsoleUploadRoute
from gateway.console.file_form_fields import NOT_KEPT
from gateway.console.page import Page, ReaderPage
from gateway.console.people_names import choose_student
from gateway.console.query import EMPTY, FileKindFilter, FlagFilter, IdFilter
from gateway.console.refusals import refusal_text
from gateway.console.texts import N_
from gateway.files import upload_routes
from gateway.files.upload_routes import Uploads
from gateway.http.dependencies import Configured, Rows
from gateway.problems import Problem
from gateway.security.access_control import STAFF, allow
from gateway.security.audit import Audited
from gateway.security.caller import CurrentCaller
from gateway.settings import Settings
from shared.events.files import FileKind
from shared.transactions.unit_of_work import UnitOfWorkFactory

router = APIRouter(prefix="/console/files", include_in_schema=False, route_class=ConsoleRoute)
uploads = APIRouter(prefix="/console/files", include_in_schema=False, route_class=ConsoleUploadRoute)

TOO_LARGE = N_("The file is too large. A file has at most %(size)s MB.")
SHOWN = frozenset({409, 413, 422, 507})
"""Refusals that are shown in the form: its sender can change something, or send it again."""


@router.get("/new", dependencies=[allow(STAFF)])
async def ask_upload(
    page: ReaderPage,
    school: ChosenSchool,
    rows: Rows,
    settings: Configured,
    student: IdFilter = None,
    kind: FileKindFilter = None,
    ended: FlagFilter = None,
) -> Response:
    """Show the form; with `student`, the file is about that student. `ended`: it was sent after its session."""
    return await _form(page, rows, settings, school, student, kind=kind, error=page.text(NOT_KEPT) if ended else None)


@uploads.post("/new", dependencies=[allow(STAFF)])
async def upload(
    page: ReaderPage,
    school: ChosenSchool,
    caller: CurrentCaller,
    rows: Rows,
    settings: Configured,
    intake: Uploads,
    audited: Audited,
    kind: Annotated[FileKind, Form()],
    file: Annotated[UploadFile, File()],
    key: Annotated[str, Form(min_length=1, max_length=200)],
    student: Annotated[UUID | None, EMPTY, Form()] = None,
) -> Response:
    """Store a file and show it; a refusal is shown in the form."""
    try:
        answer = await upload_routes.upload(
            kind, file, caller, rows, settings, intake, audited, Response(), str(school), student, key
        )
    except Problem as problem:
        if problem.status not in SHOWN:
            raise
        size = {"size": settings.file_limit_bytes // 1_000_000}
        error = page.text(TOO_LARGE) % size if problem.code == "too_large" else refusal_text(page, problem)
        return await _form(page, rows, settings, school, student, problem.status, kind=kind, error=error)
    return RedirectResponse(page.href(f"/console/files/{answer['id']}"), 303)


async def _form(
    page: Page,
    rows: UnitOfWorkFactory,
    settings: Settings,
    school: UUID,
    student: UUID | None,
    status: int = 200,
    *,
    kind: FileKind | None = None,
    error: str | None = None,
) -> Response:
    choice = await choose_student(rows, school, student)
    return page.html(
        "upload.html",
        status,
        key=str(uuid7()),
        kind=kind,
        student=choice.chosen,
        error=error,
        size=settings.file_limit_bytes // 1_000_000,
    )
