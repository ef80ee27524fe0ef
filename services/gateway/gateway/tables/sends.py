"""Accepted requests: sends, schedules, and the answers that a repeat gets."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel

from gateway.tables.base import GatewayTable
from shared.persistence.schema import column


class IntentRow(GatewayTable, table=True):
    """A notification that was accepted, and the task that shows its progress."""

    notification_id: UUID = column(key=True)
    school_id: UUID
    task_id: UUID
    created_at: dt.datetime = column(default="clock_timestamp()")


class ScheduleIntentRow(GatewayTable, table=True):
    """A schedule that was accepted, so that it has an owner before the scheduler knows it."""

    schedule_id: UUID = column(key=True)
    school_id: UUID
    notification_id: UUID | None  # of a single run
    created_by: UUID | None
    created_at: dt.datetime = column(default="clock_timestamp()")


class IdempotencyKeyRow(GatewayTable, table=True):
    """The answer to a request that came with an Idempotency-Key."""

    __table_args__ = (Index("ix_idempotency_key_created_at", "created_at", postgresql_using="brin"),)

    school_id: UUID = column(key=True)
    asker: str = column(key=True)
    key: str = column(key=True)
    request: bytes  # a digest: another request under the same key is a conflict
    answer: dict[str, Any] = column(JSONB)
    created_at: dt.datetime = column(default="clock_timestamp()")


class HeldSendShown(SQLModel):
    """The fields of a send that waits for a second person, as answers show them."""

    state: str = column(default="'waiting'")
    people: int | None  # unknown while the notifier is away
    above: int  # the school's limit when it was requested
    requested_by: UUID | None
    requested_at: dt.datetime = column(default="clock_timestamp()")
    decided_by: UUID | None
    decided_at: dt.datetime | None
    reason: str | None
    notification_id: UUID | None  # of the send, once it was approved
    schedule_id: UUID | None


class HeldSendRow(HeldSendShown, GatewayTable, table=True):
    """A send to more people than one person may reach; it is kept only while it waits."""

    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'approved', 'refused', 'lapsed')", name="ck_held_send_state"),
        CheckConstraint("(state = 'waiting') = (command IS NOT NULL)", name="ck_held_send_command"),
        Index("ix_held_send_school_id", "school_id", "approval_id"),
        Index("ix_held_send_requested_at", "requested_at"),
    )

    approval_id: UUID = column(key=True)
    school_id: UUID
    command: dict[str, Any] | None = column(JSONB)
    role: str  # of its requester
