"""Answers about suppressions, and the statement that selects them."""

from pydantic import BaseModel
from sqlmodel import col, func, select

from notifier.tables import SuppressionRow, SuppressionShown
from shared.persistence.query import Query, given, showing


class SuppressionRead(SuppressionShown):
    """`target` is an address or, after an unsubscribe, the person; `kind` is '' for every kind."""


class SuppressionPage(BaseModel):
    """Newest first; pass `next` as `after` to continue, it is null on the last page."""

    items: list[SuppressionRead]
    next: int | None


LIST_SUPPRESSIONS = Query(
    SuppressionRead,
    showing(SuppressionRead, SuppressionRow)
    .where(col(SuppressionRow.school_id) == select(func.bound_school()).scalar_subquery())
    .order_by(col(SuppressionRow.suppression_id).desc())
    .limit(given("limit")),
    in_force=col(SuppressionRow.active),
    reason=col(SuppressionRow.reason) == given("reason"),
    after=col(SuppressionRow.suppression_id) < given("after"),
)
"""Suppressions of the school, newest first."""
