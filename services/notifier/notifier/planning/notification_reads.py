"""Answers about notifications, and the statements that select them."""

from uuid import UUID

from pydantic import BaseModel
from sqlmodel import col, func, select

from notifier.tables import NotificationRow, NotificationShown
from shared.persistence.query import Query, given, showing


class ReasonCount(BaseModel):
    """How many deliveries of a channel ended in a state for one reason."""

    channel: str
    state: str
    reason: str
    count: int


class NotificationRead(NotificationShown):
    """A notification as its sender sees it; `counts` is channel → state → deliveries.

    `reasons` says why deliveries reached no person, the 50 most frequent first.
    """

    counts: dict[str, dict[str, int]] | None = None
    reasons: list[ReasonCount] | None = None


class NotificationPage(BaseModel):
    """Newest first; pass `next` as `after` to continue, it is null on the last page."""

    items: list[NotificationRead]
    next: UUID | None


READ_NOTIFICATION = Query(
    NotificationRead,
    showing(NotificationShown, NotificationRow).where(col(NotificationRow.notification_id) == given("id")),
)
LIST_NOTIFICATIONS = Query(
    NotificationRead,
    showing(NotificationShown, NotificationRow)
    .where(
        col(NotificationRow.school_id) == select(func.bound_school()).scalar_subquery(),
        ~col(NotificationRow.tombstone),
    )
    .order_by(col(NotificationRow.notification_id).desc())
    .limit(given("limit")),
    kind=col(NotificationRow.kind) == given("kind"),
    state=col(NotificationRow.state) == given("state"),
    after=col(NotificationRow.notification_id) < given("after"),
)
"""Notifications of the school, newest first."""
