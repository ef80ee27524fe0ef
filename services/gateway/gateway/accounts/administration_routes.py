"""`/v1/administrators`, invitations, `/v1/audit`: who may, and what they did."""

import datetime as dt
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict

from gateway.accounts import accounts
from gateway.http.dependencies import Configured, Rows, school_of, seen_by
from gateway.http.fields import Label, Limit, Wanted
from gateway.http.guarded_route import GuardedRoute
from gateway.http.json_types import Instant
from gateway.problems import Problem
from gateway.security import audit
from gateway.security.access_control import ADMINS, PLATFORM, allow
from gateway.security.audit import Audited
from gateway.security.caller import CurrentCaller

router = APIRouter(prefix="/v1", tags=["access"], route_class=GuardedRoute)


class AdministratorIn(BaseModel):
    """Somebody who is to administer the whole group."""

    model_config = ConfigDict(extra="forbid")
    given_name: Label
    family_name: Label


class Invitation(BaseModel):
    """Shown this once: with `token` its person sets a name and a password (`POST /v1/invitations/accept`)."""

    person_id: UUID
    token: str
    expires_at: dt.datetime


class Administrator(BaseModel):
    """Somebody who administers the whole group."""

    person_id: UUID
    given_name: str
    family_name: str
    since: dt.datetime


class AdministratorPage(BaseModel):
    """By id; pass `next` as `after` to go on."""

    items: list[Administrator]
    next: UUID | None


class Act(BaseModel):
    """One row of the audit. `action` is method and route, `subject` the ids in it, `status` what was answered."""

    id: UUID
    at: dt.datetime
    school_id: UUID | None
    person_id: UUID | None
    role: str | None
    key_id: UUID | None
    action: str
    subject: dict[str, Any]
    status: int
    code: str | None


class ActPage(BaseModel):
    """Newest first; pass `next` as `after` to go on."""

    items: list[Act]
    next: UUID | None


@router.post(
    "/people/{person_id}/invitations",
    status_code=201,
    response_model=Invitation,
    dependencies=[allow(ADMINS, scope="people:write", audience="session")],
)
async def invite(person_id: UUID, caller: CurrentCaller, rows: Rows, settings: Configured) -> dict[str, Any]:
    """A token with which a person sets a name and a password; also when they have forgotten theirs."""
    async with rows.begin() as tx:
        return await accounts.invite(tx, caller, person_id, settings.invitation_days)


@router.post(
    "/administrators",
    status_code=201,
    response_model=Invitation,
    dependencies=[allow(PLATFORM, scope="administrators:write", audience="session")],
)
async def add_administrator(
    body: AdministratorIn, rows: Rows, audited: Audited, settings: Configured
) -> dict[str, Any]:
    """A new administrator of the group, and the invitation to hand to them."""
    async with rows.begin() as tx:
        days = settings.invitation_days
        invitation = await accounts.add_administrator(tx, body.given_name, body.family_name, days)
    audited.subject["person_id"] = str(invitation["person_id"])
    return invitation


@router.get(
    "/administrators", response_model=AdministratorPage, dependencies=[allow(PLATFORM, scope="administrators:read")]
)
async def administrators(rows: Rows, after: UUID | None = None, limit: Limit = 50) -> dict[str, Any]:
    """Who administers the group."""
    async with rows.begin() as tx:
        found = await tx.rows(accounts.ADMINISTRATORS, {"after": after, "limit": limit + 1})
    return {"items": found[:limit], "next": found[limit - 1]["person_id"] if len(found) > limit else None}


@router.delete(
    "/administrators/{person_id}",
    status_code=204,
    dependencies=[allow(PLATFORM, scope="administrators:write", audience="session")],
)
async def remove_administrator(person_id: UUID, caller: CurrentCaller, rows: Rows) -> Response:
    """Take the group's administration from somebody, never from oneself; their session ends at its next renewal."""
    if person_id == caller.person:
        raise Problem(409, "conflict", "Nobody removes themselves: another administrator can.")
    async with rows.begin() as tx:
        if await tx.row(accounts.REMOVE_ADMINISTRATOR, {"person": person_id}) is None:
            raise Problem(404, "not_found")
    return Response(status_code=204)


@router.get("/audit", response_model=ActPage, dependencies=[allow(ADMINS, scope="audit:read")])
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
) -> dict[str, Any]:
    """What was decided and administered at the caller's school, or anywhere; `refused`: only what was not done."""
    where = None if caller.everywhere and school is None else await school_of(rows, caller, school)
    values: dict[str, Any] = {
        "school": where,
        "person": person,
        "key": key,
        "action": action,
        "since": since,
        "until": until,
    }
    values |= {"refused": refused, "after": after, "limit": limit + 1}
    async with seen_by(rows, caller) as tx:
        found = await audit.page(tx, values)
    return {"items": found[:limit], "next": found[limit - 1]["id"] if len(found) > limit else None}
