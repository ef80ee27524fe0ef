"""Whom a notification reached: why one person got it or not, and a second round for those whom it did not reach."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse
from uuid_utils.compat import uuid7

from gateway.console.audience_choice import find_choice
from gateway.console.chosen_school import ChosenSchool
from gateway.console.console_route import ConsoleRoute
from gateway.console.notification_pages import can_resend, read_notification
from gateway.console.page import ReaderPage
from gateway.console.query import Filter, IdFilter
from gateway.console.refusals import refusal_text
from gateway.http.dependencies import Configured, Rows, Services
from gateway.notifications import cancel_resend_routes, delivery_report_routes
from gateway.notifications.cancel_resend_routes import ResendIn
from gateway.problems import Problem
from gateway.security.access_control import STAFF, allow
from gateway.security.caller import CurrentCaller

router = APIRouter(prefix="/console/notifications/{notification_id}", include_in_schema=False, route_class=ConsoleRoute)


@router.get("/why", dependencies=[allow(STAFF)])
async def why(
    notification_id: UUID,
    page: ReaderPage,
    school: ChosenSchool,
    caller: CurrentCaller,
    rows: Rows,
    owners: Services,
    person: IdFilter = None,
    name: Filter = None,
) -> Response:
    """Find a person, and show what happened on the way to them."""
    async with rows.request(school) as tx:
        choice = await find_choice(tx, school, (), [str(person)] if person else (), name or "")
    chosen = next((each for each in choice.people if each["chosen"]), None)
    if chosen is None and len(choice.people) == 1:
        chosen = choice.people[0]
    found: dict[str, Any] | None = None
    if chosen is not None:
        found = await delivery_report_routes.why(notification_id, chosen["id"], caller, owners, school)
    return page.html("why.html", notification_id=notification_id, choice=choice, person=chosen, why=found, name=name)


@router.get("/resend", dependencies=[allow(STAFF)])
async def ask_resend(
    notification_id: UUID,
    page: ReaderPage,
    caller: CurrentCaller,
    rows: Rows,
    owners: Services,
    settings: Configured,
) -> Response:
    """Ask before a notification is sent again."""
    found = await read_notification(page, notification_id, caller, rows, owners, settings)
    key, possible = str(uuid7()), can_resend(found)
    return page.html("resend.html", notification=found, key=key, possible=possible, error=None)


@router.post("/resend", dependencies=[allow(STAFF)])
async def resend(
    notification_id: UUID,
    page: ReaderPage,
    caller: CurrentCaller,
    rows: Rows,
    owners: Services,
    settings: Configured,
    key: Annotated[str, Form(max_length=200)] = "",
    unknown: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Send it to those whom it did not reach, at their present addresses; a second press sends nothing twice."""
    try:
        body = ResendIn(unknown=bool(unknown))
        await cancel_resend_routes.resend(notification_id, caller, rows, owners, body, key or None)
    except Problem as problem:
        if problem.status != 409:  # noqa: PLR2004
            raise
        found = await read_notification(page, notification_id, caller, rows, owners, settings)
        message = refusal_text(page, problem)
        return page.html("resend.html", 409, notification=found, key=key, possible=False, error=message)
    return RedirectResponse(page.href(f"/console/notifications/{notification_id}", again="yes"), 303)
