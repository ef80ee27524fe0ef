"""What a person decides about a file: confirm what it says, with corrections; delete, restore, read again."""

import json
import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from gateway.console.console_route import ConsoleRoute
from gateway.console.file_fields import field_name
from gateway.console.file_pages import file_page
from gateway.console.page import Page, ReaderPage
from gateway.console.people_names import choose_student
from gateway.console.query import id_of
from gateway.console.refusals import refusal_text
from gateway.console.texts import N_
from gateway.downloads.links import Links
from gateway.files import decision_routes, read_routes
from gateway.files.decision_routes import FileConfirmation
from gateway.files.known_files import SeenFile
from gateway.http.dependencies import Rows, Services
from gateway.problems import Problem, readable
from gateway.security.access_control import OFFICE, STAFF, allow
from gateway.security.caller import CurrentCaller

router = APIRouter(prefix="/console/files/{file_id}", include_in_schema=False, route_class=ConsoleRoute)

MOST_FIELDS = 10_000
ROW = re.compile(r"row\.(\d{1,4})\.([a-z_]{1,50})")
STUDENT_OPEN = N_("Choose the student: several fit, or none.")
REFUSALS = {
    "stale": N_("The file has changed since you opened it. Look at it again."),
    "too_late": N_("The file was recorded meanwhile. Correct its records instead."),
    "conflict": N_("Another file seems to be the same document. Check it, then say that this is another one."),
}


@dataclass(frozen=True, slots=True)
class Typed:
    """What the form of a review holds, as it was typed."""

    fields: dict[str, str]
    rows: list[dict[str, str]]
    student: UUID | None
    student_name: str
    another_one: bool
    version: str | None
    wish: str

    @property
    def used_rows(self) -> list[dict[str, str]]:
        """The rows with something in them: an emptied row is removed."""
        return [row for row in self.rows if any(value.strip() for value in row.values())]


async def _typed(request: Request) -> Typed:
    form = await request.form(max_files=0, max_fields=MOST_FIELDS)
    texts = {name: value for name, value in form.items() if isinstance(value, str)}
    rows: dict[int, dict[str, str]] = {}
    for name, value in texts.items():
        if found := ROW.fullmatch(name):
            rows.setdefault(int(found[1]), {})[found[2]] = value
    return Typed(
        {name.removeprefix("field."): value for name, value in texts.items() if name.startswith("field.")},
        [rows[number] for number in sorted(rows)],
        id_of(texts.get("student")),
        texts.get("student_name", ""),
        "another_one" in texts,
        texts.get("version") or None,
        texts.get("wish", "confirm"),
    )


@router.post("/confirm", dependencies=[allow(STAFF)])
async def confirm(
    request: Request,
    file: SeenFile,
    page: ReaderPage,
    caller: CurrentCaller,
    rows: Rows,
    owners: Services,
    links: Links,
) -> Response:
    """Confirm a file as its form says, then go on with the queue; whatever cannot be used is shown with its reason."""
    typed = await _typed(request)
    choice = await choose_student(rows, file.school, typed.student, typed.student_name)
    error = page.text(STUDENT_OPEN) if choice.is_open and typed.wish == "confirm" else None
    status = 422 if error else 200
    more: list[dict[str, str]] = [{}] if typed.wish == "row" else []
    if typed.wish == "confirm" and error is None:
        try:
            body = FileConfirmation.model_validate(_wish(typed, choice.student))
            await decision_routes.confirm(file, body, caller, rows, owners, typed.version)
        except ValidationError as problem:
            status, error = 422, _listed(page, readable(problem.errors()))
        except Problem as problem:
            if problem.status not in (409, 412, 422):
                raise
            status, error = problem.status, _explained(page, problem)
        else:
            return RedirectResponse(page.href("/console/review", done=file.id), 303)
    return await file_page(
        page,
        file,
        caller,
        rows,
        owners,
        links,
        status,
        typed=typed.fields,
        typed_rows=typed.rows + more,
        choice=choice,
        error=error,
    )


def _wish(typed: Typed, student: UUID | None) -> dict[str, Any]:
    rows = [{name: value.strip() or None for name, value in row.items()} for row in typed.used_rows]
    wish = {
        "fields": {name: value.strip() or None for name, value in typed.fields.items()},
        "another_one": typed.another_one,
    }
    return wish | ({"student_id": student} if student else {}) | ({"rows": rows} if typed.rows else {})


def _explained(page: Page, problem: Problem) -> str:
    if problem.more.get("errors"):
        return _listed(page, problem.more["errors"])
    return page.text(REFUSALS[problem.code]) if problem.code in REFUSALS else refusal_text(page, problem)


def _listed(page: Page, errors: list[dict[str, Any]]) -> str:
    return " ".join(f"{page.text(field_name(str(each['loc'][-1])))}: {each['message']}." for each in errors)


@router.get("/delete", dependencies=[allow(OFFICE)])
async def ask_delete(
    file: SeenFile, page: ReaderPage, caller: CurrentCaller, owners: Services, links: Links
) -> Response:
    """Ask before a file is deleted."""
    found = json.loads(bytes((await read_routes.read(file, caller, owners, links)).body))
    return page.html("file_delete.html", file={"name": None} | found)


@router.post("/delete", dependencies=[allow(OFFICE)])
async def delete(file: SeenFile, page: ReaderPage, caller: CurrentCaller, owners: Services) -> Response:
    """Delete a file."""
    await decision_routes.delete(file, caller, owners)
    return RedirectResponse(page.href(f"/console/files/{file.id}"), 303)


@router.post("/restore", dependencies=[allow(OFFICE)])
async def restore(file: SeenFile, page: ReaderPage, caller: CurrentCaller, owners: Services) -> Response:
    """Restore a deleted file."""
    await decision_routes.restore(file, caller, owners)
    return RedirectResponse(page.href(f"/console/files/{file.id}"), 303)


@router.post("/reprocess", dependencies=[allow(OFFICE)])
async def reprocess(file: SeenFile, page: ReaderPage, caller: CurrentCaller, owners: Services) -> Response:
    """Read a file again."""
    await decision_routes.reprocess(file, caller, owners)
    return RedirectResponse(page.href(f"/console/files/{file.id}"), 303)
