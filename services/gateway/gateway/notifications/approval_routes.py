"""`/v1/approvals`: sends that wait for a second person, because they reach more people than the school's limit."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, StringConstraints

from gateway.http.dependencies import InSchool, Rows, seen_by
from gateway.http.fields import Limit
from gateway.http.guarded_route import GuardedRoute
from gateway.notifications import held_sends
from gateway.notifications.held_reads import LIST_HELD, HeldSend, HeldSendPage, HeldState
from gateway.problems import Problem
from gateway.security.access_control import OFFICE, STAFF, allow
from gateway.security.audit import AuditContext, Audited
from gateway.security.caller import Caller, CurrentCaller
from shared.http.fields import NO_NUL
from shared.transactions.unit_of_work import UnitOfWorkFactory

router = APIRouter(prefix="/v1/approvals", tags=["notifications"], route_class=GuardedRoute)


Decision = Literal["approve", "refuse"]


class RefusalIn(BaseModel):
    """Why it is not sent; its requester sees the reason."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1_000, pattern=NO_NUL)] = ""


@router.get("", dependencies=[allow(STAFF, scope="notifications:read")])
async def listing(
    school: InSchool, rows: Rows, state: HeldState | None = None, after: UUID | None = None, limit: Limit = 50
) -> HeldSendPage:
    """List sends of a school that wait, or waited, for a second person, newest first."""
    async with rows.request(school) as tx:
        found = await LIST_HELD.all(tx, school=school, state=state, after=after, limit=limit + 1)
    items = found[:limit]
    return HeldSendPage(items=items, next=items[-1].id if len(found) > limit else None)


@router.get("/{approval_id}", dependencies=[allow(STAFF, scope="notifications:read")])
async def read(approval_id: UUID, caller: CurrentCaller, rows: Rows) -> HeldSend:
    """Return one of them, with its content while it waits."""
    async with seen_by(rows, caller) as tx:
        found = await LIST_HELD.first(tx, id=approval_id, limit=1)
    if found is None:
        raise Problem(404, "not_found")
    return found


@router.post("/{approval_id}/approve", dependencies=[allow(OFFICE, audience="person")])
async def approve(approval_id: UUID, caller: CurrentCaller, rows: Rows, audited: Audited) -> HeldSend:
    """Send it, as another person than its requester; `notification_id` or `schedule_id` is then its own.

    A time that has passed meanwhile means at once. 409 `too_late` when it was decided before.
    """
    school = await _school(approval_id, caller, rows, audited)
    async with rows.request(school) as tx:
        await held_sends.approve(tx, caller, approval_id)
    return await read(approval_id, caller, rows)


@router.post("/{approval_id}/refuse", dependencies=[allow(STAFF, audience="person")])
async def refuse(
    approval_id: UUID, caller: CurrentCaller, rows: Rows, audited: Audited, body: RefusalIn | None = None
) -> HeldSend:
    """Do not send it; its requester may withdraw it too. 409 `too_late` when it was decided before."""
    school = await _school(approval_id, caller, rows, audited)
    async with rows.request(school) as tx:
        await held_sends.refuse(tx, caller, approval_id, (body or RefusalIn()).reason)
    return await read(approval_id, caller, rows)


async def _school(approval: UUID, caller: Caller, rows: UnitOfWorkFactory, audited: AuditContext) -> UUID:
    """Return the school of a held send, which the audit names; 404 for one that the caller may not see."""
    audited.school = (await read(approval, caller, rows)).school_id
    return audited.school
