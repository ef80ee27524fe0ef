"""Records of students, and the content of the last notification about each."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel

from gateway.tables.base import GatewayTable
from shared.persistence.schema import column


class RecordShown(SQLModel):
    """The fields of a record that answers show as they are stored, without its facts."""

    student_id: UUID
    version: int = column(BigInteger, default="1")
    withdrawn: bool = column(default="false")
    recorded_by: UUID | None
    recorded_at: dt.datetime = column(default="clock_timestamp()")
    changed_at: dt.datetime = column(default="clock_timestamp()")


class RecordRow(RecordShown, GatewayTable, table=True):
    """A record of a student: behaviour, a payment, an absence, a grade or a remark."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["school_id", "student_id"], ["student.school_id", "student.student_id"], name="fk_record_student"
        ),
        CheckConstraint("kind IN ('behavior', 'payment', 'absence', 'grade', 'remark')", name="ck_record_kind"),
        Index("ix_record_day", "school_id", "kind", "day", "record_id"),
        Index("ix_record_status", "school_id", "kind", "status", "day", "record_id"),
        Index("ix_record_student_id", "school_id", "student_id", "kind", "day", "record_id"),
        # A child is absent once from a lesson.
        Index(
            "uq_record_absence",
            "school_id",
            "student_id",
            "day",
            text("COALESCE(facts ->> 'period'::text, ''::text)"),
            unique=True,
            postgresql_where=text("kind = 'absence' AND NOT withdrawn"),
        ),
        # A receipt is one payment; one that is divided among siblings is a payment of each, the others with a number.
        Index(
            "uq_record_payment_file",
            text("(facts ->> 'file_id'::text)"),
            text("COALESCE(facts ->> 'file_part'::text, ''::text)"),
            unique=True,
            postgresql_where=text("kind = 'payment' AND NOT withdrawn AND facts ->> 'file_id' IS NOT NULL"),
        ),
    )

    record_id: UUID = column(key=True)
    school_id: UUID
    kind: str
    day: dt.date  # lists are filtered by this and by `status`
    status: str | None
    facts: dict[str, Any] = column(JSONB)  # the fields of its event


class AnnouncementRow(GatewayTable, table=True):
    """The content of the last notification about a record, so that a repeat sends nothing and a correction corrects."""

    record_id: UUID = column(key=True)
    school_id: UUID
    version: int = column(BigInteger)
    said: str | None  # none as long as nothing was sent
    digest: bytes | None  # of its content: the words themselves are not stored here
