"""`/v1/keys`: API keys for programs."""

import datetime as dt
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from uuid_utils.compat import uuid7

from gateway.accounts import api_keys
from gateway.accounts.dependencies import ApiKeys
from gateway.accounts.reads import LIST_KEYS, READ_KEY, Key, KeyPage, NewKey
from gateway.http.dependencies import Configured, Rows, one_school, school_of, seen_by
from gateway.http.fields import Label, Limit, Wanted
from gateway.http.guarded_route import GuardedRoute
from gateway.http.json_types import Instant
from gateway.problems import Problem
from gateway.security.access_control import ADMINS, SCOPES, allow
from gateway.security.audit import Audited
from gateway.security.caller import CurrentCaller, require_fresh
from gateway.settings import Settings
from shared.http.preconditions import RequiredMatch, check_version, etag
from shared.transactions.unit_of_work import UnitOfWork

router = APIRouter(prefix="/v1", tags=["access"], route_class=GuardedRoute)

Scope = Literal[SCOPES]  # type: ignore[valid-type]


class KeyIn(BaseModel):
    """A key for a program: its scopes, its role, its school, and when it expires."""

    model_config = ConfigDict(extra="forbid")
    name: Label
    role: Literal["platform_admin", "school_admin", "staff"] = "staff"
    scopes: list[Scope] = Field(min_length=1, max_length=100)
    school: Annotated[str, StringConstraints(max_length=255, pattern=r"^[^\x00]*$")] | None = None
    expires_at: Instant | None = None


class KeyChange(BaseModel):
    """The fields of a key that can be changed; a field that is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")
    name: Label | None = None
    expires_at: Instant | None = None


@router.post("/keys", status_code=201, dependencies=[allow(ADMINS)])
async def add_key(
    body: KeyIn,
    caller: CurrentCaller,
    rows: Rows,
    audited: Audited,
    settings: Configured,
    response: Response,
    school: Wanted = None,
) -> NewKey:
    """Make a key. It can do no more than its maker, and ends when its maker leaves; without an end, after a year.

    Needs a sign-in of the last minutes.
    """
    require_fresh(caller, settings.fresh_minutes)
    if api_keys.over(body.expires_at):
        raise Problem(422, "invalid", errors=[{"loc": ["body", "expires_at"], "code": "past", "message": "is over"}])
    named = one_school(body.school, school)
    if body.role == "platform_admin":
        if not caller.everywhere or named is not None:
            raise Problem(403, "forbidden", "Only an administrator of the group may create a key without a school.")
        where = None
    else:
        audited.school = where = await school_of(rows, caller, named)
    values = body.model_dump(exclude={"school"}) | {"id": uuid7(), "school": where, "by": caller.person}
    values["expires_at"] = values["expires_at"] or _default_end(settings)
    async with rows.begin() as tx:
        await _school_there(tx, where)
        secret = await api_keys.add(tx, values)
        made = await _key(tx, values["id"])
    audited.subject["key_id"] = str(made.id)
    response.headers["Location"] = f"/v1/keys/{made.id}"
    response.headers["ETag"] = etag(made.version)
    return NewKey(**made.model_dump(), secret=secret)


def _default_end(settings: Settings) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(days=settings.key_days)


async def _school_there(tx: UnitOfWork, school: UUID | None) -> None:
    if school is not None and await tx.row("SELECT FROM school WHERE school_id = %(s)s", {"s": school}) is None:
        raise Problem(404, "unknown_school")


@router.get("/keys", dependencies=[allow(ADMINS, scope="keys:read")])
async def list_keys(
    caller: CurrentCaller,
    rows: Rows,
    school: Wanted = None,
    *,
    usable: bool = False,
    after: UUID | None = None,
    limit: Limit = 50,
) -> KeyPage:
    """Keys of the caller's school; administrators of the group name one, or see all. `usable`: not revoked or over."""
    where = caller.school if school is None else await school_of(rows, caller, school)
    async with seen_by(rows, caller) as tx:
        found = await LIST_KEYS.all(tx, school=where, usable=usable or None, after=after, limit=limit + 1)
    items = found[:limit]
    return KeyPage(items=items, next=items[-1].id if len(found) > limit else None)


@router.get("/keys/{key_id}", dependencies=[allow(ADMINS, scope="keys:read")])
async def read_key(key_id: UUID, caller: CurrentCaller, rows: Rows, response: Response) -> Key:
    """One key, with its ETag."""
    async with seen_by(rows, caller) as tx:
        found = await _key(tx, key_id)
    response.headers["ETag"] = etag(found.version)
    return found


@router.patch("/keys/{key_id}", dependencies=[allow(ADMINS)])
async def change_key(
    key_id: UUID,
    body: KeyChange,
    caller: CurrentCaller,
    rows: Rows,
    keys: ApiKeys,
    version: RequiredMatch,
    settings: Configured,
    response: Response,
) -> Key:
    """Rename a key or move its end; an end of null is a year from now. Needs If-Match."""
    require_fresh(caller, settings.fresh_minutes)
    async with seen_by(rows, caller) as tx:
        before = await _key(tx, key_id)
        check_version(version, before.version)
        if before.revoked_at is not None:
            raise Problem(409, "too_late", "The key is revoked.", state="revoked")
        wanted = {"name": before.name, "expires_at": before.expires_at} | body.model_dump(exclude_unset=True)
        wanted["expires_at"] = wanted["expires_at"] or _default_end(settings)
        await tx.execute(api_keys.UPDATE_KEY, {"id": key_id, **wanted, "name": wanted["name"] or before.name})
        changed = await _key(tx, key_id)
    keys.forget(key_id)
    response.headers["ETag"] = etag(changed.version)
    return changed


@router.delete("/keys/{key_id}", status_code=204, dependencies=[allow(ADMINS)])
async def revoke_key(key_id: UUID, caller: CurrentCaller, rows: Rows, keys: ApiKeys) -> Response:
    """Revoke a key, at once here and within seconds on other gateways. Revoking again changes nothing."""
    async with seen_by(rows, caller) as tx:
        await _key(tx, key_id)
        await tx.execute(api_keys.REVOKE_KEY, {"id": key_id})
    keys.forget(key_id)
    return Response(status_code=204)


async def _key(tx: UnitOfWork, key_id: UUID) -> Key:
    found = await READ_KEY.first(tx, id=key_id)
    if found is None:
        raise Problem(404, "not_found")
    return found
