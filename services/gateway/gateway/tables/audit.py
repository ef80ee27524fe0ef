"""The audit."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel

from gateway.tables.base import GatewayTable
from shared.persistence.schema import column


class AuditShown(SQLModel):
    """The fields of an act that answers show as they are stored."""

    at: dt.datetime = column(default="clock_timestamp()")
    school_id: UUID | None
    person_id: UUID | None
    role: str | None
    key_id: UUID | None
    action: str  # method and route
    subject: dict[str, Any] = column(JSONB)  # the ids in it
    status: int  # of the answer
    code: str | None


class AuditRow(AuditShown, GatewayTable, table=True):
    """An act of decision or administration, its actor and its result; triggers keep it for a year at least."""

    __table_args__ = (
        Index("ix_audit_school_id", "school_id", "audit_id"),
        Index("ix_audit_person_id", "person_id", "audit_id"),
    )

    audit_id: UUID = column(key=True)


class RefusedAttemptRow(GatewayTable, table=True):
    """The refused attempts of an actor with one action in one hour: counted, not stored one by one."""

    actor: str = column(key=True)
    action: str = column(key=True)
    status: int = column(key=True)
    hour: dt.datetime = column(key=True)
    attempts: int = column(BigInteger)
    last_at: dt.datetime = column(default="clock_timestamp()")
