"""Routes that read notifications; the gateway calls them with an internal token, for one school."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Query

from notifier.planning.notification_reads import (
    LIST_NOTIFICATIONS,
    READ_NOTIFICATION,
    NotificationPage,
    NotificationRead,
    ReasonCount,
)
from notifier.sending import progress
from shared.events.values import Kind
from shared.http.internal_auth import InternalCaller, internal_caller, transactions
from shared.transactions.unit_of_work import UnitOfWorkFactory

router = APIRouter(prefix="/v1", tags=["notifications"])


@router.get("/notifications/{notification_id}")
async def read_notification(
    notification_id: UUID,
    who: Annotated[InternalCaller, Depends(internal_caller)],
    database: Annotated[UnitOfWorkFactory, Depends(transactions)],
) -> NotificationRead:
    """Read one notification with its counts."""
    async with database.request(who.school) as tx:
        found = await READ_NOTIFICATION.first(tx, id=notification_id)
        if found is None:
            raise HTTPException(404, "no such notification in this school")
        counts, rows = await progress.count_deliveries(tx, notification_id)
    reasons = [ReasonCount(channel=r["channel"], state=r["state"], reason=r["reason"], count=r["n"]) for r in rows]
    return found.model_copy(update={"counts": counts, "reasons": reasons})


@router.get("/notifications")
async def list_notifications(
    who: Annotated[InternalCaller, Depends(internal_caller)],
    database: Annotated[UnitOfWorkFactory, Depends(transactions)],
    kind: Kind | None = None,
    state: Annotated[str | None, Query(max_length=20)] = None,
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> NotificationPage:
    """List the notifications of the school, newest first."""
    async with database.request(who.school) as tx:
        found = await LIST_NOTIFICATIONS.all(tx, kind=kind, state=state, after=after, limit=limit + 1)
    items = found[:limit]
    return NotificationPage(items=items, next=items[-1].notification_id if len(found) > limit else None)
