"""Invented reports to draw: small, empty, large and awkward ones."""

import datetime as dt
import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

from reports.domain.content import (
    AbsenceRow,
    BehaviorRow,
    Count,
    GradeRow,
    Money,
    MonthlyReport,
    Origin,
    PaymentRow,
    Period,
    School,
    StudentReport,
)

NOVEMBER = Period("", dt.date(2026, 11, 1), dt.date(2026, 12, 1))
TERM = Period("First term", dt.date(2026, 8, 1), dt.date(2027, 1, 1))
DAYS = tuple(NOVEMBER.starts + dt.timedelta(days=number) for number in range(30))
NAMES = (
    "Ada Demo",
    "Jürgen Beispiel",
    "Zoë Exemple",
    "سارة مثال",
    "שירה דוגמה",
    "山田 太郎",
    "Αλίκη Δείγμα",
    "김 예시",
)
ORIGIN = Origin("demo-report-2", dt.datetime(2026, 12, 1, 4, 30, tzinfo=dt.UTC), 123_456, "1")
SCHOOL = School("Hill School (demo)", "Europe/Berlin", "1 Example Road · office@school.example.org")
GRADES = tuple(f"{number}b" for number in range(1, 11))


def empty_month(**changes: Any) -> MonthlyReport:
    values = {"school": SCHOOL, "period": NOVEMBER, "origin": ORIGIN, "students": 0, "joined": 0, "left": 0}
    return MonthlyReport(**values | changes)


def month(students: int = 1000, names: tuple[str, ...] = NAMES, seed: int = 0, **changes: Any) -> MonthlyReport:
    """A month of a school with so many students: an absence and a payment for each, a behaviour record for ten."""
    pick = random.Random(students + seed)
    school_days = [day for day in DAYS if day.weekday() < 5]
    behavior = tuple(
        BehaviorRow(
            pick.choice(school_days),
            pick.choice(("Homework", "Helpfulness", "Bullying")),
            pick.choice(("praise", "minor", "major")),
            "The homework was missing twice this week.",
            pick.choice(names),
            pick.choice(GRADES),
        )
        for _ in range(-(-students // 10))
    )
    absences = tuple(
        AbsenceRow(
            pick.choice(school_days),
            pick.choice(("absent", "late", "excused")),
            str(pick.randint(1, 6)),
            "bus (line 7)",
            pick.choice(names),
            pick.choice(GRADES),
        )
        for _ in range(students)
    )
    payments = tuple(
        PaymentRow(
            pick.choice(DAYS),
            pick.choice(("due", "received", "refunded", "cancelled")),
            Decimal(pick.randint(100, 99_999)) / 100,
            "EUR",
            "School trip",
            f"+R-{number}",
            pick.choice(names),
        )
        for number in range(students)
    )
    by_grade = tuple(Count(grade, sum(row.grade == grade for row in behavior)) for grade in GRADES)
    values = {
        "students": students,
        "joined": min(students, 12),
        "left": 3,
        "students_by_grade": tuple(
            Count(grade, students // 10, students // 10 + pick.randint(-2, 2)) for grade in GRADES
        ),
        "enrolments": tuple(
            (pick.choice(DAYS), pick.choice(names), pick.choice(GRADES)) for _ in range(min(students, 12))
        ),
        "behavior": behavior,
        "behavior_by_category": counted(row.category for row in behavior),
        "behavior_by_grade": by_grade,
        "absences": absences,
        "absences_by_status": counted(row.status for row in absences),
        "absences_by_day": tuple((day, sum(row.day == day for row in absences)) for day in DAYS),
        "payments": payments,
        "payments_by_status": counted(row.status for row in payments),
        "received_by_method": counted(("cash", "card", "transfer")[at % 3] for at in range(students // 4)),
        "money": (
            Money(
                "EUR",
                Decimal(125_000),
                Decimal("1200.50"),
                Decimal("98000.25"),
                Decimal(150),
                Decimal("25949.25"),
                Decimal(91_000),
            ),
            Money("JPY", Decimal(500_000), Decimal(0), Decimal(200_000), Decimal(0), Decimal(300_000)),
        ),
        "notifications": (Count("sent", 4000, 3900), Count("delivered", 3950, 3800), Count("read", 2100, 2500)),
    }
    return empty_month(**values | changes)


def counted(names: Any) -> tuple[Count, ...]:
    found: dict[str, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    return tuple(Count(name, value, value + 3) for name, value in sorted(found.items()))


def another_student(number: int) -> StudentReport:
    """A student with days, marks and texts that no other number has: a drawing program knows none of its lines yet."""
    pick = random.Random(number)
    usual = student(NAMES[number % len(NAMES)])
    return replace(
        usual,
        number=f"+S-{number}",
        grades=tuple(replace(row, given_on=pick.choice(DAYS), grade=str(pick.randint(1, 999))) for row in usual.grades),
        absences=tuple(replace(row, day=pick.choice(DAYS), reason=f"bus {pick.random()}") for row in usual.absences),
        behavior=tuple(replace(row, happened_on=pick.choice(DAYS)) for row in usual.behavior),
        payments=tuple(replace(row, on=pick.choice(DAYS), reference=f"+R-{number}") for row in usual.payments),
        remarks=tuple((pick.choice(DAYS), f"{text} {number}") for _, text in usual.remarks),
    )


def empty_student(name: str = "Ada Demo", **changes: Any) -> StudentReport:
    return StudentReport(**{"school": SCHOOL, "period": TERM, "origin": ORIGIN, "student": name} | changes)


def student(name: str = "Ada Demo", **changes: Any) -> StudentReport:
    grades = (
        ("Mathematics", "B+", "given"),
        ("Art", "A-", "given"),
        ("History", "+1", "given"),
        ("Physics", "87", "given"),
        ("Sport", "pass", "given"),
        ("Latin", "", "given"),
        ("Music", "", "excused"),
        ("Ethics", "91", "not_released"),
    )
    values = {
        "number": "+S-1042",
        "grade": "7b",
        "classes": ("Mathematics 7b", "Art 7", "Choir"),
        "grades": tuple(GradeRow(course, "Term 1", DAYS[at], *grade) for at, (course, *grade) in enumerate(grades)),
        "absences": tuple(AbsenceRow(DAYS[at], "late", "2", "bus (line 7)") for at in range(5)),
        "absences_by_status": (Count("absent", 0), Count("late", 5), Count("excused", 1)),
        "behavior": (
            BehaviorRow(DAYS[3], "Homework", "minor", "Missing twice."),
            BehaviorRow(DAYS[9], "Helpfulness", "praise", "Helped a new student."),
        ),
        "behavior_by_month": tuple((dt.date(2026, at, 1), at - 7, 12 - at) for at in range(8, 13)),
        "payments": (PaymentRow(DAYS[2], "received", Decimal("25.00"), "EUR", "Trip", "+R-7"),),
        "money": (Money("EUR", Decimal(25), Decimal(0), Decimal(25), Decimal(0), Decimal(0)),),
        "remarks": ((DAYS[20], "Ada asks good questions and helps others. " * 5),),
    }
    return empty_student(name, **values | changes)
