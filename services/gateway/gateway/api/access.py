"""`/v1/keys`, `/v1/administrators`, invitations, `/v1/audit`: who may, and what they did."""

import datetime as dt
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from uuid_utils.compat import uuid7

from gateway import accounts, audit, keys
from gateway.api.deps import Rows, SignInTools, school_of
from gateway.auth import SCOPES, Caller, Known, SignedIn
from gateway.problems import Problem
from shared.asking import NeededMatch, check_version, etag
from shared.transaction import Transaction

router = APIRouter(prefix="/v1", tags=["access"])

Limit = Annotated[int, Query(ge=1, le=200)]
Label = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$")
]
Scope = Literal[SCOPES]  # type: ignore[valid-type]


class KeyIn(BaseModel):
    """A key for a program: what it may do (`scopes`), as whom (`role`), at which school, until when."""

    model_config = ConfigDict(extra="forbid")
    name: Label
    role: Literal["platform_admin", "school_admin", "staff"] = "staff"
    scopes: list[Scope] = Field(min_length=1, max_length=100)
    school: Annotated[str, StringConstraints(max_length=255, pattern=r"^[^\x00]*$")] | None = None
    expires_at: AwareDatetime | None = None


class KeyChange(BaseModel):
    """What can be changed of a key; what is left out stays."""

    model_config = ConfigDict(extra="forbid")
    name: Label | None = None
    expires_at: AwareDatetime | None = None


class Key(BaseModel):
    """A key without its secret; `hint` is the secret's end."""

    id: UUID
    school_id: UUID | None
    name: str
    role: str
    scopes: list[str]
    hint: str
    version: int
    created_by: UUID | None
    created_at: dt.datetime
    expires_at: dt.datetime | None
    last_used_at: dt.datetime | None
    revoked_at: dt.datetime | None


class NewKey(Key):
    """A new key; `secret` is shown this once and goes into requests as a bearer token."""

    secret: str


class KeyPage(BaseModel):
    """Newest first; pass `next` as `after` to go on."""

    items: list[Key]
    next: UUID | None


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


def _seen_by(rows: Rows, caller: Caller) -> AbstractAsyncContextManager[Transaction]:
    return rows.begin() if caller.everywhere else rows.request(caller.school)


@router.post("/keys", status_code=201, response_model=NewKey)
async def add_key(body: KeyIn, caller: SignedIn, rows: Rows, response: Response) -> dict[str, Any]:
    """Make a key. It can do no more than its maker."""
    if keys.over(body.expires_at):
        raise Problem(422, "invalid", errors=[{"loc": ["body", "expires_at"], "code": "past", "message": "is over"}])
    if body.role == "platform_admin":
        if not caller.everywhere or body.school is not None:
            raise Problem(403, "forbidden", "Only an administrator of the group makes keys for it, without a school.")
        school = None
    else:
        school = await school_of(rows, caller, body.school)
    values = body.model_dump(exclude={"school"}) | {"id": uuid7(), "school": school, "by": caller.person}
    async with rows.begin() as tx:
        await _school_there(tx, school)
        secret, row = await keys.add(tx, values)
    caller.trail.subject["key_id"] = str(row["id"])
    response.headers["Location"] = f"/v1/keys/{row['id']}"
    response.headers["ETag"] = etag(row["version"])
    return row | {"secret": secret}


async def _school_there(tx: Transaction, school: UUID | None) -> None:
    if school is not None and await tx.row("SELECT FROM school WHERE school_id = %(s)s", {"s": school}) is None:
        raise Problem(404, "unknown_school")


@router.get("/keys", response_model=KeyPage)
async def list_keys(
    caller: Known, rows: Rows, usable: bool = False, after: UUID | None = None, limit: Limit = 50
) -> dict[str, Any]:
    """Keys of the caller's school, or of all; `usable` leaves out those that are revoked or over."""
    values = {"school": caller.school, "usable": usable, "after": after, "limit": limit + 1}
    async with _seen_by(rows, caller) as tx:
        found = await tx.rows(keys.PAGE, values)
    return {"items": found[:limit], "next": found[limit - 1]["id"] if len(found) > limit else None}


