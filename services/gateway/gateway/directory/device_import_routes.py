"""Devices of many people, and roster imports: what the group's administrators bring in."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gateway.directory import devices
from gateway.directory.me_routes import DeviceIn
from gateway.http.dependencies import Rows
from gateway.http.fields import MOST, ONE_LINE, Key, Limit
from gateway.roster_import import upload as import_upload
from gateway.security.access_control import Known
from gateway.sends.commands import request_import

ZIP = {
    "requestBody": {
        "required": True,
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    }
}

router = APIRouter(prefix="/v1", tags=["directory"])

REJECTED = """
SELECT number, file, line, "column", reason, scope FROM import_rejection
WHERE task_id = %(task)s AND number > %(after)s ORDER BY number LIMIT %(limit)s
"""


class Named(BaseModel):
    """A person by our id or by the roster's."""

    model_config = ConfigDict(extra="forbid")
    id: UUID | None = None
    sourced_id: Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=ONE_LINE)] | None = None

    @model_validator(mode="after")
    def one_of_them(self) -> Self:
        """Both or none would be a guess."""
        if (self.id is None) == (self.sourced_id is None):
            msg = "name exactly one of id and sourced_id"
            raise ValueError(msg)
        return self


class OwnedDevice(DeviceIn):
    """A device and whose it is."""

    person: Named


class DevicesIn(BaseModel):
    """Up to 1,000 devices."""

    model_config = ConfigDict(extra="forbid")
    devices: list[OwnedDevice] = Field(min_length=1, max_length=1000)


@router.post("/devices:bulk")
async def register_many(body: DevicesIn, _: Known, rows: Rows) -> dict[str, int]:
    """Register devices of named people; 422 lists everybody who is unknown, and then nothing was done."""
    async with rows.begin() as tx:
        wanted = [device.model_dump(exclude={"person"}) for device in body.devices]
        owners = await devices.owners(tx, [(d.person.id, d.person.sourced_id) for d in body.devices])
        return {"registered": await devices.register(tx, owners, wanted)}


class ImportAccepted(BaseModel):
    """The roster is safe; `task_id` tells how its import goes on."""

    task_id: UUID
    state: Literal["accepted"]


@router.post("/imports/oneroster", status_code=202, response_model=ImportAccepted, openapi_extra=ZIP)
async def import_roster(
    request: Request,
    response: Response,
    caller: Known,
    rows: Rows,
    idempotency_key: Key = None,
) -> dict[str, Any]:
    """Import a OneRoster 1.1 or 1.2 CSV zip, given as the body."""
    limit = request.app.state.service.settings.import_limit_bytes
    with await import_upload.receive(request.stream(), limit) as upload:
        async with rows.begin() as tx:
            answer = await request_import(tx, caller, upload, idempotency_key)
    response.headers["Location"] = f"/v1/tasks/{answer['task_id']}"
    return answer


@router.get("/imports/{task_id}/rejected")
async def rejected(
    task_id: UUID, _: Known, rows: Rows, after: Annotated[int, Query(ge=0, le=MOST)] = 0, limit: Limit = 50
) -> dict[str, Any]:
    """Rows that an import could not use: file, line, column and reason."""
    async with rows.begin() as tx:
        found = await tx.rows(REJECTED, {"task": task_id, "after": after, "limit": limit + 1})
    return {"items": found[:limit], "next": found[limit - 1]["number"] if len(found) > limit else None}
