"""A new notification: whom it means, what it says, a preview, a test to oneself, and a send that can be undone.

A send waits for the undo window as a schedule with a single run, so that stopping it is the ordinary cancel.
"""

import datetime as dt
import json
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from uuid_utils.compat import uuid7

from gateway.console.audience_choice import find_choice
from gateway.console.chosen_school import ChosenSchool
from gateway.console.compose_form import ComposeForm, digest_of, request_of, typed_number
from gateway.console.console_route import ConsoleRoute
from gateway.console.page import Page, ReaderPage
from gateway.console.template_choice import TemplateChoice, find_templates, preview_template
from gateway.console.texts import N_
from gateway.http.dependencies import Rows, Services
from gateway.http.service_client import ServiceClients
from gateway.notifications import read_routes
from gateway.notifications.acceptance import accept
from gateway.notifications.canary import has_room
from gateway.notifications.create_routes import Sends
from gateway.notifications.read_routes import NotificationIn
from gateway.problems import Problem, readable
from gateway.security.access_control import STAFF, allow
from gateway.security.caller import Caller, CurrentCaller
from gateway.sends.batch_accept import BatchAcceptor
from shared.transactions.unit_of_work import UnitOfWorkFactory

router = APIRouter(prefix="/console/notifications", include_in_schema=False, route_class=ConsoleRoute)

UNDO_SECONDS = 30
# Select the size above which a send waits for a second person.
SELECT_LIMIT = "SELECT approval_above FROM school WHERE school_id = %(school)s"
CHANGED = N_("This differs from what you previewed. Look at it again, then send it.")
OTHER_MARKS = N_("Classes or people are marked that this audience leaves out. Choose the audience, or clear the marks.")
CANARY_ONCE = N_("A repeated notification goes to all at once. Leave the number of people empty.")
CANARY_LARGE = N_("The audience needs more people than this, and as many have to be reachable.")
EMPTY_VARIABLE = N_("Fill this in: the template has a place for it.")
TESTED = N_("The test is on its way to you.")
"""Shown after a test; how long a send can be undone is shown on its page."""


@router.get("/new", dependencies=[allow(STAFF)])
async def ask(page: ReaderPage, school: ChosenSchool, rows: Rows) -> Response:
    """Ask for audience and text."""
    form = ComposeForm(key=str(uuid7()), roles=["guardian"], channels=["push", "mail", "inbox"])
    return await _form(page, form, school, rows)


@router.post("/new", dependencies=[allow(STAFF, audience="person")])
async def compose(
    page: ReaderPage,
    chosen: ChosenSchool,
    caller: CurrentCaller,
    rows: Rows,
    owners: Services,
    sends: Sends,
    form: Annotated[ComposeForm, Form()],
) -> Response:
    """Find people, preview, test or send, by the button that was pressed; a wrong field comes back as it was typed."""
    offered = await find_templates(form, caller, chosen, owners)
    if form.step in ("find", "template"):
        return await _form(page, form, chosen, rows, offered=offered)
    if wrong := _wrong_fields(page, form, offered):
        return await _form(page, form, chosen, rows, 422, offered=offered, errors=wrong)
    try:
        return await _act(page, form, chosen, caller, rows, owners, sends, offered)
    except ValidationError as problem:
        errors = _by_field(readable(problem.errors()))
    except Problem as problem:
        if problem.code == "idempotency_conflict":
            return RedirectResponse(page.href("/console/notifications", sent="twice"), 303)
        if problem.status not in (409, 422):
            raise
        errors = _by_field(problem.more.get("errors") or [{"loc": ["form"], "message": problem.detail}])
    return await _form(page, form, chosen, rows, 422, offered=offered, errors=errors)


def _wrong_fields(page: Page, form: ComposeForm, offered: TemplateChoice | None) -> dict[str, str]:
    """Return what the form does not let be asked, by field."""
    if form.has_other_marks:
        return {"audience": page.text(OTHER_MARKS)}
    if form.canary and form.repeat:
        return {"count": page.text(CANARY_ONCE)}
    return {name: page.text(EMPTY_VARIABLE) for name, value in (offered.variables if offered else ()) if not value}


async def _act(
    page: Page,
    form: ComposeForm,
    school: UUID,
    caller: Caller,
    rows: UnitOfWorkFactory,
    owners: ServiceClients,
    sends: BatchAcceptor,
    offered: TemplateChoice | None,
) -> Response:
    """Preview, test or send; raises ValidationError and Problem for what cannot be sent."""
    wanted, digest = request_of(form, page.zone), digest_of(form, page.zone)
    body = _read(wanted)
    if form.step == "send" and form.previewed == digest:
        made = await accept(_read(_later(wanted)), caller, rows, sends, owners, form.key or None, str(school))
        return RedirectResponse(page.href(_place(made)), 303)
    if form.step == "test":
        assert caller.person is not None
        only_me = _read(request_of(form, page.zone, people=[str(caller.person)]))
        await accept(only_me, caller, rows, sends, owners, None, str(school))
        return await _form(page, form, school, rows, offered=offered, note=page.text(TESTED))
    asked = read_routes.PreviewIn(type=body.type, audience=body.audience, channels=body.channels, urgent=body.urgent)
    reached = await read_routes.preview(asked, caller, rows, owners, str(school))
    note = page.text(CHANGED) if form.step == "send" else None
    found = json.loads(bytes(reached.body))
    if body.canary and not has_room(body.canary.count, found):
        raise Problem(422, "invalid", errors=[{"loc": ["body", "count"], "message": page.text(CANARY_LARGE)}])
    found["texts"] = await preview_template(form, found, caller, school, owners)
    form.previewed = digest
    return await _form(page, form, school, rows, offered=offered, preview=found, note=note)


def _read(request: dict[str, Any]) -> NotificationIn:
    return NotificationIn.model_validate_json(json.dumps(request))


def _later(wanted: dict[str, Any]) -> dict[str, Any]:
    """Return a send with its time; one without waits for the undo window."""
    if "repeat" in wanted or "deliver_at" in wanted:
        return wanted
    return wanted | {"deliver_at": (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=UNDO_SECONDS)).isoformat()}


def _place(made: dict[str, Any]) -> str:
    """Return the page of what was accepted: a repeating send is a schedule; one to many people may wait."""
    if "approval_id" in made:
        return f"/console/approvals/{made['approval_id']}"
    if "notification_id" in made:
        return f"/console/notifications/{made['notification_id']}"
    return f"/console/schedules/{made['schedule_id']}"


def _by_field(errors: list[dict[str, Any]]) -> dict[str, str]:
    return {str(each["loc"][-1]) if each["loc"] else "form": each["message"] for each in errors}


async def _form(
    page: Page,
    form: ComposeForm,
    school: UUID,
    rows: UnitOfWorkFactory,
    status: int = 200,
    *,
    offered: TemplateChoice | None = None,
    errors: dict[str, str] | None = None,
    preview: dict[str, Any] | None = None,
    note: str | None = None,
) -> Response:
    async with rows.request(school) as tx:
        choice = await find_choice(tx, school, form.classes, form.people, form.search)
        limit = await tx.row(SELECT_LIMIT, {"school": school})
    return page.html(
        "compose.html",
        status,
        form=form,
        choice=choice,
        offered=offered,
        errors=errors or {},
        preview=preview,
        above=limit["approval_above"] if limit and form.kind != "safety" else None,
        note=note,
        undo=UNDO_SECONDS,
        canary=typed_number(form.canary),
    )
