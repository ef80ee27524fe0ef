"""Tasks, the workers that do them, and messages that failed for good."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKeyConstraint, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel

from gateway.tables.base import GatewayTable
from shared.events import TaskState
from shared.persistence.schema import column


class TaskShown(SQLModel):
    """The fields of a task that answers show as they are stored."""

    school_id: UUID | None
    kind: str
    state: TaskState = column(Text)
    epoch: int = column(default="1")  # rises when the task begins again; `version` rises within it
    result: dict[str, Any] | None = column(JSONB)
    error: str | None
    created_at: dt.datetime = column(default="clock_timestamp()")
    changed_at: dt.datetime = column(default="clock_timestamp()")
    cancel_requested_at: dt.datetime | None
    created_by: UUID | None


class TaskRow(TaskShown, GatewayTable, table=True):
    """A task, projected from its owner's events."""

    __table_args__ = (
        Index("ix_task_created_at", "created_at", "task_id"),
        Index("ix_task_school_id", "school_id", "created_at", "task_id"),
        Index("ix_task_school_state", "school_id", "state", "created_at", "task_id"),
        Index("ix_task_state", "state", "created_at", "task_id"),
        Index("ix_task_kind", "kind", "created_at", "task_id"),
        Index(
            "ix_task_created_by",
            "created_by",
            "created_at",
            "task_id",
            postgresql_where=text("created_by IS NOT NULL"),
        ),
        Index("ix_task_parent_id", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
        Index("ix_task_changed_at", "changed_at"),
    )

    task_id: UUID = column(key=True)
    version: int = column(default="0")
    done: int = column(BigInteger, default="0")
    total: int = column(BigInteger, default="0")
    parent_id: UUID | None  # of a school's part of a send to several schools


class WorkerShown(SQLModel):
    """The fields of a worker that answers show as they are stored."""

    worker: str = column(key=True)
    service: str
    facts: dict[str, Any] = column(JSONB)
    seen_at: dt.datetime = column(default="clock_timestamp()")


class WorkerRow(WorkerShown, GatewayTable, table=True):
    """A process that works, by its last heartbeat."""


class FailureShown(SQLModel):
    """The fields of a failure that answers show as they are stored."""

    school_id: UUID | None
    message_id: str | None
    queue: str
    type: str | None
    error: str
    fingerprint: str
    attempts: int
    first_failed: dt.datetime
    last_failed: dt.datetime
    deaths: int = column(default="1")
    given_back_at: dt.datetime | None
    given_back_by: UUID | None
    opened_at: dt.datetime = column(default="clock_timestamp()")  # when it was stored, or died again
    resolved_at: dt.datetime | None  # when its consumer handled it after it was given back
    discarded_at: dt.datetime | None
    discarded_by: UUID | None
    discard_reason: str | None
    edited_at: dt.datetime | None
    edited_by: UUID | None
    edit_reason: str | None
    edited_fields: list[str] | None = column(ARRAY(Text))


class FailureRow(FailureShown, GatewayTable, table=True):
    """A message that failed for good, as it came."""

    __table_args__ = (
        UniqueConstraint("message_id", "queue", "attempts", name="uq_failure"),
        Index(
            "ix_failure_open",
            "queue",
            "fingerprint",
            "failure_id",
            postgresql_include=["first_failed", "last_failed", "opened_at", "school_id", "type"],
            postgresql_where=text("given_back_at IS NULL AND discarded_at IS NULL"),
        ),
        Index(
            "ix_failure_open_school",
            "school_id",
            "queue",
            "fingerprint",
            "failure_id",
            postgresql_where=text("given_back_at IS NULL AND discarded_at IS NULL"),
        ),
        Index("ix_failure_school_id", "school_id", "failure_id"),
        Index("ix_failure_fingerprint", "fingerprint", "failure_id"),
        Index("ix_failure_queue", "queue", "failure_id"),
        Index(
            "ix_failure_closed_at",
            text("COALESCE(resolved_at, discarded_at)"),
            postgresql_where=text("COALESCE(resolved_at, discarded_at) IS NOT NULL"),
        ),
    )

    failure_id: int = column(BigInteger, key=True, generated=True)
    headers: dict[str, Any] = column(JSONB)
    body: bytes
    original_body: bytes | None  # before it was edited


class FailureCountRow(GatewayTable, table=True):
    """A change of the number of open failures of one fault. Triggers add rows, a sweep adds them up."""

    count_id: int = column(BigInteger, key=True, generated=True)
    school_id: UUID | None
    queue: str
    fingerprint: str
    type: str | None
    change: int = column(BigInteger)
    first_failed: dt.datetime | None
    last_failed: dt.datetime | None


class FailureRetryRow(GatewayTable, table=True):
    """A retry of many failures, in waves that grow."""

    __table_args__ = (Index("ix_failure_retry_open", "task_id", postgresql_where=text("ended_at IS NULL")),)

    task_id: UUID = column(key=True)
    requested_by: UUID | None
    wave: int = column(default="0")
    created_at: dt.datetime = column(default="clock_timestamp()")
    ended_at: dt.datetime | None
    absent: int = column(BigInteger, default="0")  # selected, but closed before they became members


class FailureRetrySelectionRow(GatewayTable, table=True):
    """An accepted retry whose failures are not members yet."""

    task_id: UUID = column(key=True)
    requested_by: UUID | None
    count: int = column(BigInteger)
    seen_until: dt.datetime
    failure: int | None = column(BigInteger)
    service: str | None
    queue: str | None
    fingerprint: str | None
    type: str | None
    school: UUID | None


class FailureRetryMemberRow(GatewayTable, table=True):
    """A failure in a retry of many, and what came of it."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["task_id"],
            ["failure_retry.task_id"],
            name="fk_failure_retry_member_task_id_failure_retry",
            ondelete="CASCADE",
        ),
        CheckConstraint(
            "state IN ('waiting', 'sent', 'retried', 'skipped', 'failed_again', 'halted', 'cancelled')",
            name="ck_failure_retry_member_state",
        ),
        Index(
            "uq_failure_retry_member_running",
            "failure_id",
            unique=True,
            postgresql_where=text("state IN ('waiting', 'sent')"),
        ),
        Index("ix_failure_retry_member_waiting", "task_id", "place", postgresql_where=text("state = 'waiting'")),
        Index("ix_failure_retry_member_state", "task_id", "state"),
    )

    task_id: UUID = column(key=True)
    failure_id: int = column(BigInteger, key=True)
    queue: str
    fingerprint: str  # before the retry: the fault that halts it
    place: int = column(BigInteger)  # among the members with the same fault
    state: str = column(default="'waiting'")
    reason: str | None  # why it was skipped
