"""`/v1/schools`, `/v1/people`, devices and roster imports."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gateway import devices
from gateway.api.deps import Rows, school_of
from gateway.auth import Known
from gateway.commands import request_import
from gateway.problems import Problem
from shared.events.directory import Role

router = APIRouter(prefix="/v1", tags=["directory"])

SCHOOLS = """
SELECT school_id AS id, sourced_id, name, timezone, language, active, directory_version FROM school
WHERE (%(school)s::uuid IS NULL OR school_id = %(school)s) AND (%(sourced)s::text IS NULL OR sourced_id = %(sourced)s)
  AND (%(after)s::uuid IS NULL OR school_id > %(after)s)
ORDER BY school_id LIMIT %(limit)s
"""
PEOPLE = """
SELECT p.person_id AS id, p.sourced_id, p.given_name, p.family_name, p.active,
    (SELECT jsonb_agg(jsonb_build_object('school_id', m.school_id, 'role', m.role, 'grade', m.grade))
       FROM membership m WHERE m.person_id = p.person_id) AS memberships
FROM person p
WHERE (%(sourced)s::text IS NULL OR p.sourced_id = %(sourced)s)
  AND (%(after)s::uuid IS NULL OR p.person_id > %(after)s)
  AND (%(school)s::uuid IS NULL OR EXISTS (
      SELECT FROM membership m WHERE m.person_id = p.person_id AND m.school_id = %(school)s
        AND (%(role)s::text IS NULL OR m.role = %(role)s) AND (%(grade)s::text IS NULL OR m.grade = %(grade)s)))
ORDER BY p.person_id LIMIT %(limit)s
"""
REJECTED = """
SELECT number, file, line, "column", reason, scope FROM import_rejection
WHERE task_id = %(task)s AND number > %(after)s ORDER BY number LIMIT %(limit)s
"""
Limit = Annotated[int, Query(ge=1, le=200)]


class Named(BaseModel):
    """A person by our id or by the roster's."""

    model_config = ConfigDict(extra="forbid")
    id: UUID | None = None
    sourced_id: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None

    @model_validator(mode="after")
    def one_of_them(self) -> Self:
        """Both or none would be a guess."""
        if (self.id is None) == (self.sourced_id is None):
            msg = "name exactly one of id and sourced_id"
            raise ValueError(msg)
        return self


class DeviceIn(BaseModel):
    """An app installation; a token belongs to whoever registered it last."""

    model_config = ConfigDict(extra="forbid")
    token: Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[\x21-\x7e]+$")]
    fid: Annotated[str, StringConstraints(max_length=255)] | None = None
    platform: Literal["android", "ios", "web"]


class OwnedDevice(DeviceIn):
    """A device and whose it is."""

    person: Named


class DevicesIn(BaseModel):
    """Up to 1,000 devices."""

    model_config = ConfigDict(extra="forbid")
    devices: list[OwnedDevice] = Field(min_length=1, max_length=1000)


@router.get("/schools")
async def schools(
    caller: Known, rows: Rows, sourced_id: str | None = None, after: UUID | None = None, limit: Limit = 50
) -> dict[str, Any]:
    """Schools that the caller may see."""
    opened = rows.begin() if caller.everywhere else rows.request(caller.school)
    async with opened as tx:
        found = await tx.rows(
            SCHOOLS, {"school": caller.school, "sourced": sourced_id, "after": after, "limit": limit + 1}
        )
    return {"items": found[:limit], "next": found[limit - 1]["id"] if len(found) > limit else None}


@router.get("/people")
async def people(
    caller: Known,
    rows: Rows,
    school: str | None = None,
    sourced_id: str | None = None,
    role: Role | None = None,
    grade: str | None = None,
    after: UUID | None = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """People of a school; administrators of the group may leave the school out to look one up by `sourced_id`."""
    values = {"sourced": sourced_id, "role": role, "grade": grade, "after": after, "limit": limit + 1, "school": None}
    if caller.everywhere and school is None and sourced_id is not None:
        opened = rows.begin()
    else:
        where = await school_of(rows, caller, school)
        opened = rows.request(where)
        values["school"] = where
    async with opened as tx:
        found = await tx.rows(PEOPLE, values)
    return {"items": found[:limit], "next": found[limit - 1]["id"] if len(found) > limit else None}


@router.post("/devices:bulk")
async def register_many(body: DevicesIn, _: Known, rows: Rows) -> dict[str, int]:
    """Register devices of named people; 422 lists everybody who is unknown, and then nothing was done."""
    async with rows.begin() as tx:
        wanted = [device.model_dump(exclude={"person"}) for device in body.devices]
        owners = await devices.owners(tx, [(d.person.id, d.person.sourced_id) for d in body.devices])
        return {"registered": await devices.register(tx, owners, wanted)}


@router.put("/me/devices")
async def register_mine(body: DeviceIn, caller: Known, rows: Rows) -> dict[str, int]:
    """Register one device of the caller's own."""
    if caller.person is None:
        raise Problem(403, "forbidden", "This token belongs to no person.")
    async with rows.begin() as tx:
        owners = await devices.owners(tx, [(caller.person, None)])
        return {"registered": await devices.register(tx, owners, [body.model_dump()])}


@router.post("/imports/oneroster", status_code=202)
async def import_roster(request: Request, response: Response, caller: Known, rows: Rows) -> dict[str, str]:
    """Import a OneRoster 1.1 or 1.2 CSV zip, given as the body."""
    limit = request.app.state.service.settings.import_limit_bytes
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > limit:
            raise Problem(413, "too_large", f"At most {limit} bytes.")
    if not content:
        raise Problem(422, "roster_refused", "The body is empty; it must be a zip.")
    async with rows.begin() as tx:
        task = await request_import(tx, caller, bytes(content))
    response.headers["Location"] = f"/v1/tasks/{task}"
    return {"task_id": str(task), "state": "accepted"}


@router.get("/imports/{task_id}/rejected")
async def rejected(
    task_id: UUID, _: Known, rows: Rows, after: Annotated[int, Query(ge=0)] = 0, limit: Limit = 50
) -> dict[str, Any]:
    """Rows that an import could not use: file, line, column and reason."""
    async with rows.begin() as tx:
        found = await tx.rows(REJECTED, {"task": task_id, "after": after, "limit": limit + 1})
    return {"items": found[:limit], "next": found[limit - 1]["number"] if len(found) > limit else None}
