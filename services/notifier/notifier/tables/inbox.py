"""People's inboxes."""

import datetime as dt
from uuid import UUID

from sqlalchemy import BigInteger, Index, text

from notifier.tables.base import NotifierTable
from shared.persistence.schema import column


class InboxItemRow(NotifierTable, table=True):
    """A notification in a person's inbox."""

    __table_args__ = (
        Index("ix_inbox_item_person", "person_id", "school_id", "item_id"),
        Index("ix_inbox_item_unread", "person_id", "school_id", postgresql_where=text("read_at IS NULL")),
        Index("ix_inbox_item_notification", "notification_id"),
    )

    person_id: UUID = column(key=True)
    notification_id: UUID = column(key=True)
    school_id: UUID
    item_id: int = column(BigInteger, generated=True)
    created_at: dt.datetime = column(default="clock_timestamp()")
    read_at: dt.datetime | None
    acknowledged_at: dt.datetime | None
    withdrawn_at: dt.datetime | None
