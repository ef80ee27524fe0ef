"""Files of a school: the list with its filter, the queue of those that need a review, and one file."""

import json
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from gateway.console import file_view
from gateway.console.chosen_school import ChosenSchool
from gateway.console.console_route import ConsoleRoute
from gateway.console.page import Page, ReaderPage
from gateway.console.people_names import StudentChoice, choose_student, names_of
from gateway.console.query import PAGE_ROWS, FileKindFilter, FileStateFilter, Filter, IdFilter
from gateway.downloads.links import Links
from gateway.files import read_routes
from gateway.files.blob_links import links_of
from gateway.files.known_files import KnownFile, SeenFile
from gateway.files.roles import may_review
from gateway.http.dependencies import Rows, Services
from gateway.http.service_client import ServiceClients
from gateway.security.access_control import OFFICE, STAFF, allow
from gateway.security.caller import Caller, CurrentCaller
from shared.http.download_links import DownloadLinks
from shared.transactions.unit_of_work import UnitOfWorkFactory

router = APIRouter(prefix="/console/files", include_in_schema=False, route_class=ConsoleRoute)
queue = APIRouter(prefix="/console/review", include_in_schema=False, route_class=ConsoleRoute)


@router.get("", dependencies=[allow(STAFF)])
async def files(
    page: ReaderPage,
    school: ChosenSchool,
    caller: CurrentCaller,
    rows: Rows,
    owners: Services,
    links: Links,
    state: FileStateFilter = None,
    kind: FileKindFilter = None,
    student: IdFilter = None,
    name: Filter = None,
    after: IdFilter = None,
) -> Response:
    """List files, the newest first; `name` finds the student."""
    choice = await choose_student(rows, school, student, name or "")
    asked = {"state": state, "kind": kind, "student": choice.student, "name": choice.typed}
    if choice.is_open:
        return page.list_html("files.html", asked, None, None, files=[], choice=choice)
    found = await read_routes.listing(school, caller, owners, state, kind, choice.student, after, PAGE_ROWS)
    return page.list_html(
        "files.html",
        asked,
        after,
        found["next"],
        files=await _listed(rows, school, found["items"], links),
        choice=choice,
    )


@queue.get("", dependencies=[allow(STAFF)])
async def review_queue(
    page: ReaderPage,
    school: ChosenSchool,
    caller: CurrentCaller,
    rows: Rows,
    owners: Services,
    links: Links,
    kind: FileKindFilter = None,
    after: IdFilter = None,
    done: IdFilter = None,
) -> Response:
    """List files that a person has to look at; `done` is the one that was just confirmed."""
    found = await read_routes.listing(school, caller, owners, "needs_review", kind, None, after, PAGE_ROWS)
    asked = {"kind": kind}
    waiting = [each for each in found["items"] if each["id"] != str(done)]
    shown = [
        each | {"why": file_view.reasons_of(page, each["reasons"]), "mine": may_review(caller, each["kind"])}
        for each in await _listed(rows, school, waiting, links)
    ]
    return page.list_html("review.html", asked, after, found["next"], files=shown, done=done)


@router.get("/{file_id}", dependencies=[allow(STAFF)])
async def file(
    file: SeenFile, page: ReaderPage, caller: CurrentCaller, rows: Rows, owners: Services, links: Links
) -> Response:
    """Show one file: what it says, over the picture of its first page."""
    return await file_page(page, file, caller, rows, owners, links)


async def file_page(
    page: Page,
    file: KnownFile,
    caller: Caller,
    rows: UnitOfWorkFactory,
    owners: ServiceClients,
    links: DownloadLinks,
    status: int = 200,
    *,
    typed: dict[str, str] | None = None,
    typed_rows: list[dict[str, str]] | None = None,
    choice: StudentChoice | None = None,
    error: str | None = None,
) -> Response:
    """Return the page of a file, with what was typed into its form and why that was not used."""
    answer = await read_routes.read(file, caller, owners, links)
    found: dict[str, Any] = {"kind": file.kind} | json.loads(bytes(answer.body))
    student = UUID(found["student_id"]) if found.get("student_id") else None
    names = await names_of(rows, file.school, (found.get("uploaded_by"), found.get("confirmed_by")))
    known = await choose_student(rows, file.school, student)
    columns, shown_rows = file_view.rows_of(page, found, typed_rows)
    return page.html(
        "file.html",
        status,
        file={"name": None, "links": {}, "reasons": [], "notices": []} | found,
        version=answer.headers.get("etag", ""),
        names=names,
        student=known.chosen,
        choice=choice or known,
        values=file_view.values_of(page, found, typed or {}),
        columns=columns,
        rows=shown_rows,
        why=file_view.reasons_of(page, found.get("reasons") or []),
        reviews=found["state"] == "needs_review" and may_review(caller, file.kind),
        decides=caller.role in OFFICE,
        error=error,
    )


async def _listed(
    rows: UnitOfWorkFactory, school: UUID, items: list[dict[str, Any]], links: DownloadLinks
) -> list[dict[str, Any]]:
    """Return files with the names of their students and the addresses of their thumbnails."""
    names = await names_of(rows, school, (each["student_id"] for each in items))
    return [
        each | {"student": names.get(each["student_id"]), "thumbnail": links_of(links, each).get("256")}
        for each in items
    ]
