"""Devices of many people, and roster imports: what the group's administrators bring in."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gateway.directory import devices
from gateway.directory.device_reads import LIST_REJECTIONS, RejectionPage
from gateway.directory.me_routes import DeviceIn
from gateway.http.dependencies import Configured, Rows
from gateway.http.fields import MOST, ONE_LINE, Key, Limit
from gateway.http.guarded_route import GuardedRoute, UploadRoute
from gateway.roster_import import upload as import_upload
from gateway.roster_import.job import request_import
from gateway.security.access_control import PLATFORM, allow
from gateway.security.caller import CurrentCaller

ZIP = {
    "requestBody": {
        "required": True,
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    }
}

router = APIRouter(prefix="/v1", tags=["directory"], route_class=GuardedRoute)

uploads = APIRouter(prefix="/v1", tags=["directory"], route_class=UploadRoute)


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


@router.post("/devices:bulk", dependencies=[allow(PLATFORM, scope="devices:write")])
async def register_many(body: DevicesIn, rows: Rows) -> dict[str, int]:
    """Register devices of named people; 422 lists everybody who is unknown, and then nothing was done."""
    async with rows.begin() as tx:
        wanted = [device.model_dump(exclude={"person"}) for device in body.devices]
        owners = await devices.owners(tx, [(d.person.id, d.person.sourced_id) for d in body.devices])
        return {"registered": await devices.register(tx, owners, wanted)}


class ImportAccepted(BaseModel):
    """The roster is safe; `task_id` tells how its import goes on."""

    task_id: UUID
    state: Literal["accepted"]


@uploads.post(
    "/imports/oneroster",
    status_code=202,
    response_model=ImportAccepted,
    openapi_extra=ZIP,
    dependencies=[allow(PLATFORM, scope="imports:write")],
)
async def import_roster(
    request: Request,
    response: Response,
    caller: CurrentCaller,
    rows: Rows,
    settings: Configured,
    idempotency_key: Key = None,
) -> dict[str, Any]:
    """Import a OneRoster 1.1 or 1.2 CSV zip, given as the body."""
    with await import_upload.receive(request.stream(), settings.import_limit_bytes) as upload:
        async with rows.begin() as tx:
            answer = await request_import(tx, caller, upload, idempotency_key)
    response.headers["Location"] = f"/v1/tasks/{answer['task_id']}"
    return answer


@router.get("/imports/{task_id}/rejected", dependencies=[allow(PLATFORM, scope="imports:read")])
async def rejected(
    task_id: UUID, rows: Rows, after: Annotated[int, Query(ge=0, le=MOST)] = 0, limit: Limit = 50
) -> RejectionPage:
    """Rows that an import could not use: file, line, column and reason."""
    async with rows.begin() as tx:
        found = await LIST_REJECTIONS.all(tx, task=task_id, after=after, limit=limit + 1)
    items = found[:limit]
    return RejectionPage(items=items, next=items[-1].number if len(found) > limit else None)
