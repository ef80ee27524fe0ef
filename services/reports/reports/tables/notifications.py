"""Facts about notifications of a school: what was sent and reached, and what was read."""

import datetime as dt
from uuid import UUID

from sqlalchemy import BigInteger, Index

from reports.tables.base import ReportsTable
from shared.persistence.schema import column


class NotificationFactRow(ReportsTable, table=True):
    """A completion of a notification; the row with the highest offset counts, for example after a resend."""

    __table_args__ = (
        Index(
            "ix_notification_fact_school_id",
            *("school_id", "completed_at"),
            postgresql_include=["notification_id", "log_offset", "sent", "delivered"],
        ),
    )

    notification_id: UUID = column(key=True)
    log_offset: int = column(BigInteger, key=True)
    school_id: UUID
    completed_at: dt.datetime
    sent: int = column(BigInteger)
    delivered: int = column(BigInteger)


class ReadFactRow(ReportsTable, table=True):
    """A person has read a notification."""

    __table_args__ = (Index("ix_read_fact_school_id", "school_id", "read_at", postgresql_include=["log_offset"]),)

    notification_id: UUID = column(key=True)
    person_id: UUID = column(key=True)
    log_offset: int = column(BigInteger)
    school_id: UUID
    read_at: dt.datetime
