"""Facts about students' records: a row for each version of a record, added and never changed.

`day` is the day that the record counts for. Texts about the student are personal: an erasure empties them.
"""

import datetime as dt
from decimal import Decimal
from uuid import UUID

from sqlalchemy import BigInteger, Index, text

from reports.tables.base import ReportsTable
from shared.persistence.schema import column

CORRECTION = ("school_id", "record_id", "version", "log_offset")


class RecordFact(ReportsTable):
    """What each kind of record has."""

    record_id: UUID = column(key=True)
    version: int = column(BigInteger, key=True)
    log_offset: int = column(BigInteger)
    school_id: UUID
    student_id: UUID
    day: dt.date
    withdrawn: bool


class BehaviorFactRow(RecordFact, table=True):
    """A version of a behaviour record."""

    __table_args__ = (
        Index("ix_behavior_fact_school_id", "school_id", "day"),
        Index("ix_behavior_fact_student_id", "student_id", "day"),
        Index("ix_behavior_fact_corrections", *CORRECTION, postgresql_where=text("version > 1")),
    )

    category: str
    severity: str
    description: str


class PaymentFactRow(RecordFact, table=True):
    """A version of a payment."""

    __table_args__ = (
        Index("ix_payment_fact_school_id", "school_id", "day"),
        Index("ix_payment_fact_student_id", "student_id", "day"),
        Index(
            "ix_payment_fact_open",
            *("school_id", "record_id", text("version DESC")),
            postgresql_include=[
                *("log_offset", "student_id", "day", "withdrawn", "due_on", "paid_on"),
                *("status", "currency", "amount", "method", "discount"),
            ],
            postgresql_where=text("status = ANY (ARRAY['due'::text, 'refunded'::text])"),
        ),
        Index(
            "ix_payment_fact_moved",
            *("school_id", text("GREATEST(day, due_on, paid_on)"), text("LEAST(day, due_on, paid_on)")),
            postgresql_where=text("status <> ALL (ARRAY['due'::text, 'refunded'::text])"),
        ),
        Index("ix_payment_fact_corrections", *CORRECTION, postgresql_where=text("version > 1")),
        Index("ix_payment_fact_currency", "school_id", "currency"),
    )

    status: str
    method: str | None
    amount: Decimal
    discount: Decimal | None
    currency: str
    due_on: dt.date | None
    paid_on: dt.date | None
    purpose: str
    reference: str | None


class AbsenceFactRow(RecordFact, table=True):
    """A version of an absence."""

    __table_args__ = (
        Index("ix_absence_fact_school_id", "school_id", "day"),
        Index("ix_absence_fact_student_id", "student_id", "day"),
        Index("ix_absence_fact_corrections", *CORRECTION, postgresql_where=text("version > 1")),
    )

    period: str | None
    status: str
    reason: str | None


class GradeFactRow(RecordFact, table=True):
    """A version of a grade: given, excused, or not released yet, which no report shows."""

    __table_args__ = (
        Index("ix_grade_fact_school_id", "school_id", "day"),
        Index("ix_grade_fact_student_id", "student_id", "day"),
    )

    course: str
    term: str | None
    grade: str
    state: str = column(default="'given'")


class RemarkFactRow(RecordFact, table=True):
    """A version of a remark."""

    __table_args__ = (
        Index("ix_remark_fact_school_id", "school_id", "day"),
        Index("ix_remark_fact_student_id", "student_id", "day"),
    )

    text: str
