"""The tables of every service's schema, and the vault of keys.

Row-level security, grants, functions and storage options are in `migrations` and `vault_migrations`.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE, JSONB

from shared.persistence.schema import Table, column, schema


class SpineTable(Table):
    """A table that each service has in its own schema."""

    metadata = schema()


class InboxRow(SpineTable, table=True):
    """A message that a consumer has handled, so that a duplicate is ignored."""

    __table_args__ = (Index("ix_inbox_handled_at", "handled_at", postgresql_using="brin"),)

    message_id: UUID = column(key=True)
    consumer: str = column(key=True)
    handled_at: datetime = column(default="now()")


class OutboxRow(SpineTable, table=True):
    """A message to publish; the relay publishes it and deletes the row."""

    position: int = column(BigInteger, key=True, generated=True)
    exchange: str
    routing_key: str
    headers: str
    data: str  # in plain text; the relay encrypts its personal fields
    sealed_for: UUID | None  # the subject whose key encrypts the personal fields
    created_at: datetime = column(default="clock_timestamp()")
    leased_until: datetime = column(default="'-infinity'")
    lease: UUID | None
    failures: int = column(default="0")


class LogOffsetRow(SpineTable, table=True):
    """How far a projection has read a stream."""

    projection: str = column(key=True)
    stream: str = column(key=True)
    position: int = column(BigInteger)
    moved_at: datetime = column(default="now()")
    mark: str | None  # id of the message at `position`; another id there means that the stream was recreated
    gap: str | None  # the missing part of the history; set until a rebuild finds it complete


class DirectorySeenRow(SpineTable, table=True):
    """The directory versions of a school that this service has applied."""

    school_id: UUID = column(key=True)
    versions: str = column(INT8MULTIRANGE)  # without gaps in the end, but not in the order of the log


class TaskTrackRow(SpineTable, table=True):
    """The status of a task, so that each TaskChanged of this service has a higher version than the one before."""

    task_id: UUID = column(key=True)
    school_id: UUID | None
    kind: str
    state: str
    epoch: int
    version: int
    changed_at: datetime = column(default="clock_timestamp()")


class TaskLeaseRow(SpineTable, table=True):
    """The lease of a long task: its worker, its end unless renewed, and whether a cancel was requested."""

    __table_args__ = (
        Index("ix_task_lease_permitted_until", "permitted_until", postgresql_where=text("ended_at IS NULL")),
    )

    task_id: UUID = column(key=True)
    lease: UUID | None  # commits of its holder are filtered by it, so that a late worker overwrites nothing
    holder: str | None
    leased_until: datetime = column(default="'-infinity'")
    attempts: int = column(default="0")
    permits: int = column(default="0")
    permitted_until: datetime = column(default="(clock_timestamp() + '00:00:30'::interval)")
    cancel_requested_at: datetime | None
    ended_at: datetime | None  # without attempts: a tombstone, cancelled before it began


class ReplayRow(SpineTable, table=True):
    """A replay that this service was asked for; its task has the state."""

    task_id: UUID = column(key=True)
    request: dict[str, Any] = column(JSONB)  # the event that asked for it
    requested_at: datetime = column(default="now()")


class ConsumerOrderRow(SpineTable, table=True):
    """The newest order of an operator about a queue or a worker of this service."""

    __table_args__ = (CheckConstraint("\"order\" IN ('pause', 'resume', 'drain')", name="ck_consumer_order_order"),)

    target: str = column(key=True)
    order: str
    reason: str
    ordered_by: UUID | None
    ordered_at: datetime


class VaultTable(Table):
    """A table of the vault's schema, which all services share."""

    metadata = schema()


class KeyRow(VaultTable, table=True):
    """The key of a subject, encrypted with the key of the installation. Without a key the subject is erased."""

    __table_args__ = (CheckConstraint("(wrapped IS NULL) = (erased_at IS NOT NULL)", name="ck_key_erased"),)

    subject: UUID = column(key=True)
    wrapped: bytes | None
    created_at: datetime = column(default="now()")
    erased_at: datetime | None
