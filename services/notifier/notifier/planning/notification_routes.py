"""Routes that read notifications; the gateway calls them with an internal token, for one school."""

import datetime as dt
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel

from notifier.sending import progress
from shared.events.values import Kind
from shared.http.internal_auth import Asked, asked, transactions
from shared.transactions.unit_of_work import Transactions

router = APIRouter(prefix="/v1", tags=["notifications"])

# Read one notification.
SELECT_NOTIFICATION = """
SELECT notification_id, task_id, school_id, kind, state, urgent, channels, title, planned, outstanding,
       requested_at, expires_at, completed_at, error
FROM notification WHERE notification_id = %(id)s
"""

# Read a page of a school's notifications, newest first.
SELECT_NOTIFICATIONS = """
SELECT notification_id, task_id, school_id, kind, state, urgent, channels, title, planned, outstanding,
       requested_at, expires_at, completed_at, error
FROM notification WHERE school_id = (SELECT bound_school()) AND NOT tombstone
  AND (%(after)s::uuid IS NULL OR notification_id < %(after)s)
  AND (%(kind)s::text IS NULL OR kind = %(kind)s) AND (%(state)s::text IS NULL OR state = %(state)s)
ORDER BY notification_id DESC LIMIT %(limit)s
"""


class NotificationRead(BaseModel):
    """A notification as its sender sees it; `counts` is channel → state → deliveries."""

    notification_id: UUID
    task_id: UUID
    school_id: UUID
    kind: str
    state: str
    urgent: bool
    channels: list[str]
    title: str
    planned: int
    outstanding: int
    requested_at: dt.datetime
    expires_at: dt.datetime | None
    completed_at: dt.datetime | None
    error: str | None
    counts: dict[str, dict[str, int]] | None = None


class NotificationPage(BaseModel):
    """Newest first; pass `next` as `after` to continue, it is null on the last page."""

    items: list[NotificationRead]
    next: UUID | None


@router.get("/notifications/{notification_id}")
async def read_notification(
    notification_id: UUID,
    who: Annotated[Asked, Depends(asked)],
    database: Annotated[Transactions, Depends(transactions)],
) -> NotificationRead:
    """Read one notification with its counts."""
    async with database.request(who.school) as tx:
        row = await tx.row(SELECT_NOTIFICATION, {"id": notification_id})
        if row is None:
            raise HTTPException(404, "no such notification in this school")
        return NotificationRead(**row, counts=await progress.count_deliveries(tx, notification_id))


@router.get("/notifications")
async def list_notifications(
    who: Annotated[Asked, Depends(asked)],
    database: Annotated[Transactions, Depends(transactions)],
    kind: Kind | None = None,
    state: Annotated[str | None, Query(max_length=20)] = None,
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> NotificationPage:
    """List the notifications of the school, newest first."""
    values = {"kind": kind, "state": state, "after": after, "limit": limit + 1}
    async with database.request(who.school) as tx:
        rows = await tx.rows(SELECT_NOTIFICATIONS, values)
    items = [NotificationRead(**row) for row in rows[:limit]]
    return NotificationPage(items=items, next=items[-1].notification_id if len(rows) > limit else None)
