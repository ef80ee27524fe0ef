"""Answers about sends that wait for a second person, and the statement that selects them."""

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel
from sqlmodel import col

from gateway.tables import HeldSendRow, HeldSendShown
from shared.persistence.query import Query, given, showing

HeldState = Literal["waiting", "approved", "refused", "lapsed"]


class HeldSend(HeldSendShown):
    """A send that waits, or waited, for a second person; `send` is its content, only while it waits."""

    id: UUID
    school_id: UUID
    send: dict[str, Any] | None


class HeldSendPage(BaseModel):
    """Newest first; pass `next` as `after` to go on."""

    items: list[HeldSend]
    next: UUID | None


LIST_HELD = Query(
    HeldSend,
    showing(HeldSend, HeldSendRow, id=HeldSendRow.approval_id, send=HeldSendRow.command)
    .order_by(col(HeldSendRow.approval_id).desc())
    .limit(given("limit")),
    school=col(HeldSendRow.school_id) == given("school"),
    id=col(HeldSendRow.approval_id) == given("id"),
    state=col(HeldSendRow.state) == given("state"),
    after=col(HeldSendRow.approval_id) < given("after"),
)
"""Newest first."""
