"""Decisions about a notification: cancel it, send it again; and suppressed addresses of a school."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from uuid_utils.compat import uuid7

from gateway.http.dependencies import InSchool, Rows, Services, one_school, school_of, seen_by
from gateway.http.fields import After, Key, Limit, Number, SchoolName, Wanted
from gateway.http.guarded_route import GuardedRoute
from gateway.http.idempotency import answered
from gateway.http.json_types import Flag
from gateway.problems import Problem
from gateway.schedules.cancel import cancel_scheduled_send, schedule_of
from gateway.security.access_control import ADMINS, OFFICE, STAFF, allow
from gateway.security.audit import Audited
from gateway.security.caller import Caller, CurrentCaller
from gateway.sends.parent_tasks import stop_other_part
from shared.http.fields import MailAddress, ReportDetail, ReportedReason, SuppressionReason

router = APIRouter(prefix="/v1", tags=["notifications"], route_class=GuardedRoute)

# Select school and requester of a notification.
SELECT_INTENT = """
SELECT i.school_id, t.created_by FROM intent i LEFT JOIN task t USING (task_id) WHERE i.notification_id = %(id)s
"""
# Select the task of a notification that was requested here.
SELECT_TASK = "SELECT task_id FROM intent WHERE notification_id = %(id)s"
# Select the directory version of a school.
SELECT_DIRECTORY_VERSION = "SELECT directory_version FROM school WHERE school_id = %(school)s"
OTHERS = ADMINS | {"staff"}
"""Roles that decide about notifications of other people and of events."""


class ResendIn(BaseModel):
    """`unknown`: also to people for whom the provider gave no answer; they may get it twice."""

    model_config = ConfigDict(extra="forbid")

    unknown: Flag = False


class SuppressionIn(BaseModel):
    """A suppressed address and the reason."""

    model_config = ConfigDict(extra="forbid")

    school: SchoolName | None = None
    address: MailAddress
    reason: ReportedReason
    detail: ReportDetail | None = None


@router.post("/notifications/{notification_id}/cancel", dependencies=[allow(STAFF, scope="notifications:write")])
async def cancel(notification_id: UUID, caller: CurrentCaller, rows: Rows, owners: Services) -> Response:
    """Cancel a notification at any moment: a delivery that is being sent ends by its outcome, all others are cancelled.

    Of a send to a few people first both parts stop, whichever is named; `stopped` is then true where only the other
    one was not too late. 409 `too_late` when it has ended. Stopped twice it is stopped once.
    """
    school = await _whose(notification_id, caller, rows, owners)
    async with rows.request(school) as tx:
        intent = await tx.row(SELECT_TASK, {"id": notification_id})
        other_stops = await stop_other_part(tx, caller, intent["task_id"]) if intent else False
    try:
        schedule = await schedule_of(rows, school, notification_id)
        if schedule is not None:
            return await cancel_scheduled_send(owners, caller, school, schedule, notification_id)
        path = f"/v1/notifications/{notification_id}/cancel"
        return await owners.send_command("notifier", "POST", path, caller, school)
    except Problem as refusal:
        if refusal.code != "too_late" or not other_stops:
            raise
        return JSONResponse({"state": refusal.more.get("state"), "stopped": True, "cancelled": 0})


@router.post(
    "/notifications/{notification_id}/resend", status_code=202, dependencies=[allow(STAFF, scope="notifications:write")]
)
async def resend(
    notification_id: UUID,
    caller: CurrentCaller,
    rows: Rows,
    owners: Services,
    body: ResendIn | None = None,
    idempotency_key: Key = None,
) -> Response:
    """Send a notification again, as a new task, only to people whom it did not reach, at their present addresses.

    The same Idempotency-Key gives the same task, with another body 409 `idempotency_conflict`. 409 `too_late` when it
    has expired, `conflict` while it is still being sent or when no delivery failed.
    """
    school = await _whose(notification_id, caller, rows, owners)
    asked = {"unknown": (body or ResendIn()).unknown}
    answer = {"task_id": str(uuid7())}
    async with rows.request(school) as tx:
        request = [f"notifications/{notification_id}/resend", asked]
        # The owner knows a task that it has opened: a repeat, also of a refused request, names the same task.
        answer = await answered(tx, caller, school, idempotency_key, request, answer) or answer
        found = await tx.row(SELECT_DIRECTORY_VERSION, {"school": school})
    wanted = asked | answer | {"directory_version": found["directory_version"] if found else 0}
    path = f"/v1/notifications/{notification_id}/resend"
    decided = await owners.send_command("notifier", "POST", path, caller, school, wanted)
    decided.headers["Location"] = f"/v1/tasks/{answer['task_id']}"
    return decided


async def _whose(notification_id: UUID, caller: Caller, rows: Rows, owners: Services) -> UUID:
    """Return the school of a notification that the caller may decide about; 404 for another person's.

    A notification that was requested here is known at once; one of an event or a schedule is known to its owner.
    """
    async with seen_by(rows, caller) as tx:
        row = await tx.row(SELECT_INTENT, {"id": notification_id})
    if row is None:
        if caller.school is None:
            raise Problem(404, "not_found")
        found = await owners.get("notifier", f"/v1/notifications/{notification_id}", caller, caller.school)
        if found.status_code == 404:  # noqa: PLR2004
            raise Problem(404, "not_found")
    owner: Any = row["created_by"] if row else None
    if caller.role not in OTHERS and (caller.person is None or owner != caller.person):
        raise Problem(403, "forbidden", "Only administrators and staff may change the notifications of other people.")
    school: UUID | None = row["school_id"] if row else caller.school
    assert school is not None
    return school


@router.get("/suppressions", dependencies=[allow(OFFICE, scope="suppressions:read")])
async def suppressions(
    caller: CurrentCaller,
    rows: Rows,
    owners: Services,
    school: Wanted = None,
    reason: SuppressionReason | None = None,
    after: After = None,
    limit: Limit = 50,
    *,
    lifted: bool = False,
) -> Any:
    """List suppressed addresses of a school, newest first; `lifted` shows also those that are allowed again."""
    where = await school_of(rows, caller, school)
    asked = {"reason": reason, "after": after, "limit": limit, "lifted": lifted}
    params = {name: value for name, value in asked.items() if value is not None}
    return (await owners.get("notifier", "/v1/suppressions", caller, where, params)).json()


@router.post("/suppressions", status_code=201, dependencies=[allow(OFFICE, scope="suppressions:write")])
async def suppress(
    body: SuppressionIn, caller: CurrentCaller, rows: Rows, owners: Services, audited: Audited, school: Wanted = None
) -> Response:
    """Suppress an address, because it bounced elsewhere or its reader complained."""
    audited.school = where = await school_of(rows, caller, one_school(body.school, school))
    wanted = body.model_dump(exclude={"school"})
    return await owners.send_command("notifier", "POST", "/v1/suppressions", caller, where, wanted)


@router.delete(
    "/suppressions/{suppression_id}", status_code=204, dependencies=[allow(OFFICE, scope="suppressions:write")]
)
async def lift(suppression_id: Number, caller: CurrentCaller, owners: Services, school: InSchool) -> Response:
    """Allow an address again."""
    return await owners.send_command("notifier", "DELETE", f"/v1/suppressions/{suppression_id}", caller, school)
