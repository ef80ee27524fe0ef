"""Failures in groups of one fault each, the members of a group, and one failure."""

from typing import Any

from fastapi import APIRouter, Response

from gateway.console.console_route import ConsoleRoute
from gateway.console.page import Page, ReaderPage
from gateway.console.query import PAGE_ROWS, FailureStateFilter, Filter, NumberFilter
from gateway.http.dependencies import Rows
from gateway.http.fields import Number
from gateway.operations import failure_routes
from gateway.security.access_control import ADMINS, PLATFORM, allow
from gateway.security.caller import CurrentCaller

router = APIRouter(prefix="/console/failures", include_in_schema=False, route_class=ConsoleRoute)


@router.get("", dependencies=[allow(ADMINS)])
async def groups(
    page: ReaderPage,
    caller: CurrentCaller,
    rows: Rows,
    school: Filter = None,
    service: Filter = None,
    type: Filter = None,  # noqa: A002  # the field's name in the API
    done: NumberFilter = None,
) -> Response:
    """List the faults with open failures, the largest groups first. `done`: how many a discard has closed."""
    found = await failure_routes.groups(caller, rows, service=service, type=type, school=school, limit=PAGE_ROWS)
    asked = {"service": service, "type": type}
    return page.html("failures.html", groups=found, asked=asked, done=done, may=caller.role in PLATFORM)


@router.get("/group", dependencies=[allow(ADMINS)])
async def members(
    page: ReaderPage,
    caller: CurrentCaller,
    rows: Rows,
    school: Filter = None,
    state: FailureStateFilter = None,
    queue: Filter = None,
    fingerprint: Filter = None,
    after: NumberFilter = None,
) -> Response:
    """List the failures of one fault, the newest first."""
    group = {"queue": queue, "fingerprint": fingerprint}
    found = await failure_routes.listing(caller, rows, state, None, queue, fingerprint, None, school, after, PAGE_ROWS)
    asked: dict[str, Any] = group | {"state": state}
    return page.list_html(
        "failure_group.html", asked, after, found.next, failures=found.items, may=caller.role in PLATFORM
    )


@router.get("/{failure_id}", dependencies=[allow(ADMINS)])
async def failure(failure_id: Number, page: ReaderPage, caller: CurrentCaller, rows: Rows) -> Response:
    """Show one failure, without its message's body."""
    found = await failure_routes.read(failure_id, caller, rows)
    return page.html("failure.html", failure=found, may=caller.role in PLATFORM and found.state == "open")


def back_to_list(page: Page, done: int) -> str:
    """Return the address of the list that says how many a discard has closed."""
    return page.href("/console/failures", done=done)
