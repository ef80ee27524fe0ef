"""An edit of a message that failed for good: its event as JSON, what an edit changes, and only then a second press."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, Form, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from gateway.console.console_route import ConsoleRoute
from gateway.console.page import Page, ReaderPage
from gateway.console.refusals import refusal_text
from gateway.console.texts import N_
from gateway.http.dependencies import Configured, Rows
from gateway.http.fields import Number
from gateway.operations import failure_routes
from gateway.operations.failure_edit import Difference, EditIn, open_letter
from gateway.problems import Problem, readable
from gateway.security.access_control import PLATFORM, allow
from gateway.security.audit import Audited
from gateway.security.caller import Caller, CurrentCaller
from shared.errors import SchoolConnectError
from shared.http.provided import Provided
from shared.persistence.encryption import SubjectKeyStore
from shared.transactions.unit_of_work import UnitOfWorkFactory

router = APIRouter(prefix="/console/failures", include_in_schema=False, route_class=ConsoleRoute)

NO_JSON = N_("This cannot be read from line %(line)s, column %(column)s on.")
NO_OBJECT = N_("Keep the outer braces: an event is an object with its fields.")
LEFT_OUT = N_("An edit cannot take fields away. These are missing: %(fields)s")
SAME = N_("Nothing differs from the message that failed. To send it as it is, choose Try again.")
NO_REASON = N_("Say why it is changed: the reason stays with the failure and in the audit.")
COMPARE_AGAIN = N_("The text has changed since it was compared. Look at the differences, then send it.")
SHOWN = frozenset({409, 422})
Vault = Annotated[SubjectKeyStore, Depends(Provided(SubjectKeyStore))]


@router.get("/{failure_id}/edit", dependencies=[allow(PLATFORM)])
async def ask_edit(failure_id: Number, page: ReaderPage, caller: CurrentCaller, rows: Rows) -> Response:
    """Show the fields of the event that may be changed."""
    return await _form(page, failure_id, caller, rows)


@router.post("/{failure_id}/edit", dependencies=[allow(PLATFORM)])
async def edit(
    failure_id: Number,
    page: ReaderPage,
    caller: CurrentCaller,
    rows: Rows,
    settings: Configured,
    vault: Vault,
    audited: Audited,
    event: Annotated[str, Form(max_length=500_000)] = "",
    reason: Annotated[str, Form(max_length=5_000)] = "",
    compared: Annotated[str, Form(max_length=500_000)] = "",
    step: Annotated[Literal["compare", "send"], Form()] = "compare",
) -> Response:
    """Compare the edited event with the one that failed; send it when the same edit was compared before."""
    async with rows.begin() as tx:
        before = (await open_letter(tx, failure_id)).editable
    kept = {"event": event, "reason": reason}
    try:
        wanted = EditIn(changes=changes_of(before, event), reason=reason, dry_run=True)
        changes = _written(wanted.changes)
        if step == "send" and compared == changes:
            wanted = wanted.model_copy(update={"dry_run": False})
        edited = await failure_routes.edit(failure_id, wanted, caller, rows, settings, vault, audited)
    except Unreadable as problem:
        errors = {"event": page.text(problem.text) % problem.facts}
        return await _form(page, failure_id, caller, rows, 422, kept, errors)
    except ValidationError as problem:
        return await _form(page, failure_id, caller, rows, 422, kept, _wrong(page, readable(problem.errors())))
    except Problem as problem:
        if problem.status not in SHOWN:
            raise
        return await _form(page, failure_id, caller, rows, problem.status, kept, _errors(page, problem))
    if not edited.dry_run:
        return RedirectResponse(page.href(f"/console/failures/{failure_id}"), 303)
    errors = {"form": page.text(COMPARE_AGAIN)} if step == "send" else {}
    return await _form(page, failure_id, caller, rows, 200, kept, errors, edited.diff, changes)


class Unreadable(SchoolConnectError):
    """Says why a typed text is no edit."""

    def __init__(self, text: str, **facts: Any) -> None:
        super().__init__(text)
        self.text, self.facts = text, facts


def changes_of(before: Mapping[str, Any], typed: str) -> dict[str, Any]:
    """Return the fields that differ in a typed event; raises Unreadable."""
    try:
        found = orjson.loads(typed)
    except orjson.JSONDecodeError as problem:
        raise Unreadable(NO_JSON, line=problem.lineno, column=problem.colno) from problem
    if not isinstance(found, dict):
        raise Unreadable(NO_OBJECT)
    if missing := before.keys() - found.keys():
        raise Unreadable(LEFT_OUT, fields=", ".join(sorted(missing)))
    changes = {name: value for name, value in found.items() if name not in before or before[name] != value}
    if not changes:
        raise Unreadable(SAME)
    return changes


def _written(value: Any, options: int = orjson.OPT_SORT_KEYS) -> str:
    return orjson.dumps(value, option=options).decode()


def _wrong(page: Page, errors: list[dict[str, Any]]) -> dict[str, str]:
    """Return what the API would refuse before it reads the failure: no reason, or too much to change at once."""
    named = {each["loc"][0]: each["message"] for each in errors}
    return {"event": named["changes"]} if "changes" in named else {"reason": page.text(NO_REASON)}


def _errors(page: Page, problem: Problem) -> dict[str, str]:
    """Return a refusal beside the text: each wrong field on its own line."""
    if problem.code != "invalid":
        return {"form": refusal_text(page, problem)}
    wrong = [f"{'.'.join(map(str, each['loc'][2:]))}: {each['message']}" for each in problem.more["errors"]]
    return {"event": "\n".join(wrong)}


async def _form(
    page: Page,
    failure_id: int,
    caller: Caller,
    rows: UnitOfWorkFactory,
    status: int = 200,
    kept: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    diff: list[Difference] | None = None,
    compared: str = "",
) -> Response:
    found = await failure_routes.read(failure_id, caller, rows)
    async with rows.begin() as tx:
        letter = await open_letter(tx, failure_id)
    values = kept or {"event": _written(letter.editable, orjson.OPT_INDENT_2), "reason": ""}
    shown = [(each.field, _written(each.before), _written(each.after)) for each in diff or []]
    return page.html(
        "failure_edit.html",
        status,
        failure=found,
        kept=values,
        errors=errors or {},
        diff=shown,
        compared=compared,
        personal=sorted(letter.known.personal & letter.fields.keys()),
    )
