"""Registers the devices of many people."""

from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gateway.directory import devices
from gateway.directory.me_routes import DeviceIn
from gateway.http.dependencies import Rows
from gateway.http.fields import ONE_LINE
from gateway.http.guarded_route import GuardedRoute
from gateway.security.access_control import PLATFORM, allow

router = APIRouter(prefix="/v1", tags=["directory"], route_class=GuardedRoute)


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
    """A device and its person."""

    person: Named


class DevicesIn(BaseModel):
    """Up to 1,000 devices."""

    model_config = ConfigDict(extra="forbid")
    devices: list[OwnedDevice] = Field(min_length=1, max_length=1000)


@router.post("/devices:bulk", dependencies=[allow(PLATFORM, scope="devices:write")])
async def register_many(body: DevicesIn, rows: Rows) -> dict[str, int]:
    """Register devices of named people, all or none; 422 lists unknown people."""
    async with rows.begin() as tx:
        wanted = [device.model_dump(exclude={"person"}) for device in body.devices]
        owners = await devices.owners(tx, [(d.person.id, d.person.sourced_id) for d in body.devices])
        return {"registered": await devices.register(tx, owners, wanted)}
