"""`/v1/me/inbox`: the caller's notifications and their read marks; the notifier owns them."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from gateway.http.dependencies import InSchool, Services
from gateway.http.fields import MOST, After, Limit, Strict
from gateway.http.guarded_route import GuardedRoute
from gateway.http.json_types import WHOLE
from gateway.problems import Problem
from gateway.security.access_control import EVERYBODY, allow
from gateway.security.caller import Caller, CurrentCaller

router = APIRouter(prefix="/v1/me/inbox", tags=["me"], route_class=GuardedRoute)


class ReadAllIn(Strict):
    """The newest item that the app has shown; without it, everything is read."""

    up_to: Annotated[int, Field(ge=1, le=MOST), WHOLE] | None = None


@router.get("", dependencies=[allow(EVERYBODY)])
async def my_inbox(
    caller: CurrentCaller,
    owners: Services,
    school: InSchool,
    *,
    after: After = None,
    limit: Limit = 50,
    unread: bool = False,
) -> Any:
    """List the caller's notifications of this school, newest first; pass `next` as `after` to go on."""
    _person(caller)
    params = {"limit": limit, "unread": unread} | ({"after": after} if after else {})
    return (await owners.get("notifier", "/v1/inbox", caller, school, params)).json()


@router.get("/unread", dependencies=[allow(EVERYBODY)])
async def unread(caller: CurrentCaller, owners: Services, school: InSchool) -> Any:
    """Return the number of unread items."""
    _person(caller)
    return (await owners.get("notifier", "/v1/inbox/unread", caller, school)).json()


@router.post("/read", dependencies=[allow(EVERYBODY, audited=False)])
async def read_all(body: ReadAllIn, caller: CurrentCaller, owners: Services, school: InSchool) -> Response:
    """Mark everything read up to an item; return the number of unread items."""
    _person(caller)
    return await owners.send_command("notifier", "POST", "/v1/inbox/read", caller, school, body.model_dump())


@router.post("/{notification_id}/read", dependencies=[allow(EVERYBODY, audited=False)])
async def read_one(notification_id: UUID, caller: CurrentCaller, owners: Services, school: InSchool) -> Response:
    """Mark one item read."""
    _person(caller)
    return await owners.send_command("notifier", "POST", f"/v1/inbox/{notification_id}/read", caller, school)


@router.post("/{notification_id}/acknowledge", dependencies=[allow(EVERYBODY, audited=False)])
async def acknowledge(notification_id: UUID, caller: CurrentCaller, owners: Services, school: InSchool) -> Response:
    """Acknowledge one item; this also marks it read."""
    _person(caller)
    return await owners.send_command("notifier", "POST", f"/v1/inbox/{notification_id}/acknowledge", caller, school)


def _person(caller: Caller) -> None:
    if caller.person is None:
        raise Problem(404, "not_found", "This token does not belong to a person. Only people have inboxes.")
