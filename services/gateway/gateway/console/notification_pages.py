"""Notifications of a school: how far each is, what failed and why, and a stop for it."""

import json
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse

from gateway.console.chosen_school import ChosenSchool
from gateway.console.console_route import ConsoleRoute
from gateway.console.page import Page, ReaderPage
from gateway.console.query import PAGE_ROWS, FlagFilter, IdFilter, KindFilter, NotificationStateFilter
from gateway.http.dependencies import Configured, Rows, Services
from gateway.http.service_client import ServiceClients
from gateway.notifications import cancel_resend_routes, read_routes
from gateway.problems import Problem
from gateway.schedules import routes as schedule_routes
from gateway.security.access_control import STAFF, allow
from gateway.security.caller import Caller, CurrentCaller
from gateway.settings import Settings
from gateway.tasks import task_routes
from shared.events import FINAL
from shared.transactions.unit_of_work import UnitOfWorkFactory

router = APIRouter(prefix="/console/notifications", include_in_schema=False, route_class=ConsoleRoute)

STOPPED = {"completed", "failed", "cancelled"}
REACHED = {"accepted", "read"}
NOT_REACHED = {"failed", "unknown"}


@router.get("", dependencies=[allow(STAFF)])
async def notifications(
    page: ReaderPage,
    school: ChosenSchool,
    caller: CurrentCaller,
    rows: Rows,
    owners: Services,
    kind: KindFilter = None,
    state: NotificationStateFilter = None,
    after: IdFilter = None,
    sent: str | None = None,
) -> Response:
    """List the notifications of a school, the newest first. `sent`: a form that was sent twice."""
    found = await read_routes.listing(caller, rows, owners, str(school), kind, state, after, PAGE_ROWS)
    asked = {"kind": kind, "state": state}
    return page.list_html(
        "notifications.html", asked, after, found["next"], notifications=found["items"], repeated=sent is not None
    )


@router.get("/{notification_id}", dependencies=[allow(STAFF)])
async def notification(
    notification_id: UUID,
    page: ReaderPage,
    caller: CurrentCaller,
    rows: Rows,
    owners: Services,
    settings: Configured,
    stopped: FlagFilter = None,
    again: FlagFilter = None,
) -> Response:
    """Show one notification: how many it reached on each channel, and what became of the others."""
    found = await read_notification(page, notification_id, caller, rows, owners, settings)
    canary = found.get("canary")
    waits = canary is not None and canary["rest_state"] not in FINAL
    return page.html(
        "notification.html",
        notification=found,
        canary=canary,
        rest_due=await _due(canary, caller, rows, owners) if canary and waits else None,
        channels={name: funnel(states) for name, states in (found.get("counts") or {}).items()},
        stoppable=(found["state"] not in STOPPED or waits) and stopped is None,
        stopped=stopped is not None,
        resendable=can_resend(found),
        again=again is not None,
    )


@router.get("/{notification_id}/cancel", dependencies=[allow(STAFF)])
async def ask_cancel(
    notification_id: UUID, page: ReaderPage, caller: CurrentCaller, rows: Rows, owners: Services, settings: Configured
) -> Response:
    """Ask before a notification is stopped."""
    return page.html(
        "notification_cancel.html",
        notification=await read_notification(page, notification_id, caller, rows, owners, settings),
    )


@router.post("/{notification_id}/cancel", dependencies=[allow(STAFF)])
async def cancel(
    notification_id: UUID,
    page: ReaderPage,
    caller: CurrentCaller,
    rows: Rows,
    owners: Services,
    sure: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Stop a notification: what is under way ends by its outcome, the rest is not sent."""
    if sure:
        await cancel_resend_routes.cancel(notification_id, caller, rows, owners)
    return RedirectResponse(page.href(f"/console/notifications/{notification_id}", stopped="yes"), 303)


async def read_notification(
    page: Page,
    notification_id: UUID,
    caller: Caller,
    rows: UnitOfWorkFactory,
    owners: ServiceClients,
    settings: Settings,
) -> dict[str, Any]:
    """Return a notification; one that its owner does not know has the state of its task."""
    school = None if page.school is None else str(page.school)
    found: dict[str, Any] = await read_routes.read(notification_id, caller, rows, owners, school)
    if found["state"] == "accepted":  # its owner never knows it if it was undone
        task = await task_routes.read(UUID(found["task_id"]), caller, rows, settings)
        found["state"] = task.state if task.state in FINAL else "accepted"
    return found


async def _due(canary: dict[str, Any], caller: Caller, rows: UnitOfWorkFactory, owners: ServiceClients) -> str | None:
    """Return when the second part is sent; None once it is, or where the scheduler does not know it yet or is away."""
    which = schedule_routes.Which(id=canary["rest_task_id"], school=canary["school_id"], accepted=True)
    try:
        answer = await schedule_routes.read(which, caller, rows, owners)
    except Problem as problem:
        if problem.status != 503:  # noqa: PLR2004
            raise
        return None
    due: str | None = json.loads(bytes(answer.body)).get("next_run")
    return due


def funnel(states: dict[str, int]) -> dict[str, Any]:
    """Return how many deliveries a channel has, how many were reached, and the others by state."""
    return {
        "planned": sum(states.values()),
        "reached": sum(count for state, count in states.items() if state in REACHED),
        "read": states.get("read", 0),
        "others": {state: count for state, count in sorted(states.items()) if state not in REACHED and count},
    }


def can_resend(notification: dict[str, Any]) -> bool:
    """Return whether a notification has ended and did not reach some people, who may be tried again."""
    counts = (notification.get("counts") or {}).items()
    states = {state for channel, of in counts if channel != "inbox" for state, count in of.items() if count}
    return notification["state"] == "completed" and not states.isdisjoint(NOT_REACHED)
