"""Records of students. Each event has the whole state of one record; a correction has a higher version."""

import datetime as dt
from decimal import Decimal
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from shared.events.event import Personal, StateEvent


class RecordEvent(StateEvent):
    """State of one record of one student. `directory_version` is the school's version at the commit.

    `recorded_by` and `recorded_at` belong to this version of the record.
    """

    record_id: UUID
    school_id: UUID
    student_id: UUID
    directory_version: int = 0
    withdrawn: bool = False
    recorded_by: UUID | None = None
    recorded_at: dt.datetime

    @property
    def subject(self) -> str:
        return str(self.record_id)

    @property
    def sealed_for(self) -> UUID:
        return self.student_id


class BehaviorRecorded(RecordEvent):
    """A behaviour report was added, corrected or withdrawn."""

    topic: ClassVar[str] = "behavior.recorded"

    happened_on: dt.date
    category: str
    severity: Literal["praise", "minor", "major"] = "minor"
    description: Annotated[str, Personal] = ""
    file_id: UUID | None = None


class PaymentRecorded(RecordEvent):
    """A payment is due, was received, or was changed. Amounts are exact decimals in `currency` (ISO 4217).

    `amount` is what is to be paid; `discount` was deducted before.
    A receipt that is divided among siblings is a payment of each; `file_part` numbers them from the second on.
    """

    topic: ClassVar[str] = "payment.recorded"

    status: Literal["due", "received", "refunded", "cancelled"]
    method: Literal["cash", "card", "transfer", "direct_debit", "cheque", "other"] | None = None
    amount: Decimal
    discount: Decimal | None = None
    currency: str
    due_on: dt.date | None = None
    paid_on: dt.date | None = None
    purpose: Annotated[str, Personal] = ""
    reference: Annotated[str | None, Personal] = None
    file_id: UUID | None = None
    file_part: int | None = None


class AbsenceRecorded(RecordEvent):
    """A student was absent or late on a day; `withdrawn` if the record was wrong."""

    topic: ClassVar[str] = "absence.recorded"

    day: dt.date
    period: str | None = None
    status: Literal["absent", "late", "excused"] = "absent"
    reason: Annotated[str | None, Personal] = None


class GradeRecorded(RecordEvent):
    """A student received a grade in a subject, was excused from it, or has one that is not released yet."""

    topic: ClassVar[str] = "grade.recorded"
    log_only: ClassVar[bool] = True

    course: str
    term: str | None = None
    given_on: dt.date
    grade: Annotated[str, Personal] = ""
    state: Literal["given", "excused", "not_released"] = "given"
    file_id: UUID | None = None


class RemarkRecorded(RecordEvent):
    """A teacher wrote a remark about a student."""

    topic: ClassVar[str] = "remark.recorded"
    log_only: ClassVar[bool] = True

    noted_on: dt.date
    text: Annotated[str, Personal] = ""


RECORDS = (BehaviorRecorded, PaymentRecorded, AbsenceRecorded, GradeRecorded, RemarkRecorded)
"""The events of all record kinds."""
