"""API keys for programs."""

import datetime as dt
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Index, Text
from sqlmodel import SQLModel

from gateway.tables.base import GatewayTable
from shared.persistence.schema import column


class ApiKeyShown(SQLModel):
    """The fields of a key that answers show as they are stored."""

    school_id: UUID | None = column(references="school.school_id")
    name: str
    role: str
    scopes: list[str] = column(ARRAY(Text))
    hint: str  # the end of the secret
    version: int = column(BigInteger, default="1")
    created_by: UUID | None
    created_at: dt.datetime = column(default="clock_timestamp()")
    expires_at: dt.datetime | None
    last_used_at: dt.datetime | None  # to the minute
    revoked_at: dt.datetime | None


class ApiKeyRow(ApiKeyShown, GatewayTable, table=True):
    """A program's key; its secret is stored as a hash."""

    __table_args__ = (Index("ix_api_key_school_id", "school_id", "key_id"),)

    key_id: UUID = column(key=True)
    hash: bytes = column(unique=True)
