"""The tables that every service's schema has, and the vault of keys.

Row-level security, grants, functions and storage options are in `migrations` and `vault_migrations`.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE

from shared.persistence.schema import Table, column, schema


class SpineTable(Table):
    """A table that each service has in its own schema."""

    metadata = schema()


class InboxRow(SpineTable, table=True):
    """A message that a consumer has handled: it is never handled again."""

    __table_args__ = (Index("ix_inbox_handled_at", "handled_at", postgresql_using="brin"),)

    message_id: UUID = column(key=True)
    consumer: str = column(key=True)
    handled_at: datetime = column(default="now()")


class OutboxRow(SpineTable, table=True):
    """A message that a commit promised to publish; the relay publishes it and deletes the row."""

    position: int = column(BigInteger, key=True, generated=True)
    exchange: str
    routing_key: str
    headers: str
    data: str  # plain until the relay seals and publishes it
    sealed_for: UUID | None  # the subject whose key seals the personal fields
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
    mark: str | None  # id of the message at `position`; another message there means that the stream was replaced
    gap: str | None  # history that was missing when it was to be read; set until a rebuild finds all of it


class DirectorySeenRow(SpineTable, table=True):
    """The directory versions of a school that have been applied here."""

    school_id: UUID = column(key=True)
    versions: str = column(INT8MULTIRANGE)  # complete in the end, but not in order on the log


class TaskTrackRow(SpineTable, table=True):
    """A task that this service moves on, so that every TaskChanged is newer than the one before."""

    task_id: UUID = column(key=True)
    school_id: UUID | None
    kind: str
    state: str
    epoch: int
    version: int
    changed_at: datetime = column(default="clock_timestamp()")


class TaskLeaseRow(SpineTable, table=True):
    """A long task: who works on it, until when unless renewed, and whether it should stop."""

    __table_args__ = (
        Index("ix_task_lease_permitted_until", "permitted_until", postgresql_where=text("ended_at IS NULL")),
    )

    task_id: UUID = column(key=True)
    lease: UUID | None  # what its holder commits is filtered by it, so that a late worker overwrites nothing
    holder: str | None
    leased_until: datetime = column(default="'-infinity'")
    attempts: int = column(default="0")
    permits: int = column(default="0")
    permitted_until: datetime = column(default="(clock_timestamp() + '00:00:30'::interval)")
    cancel_requested_at: datetime | None
    ended_at: datetime | None  # on a row without attempts: it was cancelled before it began


class VaultTable(Table):
    """A table of the vault's schema, which all services share."""

    metadata = schema()


class KeyRow(VaultTable, table=True):
    """A subject's key, wrapped by the installation's; without one the subject is erased, and the row says so."""

    __table_args__ = (CheckConstraint("(wrapped IS NULL) = (erased_at IS NOT NULL)", name="ck_key_erased"),)

    subject: UUID = column(key=True)
    wrapped: bytes | None
    created_at: datetime = column(default="now()")
    erased_at: datetime | None
