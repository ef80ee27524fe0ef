"""Routes of suppressions: addresses and people that a school does not write to. The gateway calls them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from notifier.settings import Settings
from notifier.suppressions import suppressions
from notifier.suppressions.reads import LIST_SUPPRESSIONS, SuppressionPage, SuppressionRead
from shared.http.fields import MailAddress, ReportDetail, ReportedReason, SuppressionReason
from shared.http.internal_auth import InternalCaller, internal_caller, transactions
from shared.http.preconditions import DecisionRefused
from shared.http.provided import Provided
from shared.transactions.unit_of_work import UnitOfWorkFactory

router = APIRouter(prefix="/v1", tags=["decisions"])

Who = Annotated[InternalCaller, Depends(internal_caller)]
Rows = Annotated[UnitOfWorkFactory, Depends(transactions)]
Configured = Annotated[Settings, Depends(Provided(Settings))]


class SuppressionIn(BaseModel):
    """An address that a provider or a person reports."""

    address: MailAddress
    reason: ReportedReason
    detail: ReportDetail | None = None


class UnsubscribeIn(BaseModel):
    """The last part of a one-click link (RFC 8058)."""

    token: Annotated[str, Field(max_length=400)]


@router.get("/suppressions")
async def list_suppressions(
    who: Who,
    database: Rows,
    reason: SuppressionReason | None = None,
    after: int | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    *,
    lifted: bool = False,
) -> SuppressionPage:
    """List what is suppressed; `lifted` includes suppressions that were lifted."""
    in_force = None if lifted else True
    async with database.request(who.school) as tx:
        found = await LIST_SUPPRESSIONS.all(tx, in_force=in_force, reason=reason, after=after, limit=limit + 1)
    items = found[:limit]
    return SuppressionPage(items=items, next=items[-1].suppression_id if len(found) > limit else None)


@router.post("/suppressions", status_code=201)
async def suppress(body: SuppressionIn, who: Who, database: Rows) -> SuppressionRead:
    """Suppress an address: it bounced elsewhere, or its reader complained."""
    async with database.request(who.school) as tx:
        row = await suppressions.suppress(
            tx, who.school, body.address.lower(), body.reason, detail=body.detail or "reported"
        )
    return SuppressionRead(**row)


@router.delete("/suppressions/{suppression_id}", status_code=204)
async def lift(suppression_id: int, who: Who, database: Rows) -> None:
    """Lift a suppression: the school may write there again."""
    async with database.request(who.school) as tx:
        row = await tx.row(suppressions.LIFT_SUPPRESSION, {"id": suppression_id, "person": who.person})
    if row is None:
        raise DecisionRefused(404, "not_found")


@router.post("/unsubscribe", status_code=204)
async def unsubscribe(body: UnsubscribeIn, who: Who, database: Rows, settings: Configured) -> None:
    """Apply a one-click link. 404 for a link that is not ours."""
    links = suppressions.unsubscribe_links(settings)
    async with database.request(who.school) as tx:
        if not await suppressions.unsubscribe(tx, links, who.school, body.token):
            raise DecisionRefused(404, "not_found")
