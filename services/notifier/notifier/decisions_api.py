"""Decisions about notifications that exist, and whom a school no longer writes to; asked by the gateway."""

import asyncio
import datetime as dt
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Query
from psycopg.errors import InsufficientPrivilege
from pydantic import BaseModel, Field, StringConstraints

from notifier import resending, stopping, unsubscribing
from notifier.settings import Settings
from shared.http.internal_auth import Asked, Declined, asked, transactions
from shared.http.provided import Provided
from shared.transactions.unit_of_work import Transactions

router = APIRouter(prefix="/v1", tags=["decisions"])

Who = Annotated[Asked, Depends(asked)]
Rows = Annotated[Transactions, Depends(transactions)]
Configured = Annotated[Settings, Depends(Provided(Settings))]
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


class SuppressionIn(BaseModel):
    """An address that a provider or a person reports."""

    address: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=254)]
    reason: Literal["bounced", "complained"]
    detail: Annotated[str, StringConstraints(max_length=200)] | None = None


class SuppressionRead(BaseModel):
    """`target` is an address or, where somebody unsubscribed, the person; `kind` is '' for every kind."""

    suppression_id: int
    channel: str
    target: str
    kind: str
    reason: str
    detail: str | None
    times: int
    active: bool
    created_at: dt.datetime
    changed_at: dt.datetime


class SuppressionPage(BaseModel):
    """Newest first; ask again with `next` as `after`, it is null on the last page."""

    items: list[SuppressionRead]
    next: int | None


class UnsubscribeIn(BaseModel):
    """The last part of a one-click link (RFC 8058)."""

    token: Annotated[str, Field(max_length=400)]


@router.post("/notifications/{notification_id}/cancel")
async def cancel(notification_id: UUID, who: Who, database: Rows) -> Cancelled:
    """Stop it. 409 `too_late` when it has ended; an id that is not known yet is stopped before it begins."""
    try:
        async with database.request(who.school) as tx:
            found = await stopping.cancel(tx, notification_id, who.school)
    except InsufficientPrivilege as foreign:
        # Another school's id meets ours in the conflict, where row-level security can only raise.
        raise Declined(404, "not_found") from foreign
    if found["state"] == "unknown":
        raise Declined(404, "not_found")
    if not found["stopped"]:
        raise Declined(409, "too_late", "It has ended already.", state=found["state"])
    return Cancelled(notification_id=notification_id, state=found["state"], cancelled=found["cancelled"])


@router.post("/notifications/{notification_id}/resend", status_code=202)
async def resend(notification_id: UUID, body: ResendIn, who: Who, database: Rows) -> Resent:
    """Send it once more to those whom it failed to reach. The same task asked for again changes nothing."""
    await _caught_up(database, who.school, body.directory_version)
    async with database.request(who.school) as tx:
        found = await resending.resend(tx, notification_id, body.task_id, silent=body.unknown)
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


@router.get("/suppressions")
async def suppressions(
    who: Who,
    database: Rows,
    reason: Literal["bounced", "complained", "unsubscribed"] | None = None,
    after: int | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    *,
    lifted: bool = False,
) -> SuppressionPage:
    """Whom the school does not write to; with `lifted` also those it does again."""
    values = {"reason": reason, "after": after, "limit": limit + 1, "lifted": lifted}
    async with database.request(who.school) as tx:
        rows = await tx.rows(unsubscribing.PAGE, values)
    items = [SuppressionRead(**row) for row in rows[:limit]]
    return SuppressionPage(items=items, next=items[-1].suppression_id if len(rows) > limit else None)


@router.post("/suppressions", status_code=201)
async def suppress(body: SuppressionIn, who: Who, database: Rows) -> SuppressionRead:
    """Write to an address no more: it bounced elsewhere, or its reader complained."""
    async with database.request(who.school) as tx:
        row = await unsubscribing.suppress(
            tx, who.school, body.address.lower(), body.reason, detail=body.detail or "reported"
        )
    return SuppressionRead(**row)


@router.delete("/suppressions/{suppression_id}", status_code=204)
async def lift(suppression_id: int, who: Who, database: Rows) -> None:
    """Write there again."""
    async with database.request(who.school) as tx:
        row = await tx.row(unsubscribing.LIFT, {"id": suppression_id, "person": who.person})
    if row is None:
        raise Declined(404, "not_found")


@router.post("/unsubscribe", status_code=204)
async def unsubscribe(body: UnsubscribeIn, who: Who, database: Rows, settings: Configured) -> None:
    """What a one-click link asks for. 404 for a link that is not ours."""
    links = unsubscribing.one_click(settings)
    async with database.request(who.school) as tx:
        if not await unsubscribing.unsubscribe(tx, links, who.school, body.token):
            raise Declined(404, "not_found")
