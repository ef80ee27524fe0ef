"""What a report says: the figures and lists that the pages and sheets are made from. No I/O, no layout.

All days are dates in the school's timezone; amounts are exact decimals per currency (ISO 4217).
"""

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

UNSTATED = "unstated"
"""The method of a payment of which it is not known."""
Attendance = Literal["absent", "late", "excused"]
GradeState = Literal["given", "excused", "not_released"]


@dataclass(frozen=True, slots=True)
class Period:
    """The days that a report covers; `ends` is the first day after it."""

    name: str
    starts: dt.date
    ends: dt.date


@dataclass(frozen=True, slots=True)
class School:
    """The school whose report it is, and its look. `logo` is a WebP, PNG or JPEG; `color` is `#rrggbb`."""

    name: str
    timezone: str
    letterhead: str = ""
    color: str | None = None
    logo: bytes | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the figures come from; it stands on each page. `offset` is the position in the log ("as of")."""

    report_id: str
    as_of: dt.datetime
    offset: int
    template: str
    replaces: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Count:
    """A number with its name, and the number of the period before if it is compared. None: it is not shown."""

    name: str
    value: int | None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Money:
    """Fees of one currency: what was asked for, what came, what went back, and what is open at the end."""

    currency: str
    total: Decimal
    discount: Decimal
    paid: Decimal
    refunded: Decimal
    balance: Decimal
    paid_before: Decimal | None = None


@dataclass(frozen=True, slots=True)
class GradeRow:
    """A grade in a course. An empty `grade` is a blank: none was given, which is neither zero nor excused."""

    course: str
    term: str
    given_on: dt.date
    grade: str
    state: GradeState = "given"
    """The grade of an unreleased row is never shown and never counted."""


@dataclass(frozen=True, slots=True)
class BehaviorRow:
    """A behaviour record. `student` is empty in a student's own report."""

    happened_on: dt.date
    category: str
    severity: str
    description: str = ""
    student: str = ""
    grade: str = ""


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A payment and its state."""

    on: dt.date
    status: str
    amount: Decimal
    currency: str
    purpose: str = ""
    reference: str = ""
    student: str = ""
    method: str = UNSTATED


@dataclass(frozen=True, slots=True)
class AbsenceRow:
    """An absence on a day."""

    day: dt.date
    status: Attendance
    period: str = ""
    reason: str = ""
    student: str = ""
    grade: str = ""


@dataclass(frozen=True, slots=True)
class Shared:
    """What a version to share says beside its counts: the smallest one that it shows, and totals; None: not shown."""

    least: int
    incidents: int | None
    absences: int | None
    payments: int | None


@dataclass(frozen=True, slots=True)
class MonthlyReport:
    """A school's month. Lists are complete; the PDF shows the start of a long one and says how many there are."""

    school: School
    period: Period
    origin: Origin
    students: int | None
    """Head-count at the end of the last day. None, as in each count: it is not shown."""
    joined: int | None
    left: int | None
    students_by_grade: tuple[Count, ...] = ()
    enrolments: tuple[tuple[dt.date, str, str], ...] = ()
    """Day, student and grade of each new enrolment."""
    behavior_by_category: tuple[Count, ...] = ()
    behavior_by_grade: tuple[Count, ...] = ()
    absences_by_status: tuple[Count, ...] = ()
    absences_by_day: tuple[tuple[dt.date, int], ...] = ()
    payments_by_status: tuple[Count, ...] = ()
    received_by_method: tuple[Count, ...] = ()
    money: tuple[Money, ...] = ()
    notifications: tuple[Count, ...] = ()
    """Sent, delivered and read."""
    behavior: tuple[BehaviorRow, ...] = ()
    payments: tuple[PaymentRow, ...] = ()
    absences: tuple[AbsenceRow, ...] = ()
    shared: Shared | None = None
    """Of the version to share."""


@dataclass(frozen=True, slots=True)
class StudentReport:
    """A student's progress over a period."""

    school: School
    period: Period
    origin: Origin
    student: str
    number: str = ""
    grade: str = ""
    classes: tuple[str, ...] = ()
    grades: tuple[GradeRow, ...] = ()
    absences: tuple[AbsenceRow, ...] = ()
    absences_by_status: tuple[Count, ...] = ()
    behavior: tuple[BehaviorRow, ...] = ()
    behavior_by_month: tuple[tuple[dt.date, int, int], ...] = ()
    """First day of the month, praises, incidents."""
    payments: tuple[PaymentRow, ...] = ()
    money: tuple[Money, ...] = ()
    remarks: tuple[tuple[dt.date, str], ...] = field(default=())
