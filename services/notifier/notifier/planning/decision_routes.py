"""Routes of decisions about a notification that exists: cancel it, send it again. The gateway calls them."""

import asyncio
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException
from psycopg.errors import InsufficientPrivilege
from pydantic import BaseModel

from notifier.planning.cancellation import cancel_notification, count_stopped
from notifier.planning.resend import resend
from shared.http.internal_auth import InternalCaller, internal_caller, transactions
from shared.http.preconditions import DecisionRefused
from shared.transactions.unit_of_work import UnitOfWorkFactory

router = APIRouter(prefix="/v1", tags=["decisions"])

Who = Annotated[InternalCaller, Depends(internal_caller)]
Rows = Annotated[UnitOfWorkFactory, Depends(transactions)]
CHECKS, CHECK_SECONDS = 20, 0.1
"""A change of the directory arrives within milliseconds; if the log is behind, the client should try again later."""

# Find out whether a school's directory is complete up to a version.
SELECT_CAUGHT_UP = """
SELECT 1 FROM directory_seen WHERE school_id = %(school)s AND versions @> int8range(1, %(version)s, '[]')
"""
REFUSALS = {
    "expired": ("too_late", "The notification has expired; it cannot be sent again."),
    "corrected": ("too_late", "The record was corrected since; this notification is out of date."),
    "not_ended": ("conflict", "Only a completed notification can be sent again; `state` is its present state."),
    "nobody_failed": ("conflict", "The notification failed to reach no one."),
}


class Cancelled(BaseModel):
    """The result of a cancel: `cancelled` deliveries will not be made; one under way ends by its outcome."""

    notification_id: UUID
    state: str
    cancelled: int


class ResendIn(BaseModel):
    """The task of the new round; `unknown` includes deliveries that the provider never answered.

    `directory_version` is the school's at the request: the new addresses must have arrived.
    """

    task_id: UUID
    unknown: bool = False
    directory_version: int = 0


class Resent(BaseModel):
    """The new round; `planned` counts its deliveries, suppressed ones included."""

    notification_id: UUID
    task_id: UUID
    round: int
    planned: int
    repeated: bool


@router.post("/notifications/{notification_id}/cancel")
async def cancel(notification_id: UUID, who: Who, database: Rows) -> Cancelled:
    """Cancel a notification; an unknown id is cancelled before it arrives.

    409 `too_late` when nothing was stopped: it has ended, or every delivery was under way.
    """
    try:
        async with database.request(who.school) as tx:
            found = await cancel_notification(tx, notification_id, who.school)
    except InsufficientPrivilege as foreign:
        # The id belongs to another school: row-level security can only raise in ON CONFLICT.
        raise DecisionRefused(404, "not_found") from foreign
    if found["state"] == "unknown":
        raise DecisionRefused(404, "not_found")
    if found["stopped"] and not found["cancelled"]:
        found |= await _outcome(database, who, notification_id)
    if not found["stopped"]:
        raise DecisionRefused(409, "too_late", "Nothing of the notification could be stopped.", state=found["state"])
    return Cancelled(notification_id=notification_id, state=found["state"], cancelled=found["cancelled"])


async def _outcome(database: UnitOfWorkFactory, who: InternalCaller, notification_id: UUID) -> dict[str, Any]:
    """Wait for the deliveries under way: the worker that has them stops those that it has not begun."""
    for _ in range(CHECKS):
        async with database.request(who.school) as tx:
            found = await count_stopped(tx, notification_id)
        if found is not None:
            return found | {"stopped": found["state"] == "cancelled"}
        await asyncio.sleep(CHECK_SECONDS)
    return {"state": "sending", "stopped": False}


@router.post("/notifications/{notification_id}/resend", status_code=202)
async def resend_failed(notification_id: UUID, body: ResendIn, who: Who, database: Rows) -> Resent:
    """Send a notification again to the people whom it failed to reach. A repeat with the same task changes nothing."""
    await _wait_for_directory(database, who.school, body.directory_version)
    async with database.request(who.school) as tx:
        found = await resend(tx, notification_id, body.task_id, include_unknown=body.unknown)
    if found is None:
        raise DecisionRefused(404, "not_found")
    if "refused" in found:
        code, message = REFUSALS[found["refused"]]
        raise DecisionRefused(409, code, message, state=found["state"])
    return Resent(notification_id=notification_id, **found)


async def _wait_for_directory(database: UnitOfWorkFactory, school: UUID, version: int) -> None:
    for _ in range(CHECKS):
        async with database.begin() as tx:
            if version == 0 or await tx.row(SELECT_CAUGHT_UP, {"school": school, "version": version}) is not None:
                return
        await asyncio.sleep(CHECK_SECONDS)
    raise HTTPException(503, "the directory is not complete up to this version yet", {"Retry-After": "5"})
