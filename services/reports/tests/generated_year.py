"""A school year of made-up facts, as a list of events and as plain records from which figures are counted by hand."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any, Self
from uuid import UUID

from reports.domain.content import MonthlyReport
from reports.domain.period import month_of
from shared.events import (
    AbsenceRecorded,
    BehaviorRecorded,
    GradeRecorded,
    NotificationCompleted,
    PaymentRecorded,
    PersonChanged,
    SchoolChanged,
    StudentChanged,
)
from shared.events.directory import Membership
from shared.events.event import Event
from shared.events.records import RecordEvent
from shared.projections.projector import LoggedEvent

FIRST = dt.date(2025, 9, 1)
DAYS = 300
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "UTC")
CATEGORIES = ("lateness", "disruption", "helpfulness")
LONG_AGO = dt.datetime(2025, 8, 1, 8, tzinfo=dt.UTC)

SUMS = ("total", "discount", "paid", "refunded", "balance")

Facts = dict[str, Any]
Enrolled = tuple[UUID, dt.date | None, dt.date | None]
"""A student, the day of joining, and the first day on which the student was not there."""


@dataclass
class Year:
    """Events of several schools, and what is true at the end."""

    random: Random
    events: list[Event] = field(default_factory=list)
    schools: list[UUID] = field(default_factory=list)
    students: dict[UUID, list[Enrolled]] = field(default_factory=lambda: defaultdict(list))
    behavior: dict[UUID, list[tuple[dt.date, str, str]]] = field(default_factory=lambda: defaultdict(list))
    """School → day, category and severity."""
    absences: dict[UUID, list[tuple[UUID, dt.date, str]]] = field(default_factory=lambda: defaultdict(list))
    """School → student, day and status."""
    money: dict[UUID, list[tuple[str, str, dt.date, Decimal]]] = field(default_factory=lambda: defaultdict(list))
    """School → currency, what, day and amount of each charge, discount, receipt and refund."""

    def id(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)

    def day(self) -> dt.date:
        return FIRST + dt.timedelta(days=self.random.randrange(DAYS))

    def build(self, schools: int = 5, students: int = 20, records: int = 15) -> Self:
        """Make up schools, their students, and records of each of them."""
        for number in range(schools):
            school = self.id()
            self.schools.append(school)
            zone = ZONES[number % len(ZONES)]
            self.events.append(SchoolChanged(school_id=school, name=f"Demo {number}", timezone=zone, version=1))
            for place in range(students):
                self._student(school, f"Ada{place}", records)
        return self

    def _student(self, school: UUID, name: str, records: int) -> None:
        student = self.id()
        starts = self.random.choice([None, None, self.day()])
        ends = self.random.choice(
            [None, None, None, (starts or FIRST) + dt.timedelta(days=self.random.randrange(1, 99))]
        )
        grade = f"{self.random.randrange(1, 13):02}"
        self.students[school].append((student, starts, ends))
        membership = Membership(school_id=school, role="student", starts=starts, ends=ends)
        for version in (1, 2):
            given = f"Old {name}" if version == 1 else name
            person: Facts = {"person_id": student, "given_name": given, "family_name": "Demo", "version": version}
            self.events.append(PersonChanged(**person, memberships=(membership,)))
        self.events.append(StudentChanged(student_id=student, school_id=school, grade=grade, version=1))
        for _ in range(records):
            self._record(school, student)

    def _versions(self, kind: type[RecordEvent], school: UUID, student: UUID, states: Sequence[Facts]) -> None:
        """Append a version for each state of a record."""
        record, at = self.id(), dt.datetime(2025, 9, 1, tzinfo=dt.UTC)
        for version, state in enumerate(states, 1):
            base: Facts = {"record_id": record, "school_id": school, "student_id": student, "recorded_at": at}
            self.events.append(kind(**base, version=version, **state))

    def _record(self, school: UUID, student: UUID) -> None:
        wrong, right = self.day(), self.day()
        late = self.random.random() < 0.3
        gone = self.random.random() < 0.1
        match self.random.choice(["behavior", "absence", "payment", "grade"]):
            case "behavior":
                category = self.random.choice(CATEGORIES)
                severity = "praise" if category == "helpfulness" else "minor"
                facts: Facts = {"category": category, "severity": severity}
                states: list[Facts] = [facts | {"happened_on": day} for day in ([wrong, right] if late else [right])]
                states += [states[-1] | {"withdrawn": True}] if gone else []
                self._versions(BehaviorRecorded, school, student, states)
                if not gone:
                    self.behavior[school].append((right, category, severity))
            case "absence":
                status = self.random.choice(["absent", "late", "excused"])
                states = [{"day": right, "status": "absent"}] if late else []
                states += [{"day": right, "status": status}]
                states += [states[-1] | {"withdrawn": True}] if gone else []
                self._versions(AbsenceRecorded, school, student, states)
                if not gone:
                    self.absences[school].append((student, right, status))
            case "payment":
                self._payment(school, student, min(wrong, right), max(wrong, right))
            case _:
                self._versions(GradeRecorded, school, student, [{"course": "Art", "given_on": right, "grade": "B"}])

    def _payment(self, school: UUID, student: UUID, due: dt.date, paid: dt.date) -> None:
        amount = Decimal(self.random.randrange(100, 9999)) / 100
        base: Facts = {"amount": amount, "currency": self.random.choice(["EUR", "USD"]), "due_on": due}
        discount = Decimal(self.random.randrange(0, 900)) / 100 if self.random.random() < 0.3 else None
        base["discount"] = discount
        back = paid + dt.timedelta(days=self.random.randrange(40))
        ends = self.random.choice(["due", "received", "refunded", "cancelled"])
        states = [base | {"status": "due"}]
        moved = [("total", due)]
        if ends in ("received", "refunded"):
            states.append(base | {"status": "received", "paid_on": paid})
            moved.append(("paid", paid))
        if ends == "refunded":
            states.append(base | {"status": "refunded", "paid_on": back})
            moved.append(("refunded", back))
        if ends == "cancelled":
            states.append(base | {"status": "cancelled"})
            moved = []
        self._versions(PaymentRecorded, school, student, states)
        self.money[school] += [(base["currency"], what, day, amount) for what, day in moved]
        if discount and moved:
            self.money[school].append((base["currency"], "discount", due, discount))

    def completed(self, school: UUID, sent: int, failed: int) -> None:
        """Add the completion of a notification."""
        counts = {"push": {"accepted": sent, "failed": failed, "suppressed": 7}}
        self.events.append(
            NotificationCompleted(notification_id=self.id(), school_id=school, task_id=self.id(), counts=counts)
        )

    def log(self) -> list[LoggedEvent]:
        """Return the log as it may be: any order, a tenth of the events twice, corrections before what they correct."""
        events = self.events + self.random.sample(self.events, len(self.events) // 10)
        self.random.shuffle(events)
        return [LoggedEvent(event, offset, LONG_AGO) for offset, event in enumerate(events)]

    def expected(self, school: UUID, starts: dt.date, ends: dt.date) -> Facts:
        """Count a month by hand."""
        enrolled = self.students[school]
        days: dict[tuple[UUID, dt.date], set[str]] = {}
        for student, day, status in self.absences[school]:
            if starts <= day < ends:
                days.setdefault((student, day), set()).add(status)
        gravest = [next(s for s in ("absent", "excused", "late") if s in found) for found in days.values()]
        return {
            "students": sum(1 for _, s, e in enrolled if (s is None or s < ends) and (e is None or e >= ends)),
            "joined": sum(1 for _, s, e in enrolled if s and starts <= s < ends and (e is None or e > s)),
            "left": sum(1 for _, _, e in enrolled if e and starts <= e < ends),
            "behavior": Counter(
                category
                for day, category, severity in self.behavior[school]
                if starts <= day < ends and severity != "praise"
            ),
            "absences": Counter(gravest),
            "money": self._balance(school, starts, ends),
        }

    def _balance(self, school: UUID, starts: dt.date, ends: dt.date) -> dict[str, dict[str, Decimal]]:
        found: dict[str, dict[str, Decimal]] = {}
        for currency, what, day, amount in self.money[school]:
            if day < ends:
                sums = found.setdefault(currency, dict.fromkeys(SUMS, Decimal(0)))
                sums[what] += amount if day >= starts else 0
                sums["total"] += amount if day >= starts and what == "discount" else 0
                sums["balance"] += {"total": amount, "paid": -amount}.get(what, Decimal(0))
        return found


def months() -> Iterator[tuple[dt.date, dt.date]]:
    """Yield the first day of each month of the year, and of the month after it."""
    first = FIRST
    while first < FIRST + dt.timedelta(days=DAYS):
        starts, first = month_of(first)
        yield starts, first


def figures_of(report: MonthlyReport) -> Facts:
    """Return what a report says of that which is counted by hand."""
    return {
        "students": report.students,
        "joined": report.joined,
        "left": report.left,
        "behavior": {count.name: count.value for count in report.behavior_by_category if count.value},
        "absences": {count.name: count.value for count in report.absences_by_status if count.value},
        "money": {each.currency: {name: getattr(each, name) for name in SUMS} for each in report.money},
    }
