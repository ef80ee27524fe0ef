"""Decisions about notifications that exist: stop, send again; asked by the gateway."""

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException
from psycopg.errors import InsufficientPrivilege
from pydantic import BaseModel

from notifier.planning import cancel, resend
from shared.http.internal_auth import Asked, asked, transactions
from shared.http.preconditions import Declined
from shared.transactions.unit_of_work import Transactions

router = APIRouter(prefix="/v1", tags=["decisions"])

Who = Annotated[Asked, Depends(asked)]
Rows = Annotated[Transactions, Depends(transactions)]
LOOKS, LOOK_SECONDS = 20, 0.1
"""A change of the directory is here within milliseconds; when the log is behind, it is better asked for again."""
CAUGHT_UP = """
SELECT 1 FROM directory_seen WHERE school_id = %(school)s AND versions @> int8range(1, %(version)s, '[]')
"""
REFUSALS = {
    "expired": ("too_late", "It has expired; what is over is not sent again."),
    "corrected": ("too_late", "Its record was corrected since; what it says is not true any more."),
    "not_ended": ("conflict", "Only what was sent to its end can be sent again; `state` says how this one stands."),
    "nobody_failed": ("conflict", "There is nobody whom it failed to reach."),
}


class Cancelled(BaseModel):
    """What a stop came to; `cancelled` deliveries will not be made, what was being sent ends by its outcome."""

    notification_id: UUID
    state: str
    cancelled: int


class ResendIn(BaseModel):
    """The task of the new round; `unknown`: those as well of whom the provider never said anything.

    `directory_version` is the school's when it was asked for: the new addresses have to be here.
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
async def cancel_notification(notification_id: UUID, who: Who, database: Rows) -> Cancelled:
    """Stop it. 409 `too_late` when it has ended; an id that is not known yet is stopped before it begins."""
    try:
        async with database.request(who.school) as tx:
            found = await cancel.cancel(tx, notification_id, who.school)
    except InsufficientPrivilege as foreign:
        # Another school's id meets ours in the conflict, where row-level security can only raise.
        raise Declined(404, "not_found") from foreign
    if found["state"] == "unknown":
        raise Declined(404, "not_found")
    if not found["stopped"]:
        raise Declined(409, "too_late", "It has ended already.", state=found["state"])
    return Cancelled(notification_id=notification_id, state=found["state"], cancelled=found["cancelled"])


@router.post("/notifications/{notification_id}/resend", status_code=202)
async def resend_notification(notification_id: UUID, body: ResendIn, who: Who, database: Rows) -> Resent:
    """Send it once more to those whom it failed to reach. The same task asked for again changes nothing."""
    await _caught_up(database, who.school, body.directory_version)
    async with database.request(who.school) as tx:
        found = await resend.resend(tx, notification_id, body.task_id, silent=body.unknown)
    if found is None:
        raise Declined(404, "not_found")
    if "refused" in found:
        code, message = REFUSALS[found["refused"]]
        raise Declined(409, code, message, state=found["state"])
    return Resent(notification_id=notification_id, **found)


async def _caught_up(database: Transactions, school: UUID, version: int) -> None:
    for _ in range(LOOKS):
        async with database.begin() as tx:
            if version == 0 or await tx.row(CAUGHT_UP, {"school": school, "version": version}) is not None:
                return
        await asyncio.sleep(LOOK_SECONDS)
    raise HTTPException(503, "the directory has not come this far yet", {"Retry-After": "5"})
