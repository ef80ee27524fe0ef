"""Accepted requests: sends, schedules, and the answers that a repeat gets."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import JSONB

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
