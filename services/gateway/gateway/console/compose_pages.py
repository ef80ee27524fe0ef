"""A new notification: whom it means, what it says, a preview, a test to oneself, and a send that can be undone.

A send waits for the undo window as a schedule with a single run, so that stopping it is the ordinary cancel.
"""

import datetime as dt
import json
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from uuid_utils.compat import uuid7

from gateway.console.chosen_school import ChosenSchool
from gateway.console.compose_form import ComposeForm, digest_of, request_of
from gateway.console.console_route import ConsoleRoute
from gateway.console.page import Page, ReaderPage
from gateway.console.texts import N_
from gateway.http.dependencies import Rows, Services
from gateway.notifications import read_routes
from gateway.notifications.acceptance import accept
from gateway.notifications.create_routes import Sends
from gateway.notifications.read_routes import NotificationIn
from gateway.problems import Problem, readable
from gateway.security.access_control import STAFF, allow
from gateway.security.caller import CurrentCaller

router = APIRouter(prefix="/console/notifications", include_in_schema=False, route_class=ConsoleRoute)

UNDO_SECONDS = 30
CHANGED = N_("This differs from what you previewed. Look at it again, then send it.")
TESTED = N_("The test is on its way to you.")
"""Said of a test; how long a send can be undone is said on its page."""


@router.get("/new", dependencies=[allow(STAFF)])
async def ask(page: ReaderPage, school: ChosenSchool) -> Response:  # noqa: ARG001  # a send needs one
    """Ask for audience and text."""
    return _form(page, ComposeForm(key=str(uuid7())))


@router.post("/new", dependencies=[allow(STAFF, audience="person")])
async def compose(
    page: ReaderPage,
    chosen: ChosenSchool,
    caller: CurrentCaller,
    rows: Rows,
    owners: Services,
    sends: Sends,
    form: Annotated[ComposeForm, Depends(ComposeForm.of_request)],
) -> Response:
    """Preview, test or send, by the button that was pressed; a wrong field comes back with all that was typed."""
    school = str(chosen)
    try:
        body = NotificationIn.model_validate_json(json.dumps(request_of(form, page.zone)))
        if form.step == "send" and form.previewed == digest_of(form, page.zone):
            later = {"deliver_at": (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=UNDO_SECONDS)).isoformat()}
            wanted = request_of(form, page.zone)
            body = NotificationIn.model_validate_json(json.dumps(later | wanted))
            made = await accept(body, caller, rows, sends, form.key or None, school)
            return RedirectResponse(page.href(f"/console/notifications/{made['notification_id']}"), 303)
        if form.step == "test":
            assert caller.person is not None
            only_me = request_of(form, page.zone, people=[str(caller.person)])
            await accept(NotificationIn.model_validate_json(json.dumps(only_me)), caller, rows, sends, None, school)
            return _form(page, form, said=page.text(TESTED))
        reached = await read_routes.preview(
            read_routes.PreviewIn(type=body.type, audience=body.audience, channels=body.channels, urgent=body.urgent),
            caller,
            rows,
            owners,
            school,
        )
        said = page.text(CHANGED) if form.step == "send" else None
        form.previewed = digest_of(form, page.zone)
        return _form(page, form, preview=json.loads(bytes(reached.body)), said=said)
    except ValidationError as problem:
        return _form(page, form, 422, errors=readable(problem.errors()))
    except Problem as problem:
        if problem.code == "idempotency_conflict":
            return RedirectResponse(page.href("/console/notifications", sent="twice"), 303)
        if problem.status not in (409, 422):
            raise
        listed = problem.more.get("errors") or [{"loc": ["form"], "message": problem.detail}]
        return _form(page, form, 422, errors=listed)


def _form(
    page: Page,
    form: ComposeForm,
    status: int = 200,
    *,
    errors: list[dict[str, Any]] | None = None,
    preview: dict[str, Any] | None = None,
    said: str | None = None,
) -> Response:
    wrong = {str(each["loc"][-1]): each["message"] for each in errors or []}
    values = {"form": asdict(form), "errors": wrong, "preview": preview, "said": said, "undo": UNDO_SECONDS}
    return page.html("compose.html", status, **values)
