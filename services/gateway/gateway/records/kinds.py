"""Kinds of records of students: their fields, the day of each, and the responsibility that its readers need."""

import datetime as dt
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from gateway.http.fields import ONE_LINE, Code, Name, Prose, Strict
from gateway.http.json_types import WHOLE, Amount, Day
from gateway.records.records import Kind
from gateway.security.access_control import ADMINS, OFFICE, STAFF
from shared.events.values import Role


class Facts(Strict):
    """The facts of a record; a correction gives all of them again."""

    @property
    @abstractmethod
    def day(self) -> dt.date:
        """The day of the record."""

    @property
    def sought(self) -> str | None:
        """The value by which lists filter as `status`."""
        return None


class BehaviorFacts(Facts):
    """Something that a student did, well or badly."""

    happened_on: Day
    category: Name
    severity: Literal["praise", "minor", "major"] = "minor"
    description: Prose = ""
    file_id: UUID | None = None

    @property
    def day(self) -> dt.date:
        return self.happened_on

    @property
    def sought(self) -> str:
        return self.severity


class PaymentFacts(Facts):
    """Money that is due, was received or went back: an exact decimal, best written as text, and its currency."""

    status: Literal["due", "received", "refunded", "cancelled"]
    method: Literal["cash", "card", "transfer", "direct_debit", "cheque", "other"] | None = None
    amount: Amount
    discount: Amount | None = None
    """What was deducted before: `amount` is what is to be paid."""
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    due_on: Day | None = None
    paid_on: Day | None = None
    purpose: Prose = ""
    reference: Code | None = None
    file_id: UUID | None = None
    file_part: Annotated[int, Field(ge=2, le=20), WHOLE] | None = None
    """Of the second and further payments of a receipt that is divided among siblings."""

    @model_validator(mode="after")
    def dated(self) -> Self:
        """Refuse a payment without the day that its status needs."""
        missing = self.due_on is None if self.status == "due" else self.paid_on is None
        if self.status == "cancelled":
            missing = self.due_on is None and self.paid_on is None
        if missing:
            msg = "due needs due_on; received and refunded need paid_on; cancelled needs one of them"
            raise ValueError(msg)
        return self

    @property
    def day(self) -> dt.date:
        first, second = (self.due_on, self.paid_on) if self.status == "due" else (self.paid_on, self.due_on)
        found = first or second
        assert found is not None
        return found

    @property
    def sought(self) -> str:
        return self.status


class AbsenceFacts(Facts):
    """A student who was absent or late: the whole day, or one `period` of it."""

    day_: Day = Field(alias="day")
    period: Code | None = None
    status: Literal["absent", "late", "excused"] = "absent"
    reason: Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00]*$")] | None = None

    @property
    def day(self) -> dt.date:
        return self.day_

    @property
    def sought(self) -> str:
        return self.status


class GradeShown(Facts):
    """A grade in a course. It is empty where the student was excused or erased."""

    course: Name
    term: Name | None = None
    given_on: Day
    grade: Annotated[str, StringConstraints(strip_whitespace=True, max_length=20, pattern=ONE_LINE)] = ""
    state: Literal["given", "excused", "not_released"] = "given"
    """Grades that are not released yet are for the staff only: no guardian and no student reads them."""
    file_id: UUID | None = None

    @property
    def day(self) -> dt.date:
        return self.given_on

    @property
    def sought(self) -> str:
        return self.state


class GradeFacts(GradeShown):
    """A grade in a course: `grade` is needed where it was `given`, and left out where the student was `excused`."""

    @model_validator(mode="after")
    def stated(self) -> Self:
        """Refuse a given grade without `grade`, and an excused student with one."""
        if (self.state == "given" and not self.grade) or (self.state == "excused" and self.grade):
            msg = "given needs grade; excused has none; not_released may have one"
            raise ValueError(msg)
        return self


class RemarkShown(Facts):
    """A teacher's note. It is empty where the student was erased."""

    noted_on: Day
    text: str = ""

    @property
    def day(self) -> dt.date:
        return self.noted_on


class RemarkFacts(RemarkShown):
    """A teacher's note."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=5000, pattern=r"^[^\x00]*$")]


@dataclass(frozen=True, slots=True)
class RecordKind:
    """A kind of record: its path, its fields as they are sent and as they are read, the responsibility that guardians
    need, and the roles that record it.

    The roles that record also correct and withdraw; all staff of the school may read.
    """

    name: Kind
    path: str
    facts: type[Facts]
    shown: type[Facts]
    duty: Literal["custody", "billing"]
    recorders: frozenset[Role]


TEACHERS: frozenset[Role] = ADMINS | {"teacher"}

KINDS = (
    RecordKind("behavior", "behavior-reports", BehaviorFacts, BehaviorFacts, "custody", STAFF),
    RecordKind("payment", "payments", PaymentFacts, PaymentFacts, "billing", OFFICE),
    RecordKind("absence", "absences", AbsenceFacts, AbsenceFacts, "custody", STAFF),
    RecordKind("grade", "grades", GradeFacts, GradeShown, "custody", TEACHERS),
    RecordKind("remark", "remarks", RemarkFacts, RemarkShown, "custody", TEACHERS),
)


def stored(facts: Facts) -> Mapping[str, Any]:
    """Return the facts in the form of the event."""
    return facts.model_dump(mode="json", by_alias=True)
