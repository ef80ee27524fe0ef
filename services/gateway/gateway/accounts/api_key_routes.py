"""`/v1/keys`: API keys for programs."""

import datetime as dt
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from uuid_utils.compat import uuid7

from gateway.accounts import api_keys
from gateway.http.dependencies import Rows, SignInTools, school_of, seen_by
from gateway.http.fields import Label, Limit, Wanted
from gateway.http.json_types import Instant
from gateway.problems import Problem
from gateway.security.access_control import SCOPES, Known, SignedIn
from shared.http.preconditions import NeededMatch, check_version, etag
from shared.transactions.unit_of_work import Transaction

router = APIRouter(prefix="/v1", tags=["access"])

Scope = Literal[SCOPES]  # type: ignore[valid-type]


class KeyIn(BaseModel):
    """A key for a program: what it may do (`scopes`), as whom (`role`), at which school, until when."""

    model_config = ConfigDict(extra="forbid")
    name: Label
    role: Literal["platform_admin", "school_admin", "staff"] = "staff"
    scopes: list[Scope] = Field(min_length=1, max_length=100)
    school: Annotated[str, StringConstraints(max_length=255, pattern=r"^[^\x00]*$")] | None = None
    expires_at: Instant | None = None


class KeyChange(BaseModel):
    """What can be changed of a key; what is left out stays."""

    model_config = ConfigDict(extra="forbid")
    name: Label | None = None
    expires_at: Instant | None = None


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


@router.post("/keys", status_code=201, response_model=NewKey)
async def add_key(body: KeyIn, caller: SignedIn, rows: Rows, response: Response) -> dict[str, Any]:
    """Make a key. It can do no more than its maker."""
    if api_keys.over(body.expires_at):
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
        secret, row = await api_keys.add(tx, values)
    caller.trail.subject["key_id"] = str(row["id"])
    response.headers["Location"] = f"/v1/keys/{row['id']}"
    response.headers["ETag"] = etag(row["version"])
    return row | {"secret": secret}


async def _school_there(tx: Transaction, school: UUID | None) -> None:
    if school is not None and await tx.row("SELECT FROM school WHERE school_id = %(s)s", {"s": school}) is None:
        raise Problem(404, "unknown_school")


@router.get("/keys", response_model=KeyPage)
async def list_keys(
    caller: Known,
    rows: Rows,
    school: Wanted = None,
    *,
    usable: bool = False,
    after: UUID | None = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """Keys of the caller's school; administrators of the group name one, or see all. `usable`: not revoked or over."""
    where = caller.school if school is None else await school_of(rows, caller, school)
    values = {"school": where, "usable": usable, "after": after, "limit": limit + 1}
    async with seen_by(rows, caller) as tx:
        found = await tx.rows(api_keys.PAGE, values)
    return {"items": found[:limit], "next": found[limit - 1]["id"] if len(found) > limit else None}


@router.get("/keys/{key_id}", response_model=Key)
async def read_key(key_id: UUID, caller: Known, rows: Rows, response: Response) -> dict[str, Any]:
    """One key, with its ETag."""
    async with seen_by(rows, caller) as tx:
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
    async with seen_by(rows, caller) as tx:
        before = await _key(tx, key_id)
        check_version(version, before["version"])
        if before["revoked_at"] is not None:
            raise Problem(409, "too_late", "The key is revoked.", state="revoked")
        wanted = {"name": before["name"], "expires_at": before["expires_at"]} | body.model_dump(exclude_unset=True)
        row = (
            await tx.row(api_keys.CHANGE, {"id": key_id, **wanted, "name": wanted["name"] or before["name"]}) or before
        )
    tools.keys.forget(key_id)
    response.headers["ETag"] = etag(row["version"])
    return row


@router.delete("/keys/{key_id}", status_code=204)
async def revoke_key(key_id: UUID, caller: SignedIn, rows: Rows, tools: SignInTools) -> Response:
    """Revoke a key, at once here and within seconds on other gateways. Revoking again changes nothing."""
    async with seen_by(rows, caller) as tx:
        await _key(tx, key_id)
        await tx.execute(api_keys.REVOKE, {"id": key_id})
    tools.keys.forget(key_id)
    return Response(status_code=204)


async def _key(tx: Transaction, key_id: UUID) -> dict[str, Any]:
    row = await tx.row(api_keys.ONE, {"id": key_id})
    if row is None:
        raise Problem(404, "not_found")
    return row
