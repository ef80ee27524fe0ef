"""`/v1/administrators`, invitations, `/v1/audit`: administrators of the group, and a record of all their acts."""

import datetime as dt
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict

from gateway.accounts import accounts
from gateway.accounts.reads import LIST_ACTS, LIST_ADMINISTRATORS, ActPage, AdministratorPage
from gateway.http.dependencies import Configured, Rows, school_of, seen_by
from gateway.http.fields import Label, Limit, Wanted
from gateway.http.guarded_route import GuardedRoute
from gateway.http.json_types import Instant
from gateway.problems import Problem
from gateway.security.access_control import ADMINS, PLATFORM, allow
from gateway.security.audit import Audited
from gateway.security.caller import CurrentCaller, require_fresh

router = APIRouter(prefix="/v1", tags=["access"], route_class=GuardedRoute)


class AdministratorIn(BaseModel):
    """A person who will administer the whole group."""

    model_config = ConfigDict(extra="forbid")
    given_name: Label
    family_name: Label


class Invitation(BaseModel):
    """Shown this once: with `token` its person sets a name and a password (`POST /v1/invitations/accept`)."""

    person_id: UUID
    token: str
    expires_at: dt.datetime


@router.post(
    "/people/{person_id}/invitations",
    status_code=201,
    response_model=Invitation,
    dependencies=[allow(ADMINS)],
)
async def invite(person_id: UUID, caller: CurrentCaller, rows: Rows, settings: Configured) -> dict[str, Any]:
    """A token with which a person sets a name and a password; also when they have forgotten theirs."""
    require_fresh(caller, settings.fresh_minutes)
    async with rows.begin() as tx:
        return await accounts.invite(tx, caller, person_id, settings.invitation_days)


@router.post(
    "/administrators",
    status_code=201,
    response_model=Invitation,
    dependencies=[allow(PLATFORM)],
)
async def add_administrator(
    body: AdministratorIn, caller: CurrentCaller, rows: Rows, audited: Audited, settings: Configured
) -> dict[str, Any]:
    """A new administrator of the group, and the invitation to hand to them."""
    require_fresh(caller, settings.fresh_minutes)
    async with rows.begin() as tx:
        days = settings.invitation_days
        invitation = await accounts.add_administrator(tx, body.given_name, body.family_name, days)
    audited.subject["person_id"] = str(invitation["person_id"])
    return invitation


@router.get("/administrators", dependencies=[allow(PLATFORM, scope="administrators:read")])
async def administrators(rows: Rows, after: UUID | None = None, limit: Limit = 50) -> AdministratorPage:
    """List the administrators of the group."""
    async with rows.begin() as tx:
        found = await LIST_ADMINISTRATORS.all(tx, after=after, limit=limit + 1)
    items = found[:limit]
    return AdministratorPage(items=items, next=items[-1].person_id if len(found) > limit else None)


@router.delete(
    "/administrators/{person_id}",
    status_code=204,
    dependencies=[allow(PLATFORM)],
)
async def remove_administrator(person_id: UUID, caller: CurrentCaller, rows: Rows) -> Response:
    """Remove an administrator of the group, never oneself; their sessions as one and their keys end at once."""
    if person_id == caller.person:
        raise Problem(409, "conflict", "You cannot remove yourself. Ask another administrator.")
    async with rows.begin() as tx:
        if await tx.row(accounts.DELETE_ADMINISTRATOR, {"person": person_id}) is None:
            raise Problem(404, "not_found")
    return Response(status_code=204)


@router.get("/audit", dependencies=[allow(ADMINS, scope="audit:read")])
async def read_audit(
    caller: CurrentCaller,
    rows: Rows,
    school: Wanted = None,
    person: UUID | None = None,
    key: UUID | None = None,
    action: Wanted = None,
    since: Instant | None = None,
    until: Instant | None = None,
    refused: bool = False,
    after: UUID | None = None,
    limit: Limit = 50,
) -> ActPage:
    """List decisions and acts of administration at the caller's school, or at all; `refused`: only refused ones."""
    where = None if caller.everywhere and school is None else await school_of(rows, caller, school)
    async with seen_by(rows, caller) as tx:
        found = await LIST_ACTS.all(
            tx,
            school=where,
            person=person,
            key=key,
            action=action,
            since=since,
            until=until,
            refused=refused or None,
            after=after,
            limit=limit + 1,
        )
    items = found[:limit]
    return ActPage(items=items, next=items[-1].id if len(found) > limit else None)
