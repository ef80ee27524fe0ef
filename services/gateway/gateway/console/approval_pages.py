"""Sends that wait for a second person: who asked for what, and the decision."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse

from gateway.console.chosen_school import ChosenSchool
from gateway.console.console_route import ConsoleRoute
from gateway.console.page import Page, ReaderPage
from gateway.console.people_names import names_of
from gateway.console.query import PAGE_ROWS, HeldStateFilter, IdFilter
from gateway.console.refusals import refusal_text
from gateway.console.schedule_rule import rule_text
from gateway.http.dependencies import Rows
from gateway.notifications import approval_routes
from gateway.notifications.approval_routes import RefusalIn
from gateway.notifications.held_reads import HeldSend
from gateway.problems import Problem
from gateway.security.access_control import OFFICE, STAFF, allow
from gateway.security.audit import Audited
from gateway.security.caller import Caller, CurrentCaller
from shared.transactions.unit_of_work import UnitOfWorkFactory

router = APIRouter(prefix="/console/approvals", include_in_schema=False, route_class=ConsoleRoute)

SHOWN = frozenset({409, 422})


@router.get("", dependencies=[allow(STAFF)])
async def approvals(
    page: ReaderPage, school: ChosenSchool, rows: Rows, state: HeldStateFilter = None, after: IdFilter = None
) -> Response:
    """List sends of a school that wait, or waited, for a second person."""
    found = await approval_routes.listing(school, rows, state, after, PAGE_ROWS)
    names = await _names(rows, found.items)
    return page.list_html("approvals.html", {"state": state}, after, found.next, approvals=found.items, names=names)


@router.get("/{approval_id}", dependencies=[allow(STAFF)])
async def approval(approval_id: UUID, page: ReaderPage, caller: CurrentCaller, rows: Rows) -> Response:
    """Show one with its text and audience, and the buttons for a decision."""
    return await _one(page, await approval_routes.read(approval_id, caller, rows), caller, rows)


@router.post("/{approval_id}/{decision}", dependencies=[allow(STAFF, audience="person")])
async def decide(
    approval_id: UUID,
    decision: approval_routes.Decision,
    page: ReaderPage,
    caller: CurrentCaller,
    rows: Rows,
    audited: Audited,
    reason: Annotated[str, Form(max_length=1_000)] = "",
) -> Response:
    """Approve or refuse; what cannot be decided any more is shown on its page."""
    try:
        if decision == "approve":
            await approval_routes.approve(approval_id, caller, rows, audited)
        else:
            await approval_routes.refuse(approval_id, caller, rows, audited, RefusalIn(reason=reason))
    except Problem as problem:
        if problem.status not in SHOWN:
            raise
        found = await approval_routes.read(approval_id, caller, rows)
        return await _one(page, found, caller, rows, problem.status, refusal_text(page, problem))
    return RedirectResponse(page.href(f"/console/approvals/{approval_id}"), 303)


async def _one(
    page: Page, found: HeldSend, caller: Caller, rows: UnitOfWorkFactory, status: int = 200, error: str | None = None
) -> Response:
    own = caller.person == found.requested_by
    return page.html(
        "approval.html",
        status,
        approval=found,
        rule=rule_text(page, (found.send or {}).get("rule")),
        names=await _names(rows, [found]),
        approvable=caller.role in OFFICE and not own,
        refusable=caller.role in OFFICE or own,
        own=own,
        error=error,
    )


async def _names(rows: UnitOfWorkFactory, items: Sequence[HeldSend]) -> dict[str, str]:
    found: dict[str, str] = {}
    for school in {each.school_id for each in items}:
        people = [person for each in items for person in (each.requested_by, each.decided_by)]
        found |= await names_of(rows, school, people)
    return found
