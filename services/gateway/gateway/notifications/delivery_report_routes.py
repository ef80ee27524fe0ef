"""The people whom a notification reached, and why one person got it or not; answered by the notifier."""

from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter

from gateway.http.dependencies import InSchool, Services
from gateway.http.fields import Limit
from gateway.http.guarded_route import GuardedRoute
from gateway.problems import Problem
from gateway.security.access_control import EVERYBODY, STAFF, allow
from gateway.security.caller import CurrentCaller

router = APIRouter(prefix="/v1/notifications", tags=["notifications"], route_class=GuardedRoute)

OF_OTHERS = frozenset({"requested_by", "same_as", "about"})
"""Fields of a timeline about other people: for staff only."""


@router.get("/{notification_id}/reach", dependencies=[allow(STAFF, scope="notifications:read")])
async def reach(
    notification_id: UUID,
    caller: CurrentCaller,
    owners: Services,
    school: InSchool,
    state: Literal["open", "reached", "missed", "stopped"] | None = None,
    after: UUID | None = None,
    limit: Limit = 100,
) -> Any:
    """List the readers; with escalation also the students for whom no person was reached (`state=missed`)."""
    params = {"limit": limit} | ({"state": state} if state else {}) | ({"after": str(after)} if after else {})
    answer = await owners.get("notifier", f"/v1/notifications/{notification_id}/reach", caller, school, params)
    if answer.status_code == 404:  # noqa: PLR2004
        raise Problem(404, "not_found")
    return answer.json()


@router.get("/{notification_id}/why/{person_id}", dependencies=[allow(EVERYBODY, scope="notifications:read")])
async def why(notification_id: UUID, person_id: UUID, caller: CurrentCaller, owners: Services, school: InSchool) -> Any:
    """Explain why a person got it or not, from the event to the reading. Only staff may ask about other people."""
    if caller.role not in STAFF and caller.person != person_id:
        raise Problem(404, "not_found")
    answer = await owners.get("notifier", f"/v1/notifications/{notification_id}/why/{person_id}", caller, school)
    if answer.status_code == 404:  # noqa: PLR2004
        raise Problem(404, "not_found")
    found = answer.json()
    if caller.role not in STAFF:
        found["timeline"] = [
            {name: value for name, value in moment.items() if name not in OF_OTHERS} for moment in found["timeline"]
        ]
    return found