@router.get("/keys/{key_id}", response_model=Key)
async def read_key(key_id: UUID, caller: Known, rows: Rows, response: Response) -> dict[str, Any]:
    """One key, with its ETag."""
    async with _seen_by(rows, caller) as tx:
        row = await _key(tx, key_id)
    response.headers["ETag"] = etag(row["version"])
    return row


@router.patch("/keys/{key_id}", response_model=Key)
async def change_key(
    key_id: UUID,
    body: KeyChange,
    caller: SignedIn,
    rows: Rows,
    tools: SignInTools,
    version: NeededMatch,
    response: Response,
) -> dict[str, Any]:
    """Rename a key or move its end. Needs If-Match."""
    async with _seen_by(rows, caller) as tx:
        before = await _key(tx, key_id)
        check_version(version, before["version"])
        if before["revoked_at"] is not None:
            raise Problem(409, "too_late", "The key is revoked.", state="revoked")
        wanted = {"name": before["name"], "expires_at": before["expires_at"]} | body.model_dump(exclude_unset=True)
        row = await tx.row(keys.CHANGE, {"id": key_id, **wanted, "name": wanted["name"] or before["name"]}) or before
    tools.keys.forget(key_id)
    response.headers["ETag"] = etag(row["version"])
    return row


@router.delete("/keys/{key_id}", status_code=204)
async def revoke_key(key_id: UUID, caller: SignedIn, rows: Rows, tools: SignInTools) -> Response:
    """Revoke a key, at once here and within seconds on other gateways. Revoking again changes nothing."""
    async with _seen_by(rows, caller) as tx:
        await _key(tx, key_id)
        await tx.execute(keys.REVOKE, {"id": key_id})
    tools.keys.forget(key_id)
    return Response(status_code=204)


async def _key(tx: Transaction, key_id: UUID) -> dict[str, Any]:
    row = await tx.row(keys.ONE, {"id": key_id})
    if row is None:
        raise Problem(404, "not_found")
    return row


@router.post("/people/{person_id}/invitations", status_code=201, response_model=Invitation)
async def invite(person_id: UUID, caller: SignedIn, rows: Rows, request: Request) -> dict[str, Any]:
    """A token with which a person sets a name and a password; also when they have forgotten theirs."""
    async with rows.begin() as tx:
        days = request.app.state.service.settings.invitation_days
        return await accounts.invite(tx, caller, person_id, days)


@router.post("/administrators", status_code=201, response_model=Invitation)
async def add_administrator(body: AdministratorIn, caller: SignedIn, rows: Rows, request: Request) -> dict[str, Any]:
    """A new administrator of the group, and the invitation to hand to them."""
    async with rows.begin() as tx:
        days = request.app.state.service.settings.invitation_days
        invitation = await accounts.add_administrator(tx, body.given_name, body.family_name, days)
    caller.trail.subject["person_id"] = str(invitation["person_id"])
    return invitation


@router.get("/administrators", response_model=AdministratorPage)
async def administrators(_: Known, rows: Rows, after: UUID | None = None, limit: Limit = 50) -> dict[str, Any]:
    """Who administers the group."""
    async with rows.begin() as tx:
        found = await tx.rows(accounts.ADMINISTRATORS, {"after": after, "limit": limit + 1})
    return {"items": found[:limit], "next": found[limit - 1]["person_id"] if len(found) > limit else None}


@router.delete("/administrators/{person_id}", status_code=204)
async def remove_administrator(person_id: UUID, caller: SignedIn, rows: Rows) -> Response:
    """Take the group's administration from somebody, never from oneself; their session ends at its next renewal."""
    if person_id == caller.person:
        raise Problem(409, "conflict", "Nobody removes themselves: another administrator can.")
    async with rows.begin() as tx:
        if await tx.row(accounts.REMOVE_ADMINISTRATOR, {"person": person_id}) is None:
            raise Problem(404, "not_found")
    return Response(status_code=204)


@router.get("/audit", response_model=ActPage)
async def audited(
    caller: Known,
    rows: Rows,
    school: Annotated[str | None, Query(max_length=255)] = None,
    person: UUID | None = None,
    key: UUID | None = None,
    action: Annotated[str | None, Query(max_length=200)] = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
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
    async with _seen_by(rows, caller) as tx:
        found = await audit.page(tx, values)
    return {"items": found[:limit], "next": found[limit - 1]["id"] if len(found) > limit else None}
