"""Suppressions."""

import datetime as dt
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, UniqueConstraint
from sqlmodel import SQLModel

from notifier.tables.base import NotifierTable
from shared.persistence.schema import column


class SuppressionShown(SQLModel):
    """What is shown of a suppression as it is stored."""

    suppression_id: int = column(BigInteger, key=True, generated=True)
    channel: str
    target: str  # an address, or the person who unsubscribed
    kind: str = column(default="''")  # '' for every kind
    reason: str
    detail: str | None
    times: int = column(default="1")
    active: bool
    created_at: dt.datetime = column(default="clock_timestamp()")
    changed_at: dt.datetime = column(default="clock_timestamp()")


class SuppressionRow(SuppressionShown, NotifierTable, table=True):
    """An address or a person that a school no longer writes to."""

    __table_args__ = (
        UniqueConstraint("school_id", "channel", "target", "kind", "reason", name="uq_suppression"),
        CheckConstraint("reason IN ('bounced', 'complained', 'unsubscribed')", name="ck_suppression_reason"),
    )

    school_id: UUID
    lifted_by: UUID | None
