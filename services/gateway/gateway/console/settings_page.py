"""The settings of a school that its administrators change by themselves."""

import re
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from gateway.console.chosen_school import ChosenSchool
from gateway.console.compose_form import typed_number
from gateway.console.console_route import ConsoleRoute
from gateway.console.page import Page, ReaderPage
from gateway.console.query import FlagFilter
from gateway.console.refusals import refusal_text
from gateway.console.texts import N_
from gateway.directory import school_routes
from gateway.directory.school_reads import School
from gateway.directory.school_routes import SettingsIn, Store
from gateway.http.dependencies import Rows, Services
from gateway.problems import Problem, readable
from gateway.security.access_control import ADMINS, allow
from gateway.security.caller import Caller, CurrentCaller
from shared.http.preconditions import DecisionRefused
from shared.transactions.unit_of_work import UnitOfWorkFactory

router = APIRouter(prefix="/console/settings", include_in_schema=False, route_class=ConsoleRoute)

Word = Annotated[str, Form(max_length=200)]
GROUPED = re.compile(r"(?<=\d)[.,'٬\s](?=\d{3}(?!\d))")
"""What separates groups of three digits: 1,000 and 1.000 are a thousand, 2.5 is no number of people."""
ERRORS = {
    "approval_above": N_("Type a number from 1 to 1,000,000, or nothing."),
    "digest_at": N_("Type a time such as 07:00."),
    "color": N_("Type a colour such as #1f5fa8, or nothing."),
    "letterhead": N_("Type one line of at most 200 letters, or nothing."),
    "quiet": N_("Type both times, such as 21:00 and 06:30, or none."),
}


@router.get("", dependencies=[allow(ADMINS)])
async def settings(
    page: ReaderPage, school: ChosenSchool, caller: CurrentCaller, rows: Rows, saved: FlagFilter = None
) -> Response:
    """Show the settings as they are."""
    found = await _read(school, caller, rows)
    return _form(page, found, _typed(found), found.version, saved=saved is not None)


@router.post("", dependencies=[allow(ADMINS)])
async def change(
    page: ReaderPage,
    school: ChosenSchool,
    caller: CurrentCaller,
    rows: Rows,
    owners: Services,
    store: Store,
    version: Annotated[int, Form(ge=0)],
    approval_above: Word = "",
    announces: Annotated[list[str] | None, Form(max_length=10)] = None,
    mute_details: Word = "",
    digest_at: Word = "",
    quiet_starts: Word = "",
    quiet_ends: Word = "",
    letterhead: Annotated[str, Form(max_length=1_000)] = "",
    color: Word = "",
) -> Response:
    """Change them, unless they have changed since the page was drawn; what was typed stays in the form."""
    typed = {
        "approval_above": approval_above,
        "announces": announces or [],
        "mute_details": bool(mute_details),
        "digest_at": digest_at,
        "quiet_starts": quiet_starts,
        "quiet_ends": quiet_ends,
        "letterhead": letterhead,
        "color": color,
    }
    status = 422
    try:
        body = SettingsIn.model_validate(_asked(typed))
        await school_routes.change(school, body, caller, rows, owners, store, version, Response())
    except ValidationError as problem:
        wrong = [each["loc"][0] for each in readable(problem.errors())]
        errors = {name: page.text(ERRORS[name]) for name in wrong if name in ERRORS}
        if len(errors) < len(set(wrong)):
            raise Problem(422, "invalid") from problem  # a choice that no page offers
    except DecisionRefused as problem:
        status = problem.status_code
        errors = {"form": refusal_text(page, Problem(status, problem.code))}
    else:
        return RedirectResponse(page.href(page.path, saved="yes"), 303)
    return _form(page, await _read(school, caller, rows), typed, version, status, errors)


def _asked(typed: dict[str, Any]) -> dict[str, Any]:
    """Return the request of the API that the form means: an empty field takes a setting away."""
    size = GROUPED.sub("", typed["approval_above"]).strip()
    quiet = {"starts": typed["quiet_starts"], "ends": typed["quiet_ends"]}
    return {
        "approval_above": typed_number(size) if size else None,
        "announces": typed["announces"],
        "mute_details": typed["mute_details"],
        "digest_at": typed["digest_at"],
        "quiet": quiet if any(quiet.values()) else None,
        "letterhead": typed["letterhead"],
        "color": typed["color"].strip() or None,
    }


def _typed(found: School) -> dict[str, Any]:
    """Return the fields of the form for settings as they are."""
    quiet = found.quiet
    return {
        "approval_above": found.approval_above or "",
        "announces": found.announces,
        "mute_details": found.mute_details,
        "digest_at": f"{found.digest_at:%H:%M}",
        "quiet_starts": f"{quiet.starts:%H:%M}" if quiet else "",
        "quiet_ends": f"{quiet.ends:%H:%M}" if quiet else "",
        "letterhead": found.letterhead,
        "color": found.color or "",
    }


async def _read(school: UUID, caller: Caller, rows: UnitOfWorkFactory) -> School:
    return await school_routes.read(school, caller, rows, Response())


def _form(
    page: Page,
    found: School,
    typed: dict[str, Any],
    version: int,
    status: int = 200,
    errors: dict[str, str] | None = None,
    *,
    saved: bool = False,
) -> Response:
    values = {"settings": found, "typed": typed, "version": version, "errors": errors or {}, "saved": saved}
    return page.html("settings.html", status, **values)
