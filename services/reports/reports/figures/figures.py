"""Reads the figures of a report, as of a position in the log."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from reports.domain import counts, period
from reports.domain.content import (
    AbsenceRow,
    BehaviorRow,
    Count,
    GradeRow,
    Money,
    MonthlyReport,
    Origin,
    PaymentRow,
    School,
    StudentReport,
)
from reports.facts.position import Position
from reports.figures import payments_sql, sql
from shared.errors import Reject
from shared.transactions.unit_of_work import UnitOfWork

NOTIFICATION_COUNTS = ("sent", "delivered", "read")


@dataclass(frozen=True, slots=True)
class Subject:
    """What a report is about; the period is half-open."""

    school: UUID
    starts: dt.date
    ends: dt.date
    language: str
    position: Position
    student: UUID | None = None


async def monthly(tx: UnitOfWork, subject: Subject, origin: Origin) -> MonthlyReport:
    """Read a school's month."""
    school, values = await _bounds(tx, subject, period.month_before(subject.starts))
    grades = await tx.rows(sql.COUNT_STUDENTS, values)
    movement = await tx.rows(sql.LIST_MOVEMENT, values)
    starts = subject.starts
    behavior = [_behavior(row) for row in await tx.rows(sql.LIST_BEHAVIOR, values)]
    now = [row for row in behavior if row.happened_on >= starts]
    past = [row for row in behavior if row.happened_on < starts]
    absences = [(row["student_id"], _absence(row)) for row in await tx.rows(sql.LIST_ABSENCES, values)]
    days = counts.absent_days(absences)
    payments = [_payment(row) for row in await tx.rows(payments_sql.LIST_SCHOOL_MOVEMENTS, values)]
    bad, worse = counts.incidents(now), counts.incidents(past)
    joined = [row for row in movement if row["starts"] and starts <= row["starts"] < subject.ends]
    return MonthlyReport(
        school=school,
        period=period.named(starts, subject.ends, subject.language),
        origin=origin,
        students=sum(row["students"] for row in grades),
        joined=len(joined),
        left=sum(1 for row in movement if row["ends"] and starts <= row["ends"] < subject.ends),
        students_by_grade=tuple(Count(row["grade"], row["students"]) for row in grades),
        enrolments=tuple((row["starts"], row["name"], row["grade"]) for row in joined),
        behavior_by_category=counts.counted([r.category for r in bad], [r.category for r in worse]),
        behavior_by_grade=counts.counted([r.grade for r in bad], [r.grade for r in worse]),
        absences_by_status=counts.counted(
            [status for (_, day), status in days.items() if day >= starts],
            [status for (_, day), status in days.items() if day < starts],
        ),
        absences_by_day=counts.by_day([each for each in days.items() if each[0][1] >= starts]),
        payments_by_status=counts.counted(
            [row.status for row in payments if row.on >= starts], [row.status for row in payments if row.on < starts]
        ),
        money=_money(await tx.rows(payments_sql.SUM_SCHOOL_MONEY, values)),
        notifications=_notifications(await tx.rows(sql.COUNT_NOTIFICATIONS, values)),
        behavior=tuple(now),
        payments=tuple(row for row in payments if row.on >= starts),
        absences=tuple(row for _, row in absences if row.day >= starts),
    )


async def student_progress(tx: UnitOfWork, subject: Subject, origin: Origin) -> StudentReport:
    """Read a student's progress; raises Reject for a student who was never at the school."""
    school, values = await _bounds(tx, subject, subject.starts)
    student = await tx.row(sql.SELECT_STUDENT, values)
    if student is None:
        raise Reject("the student was never at this school")
    absences = [(subject.student, _absence(row)) for row in await tx.rows(sql.LIST_STUDENT_ABSENCES, values)]
    behavior = [_behavior(row) for row in await tx.rows(sql.LIST_STUDENT_BEHAVIOR, values)]
    return StudentReport(
        school=school,
        period=period.named(subject.starts, subject.ends, subject.language),
        origin=origin,
        student=student["name"],
        grade=student["grade"],
        grades=tuple(
            GradeRow(row["course"], row["term"] or "", row["day"], row["given"])
            for row in await tx.rows(sql.LIST_STUDENT_GRADES, values)
        ),
        absences=tuple(row for _, row in absences),
        absences_by_status=counts.counted(counts.absent_days(absences).values()),
        behavior=tuple(behavior),
        behavior_by_month=counts.by_month(behavior),
        payments=tuple(_payment(row) for row in await tx.rows(payments_sql.LIST_STUDENT_MOVEMENTS, values)),
        money=_money(await tx.rows(payments_sql.SUM_STUDENT_MONEY, values)),
        remarks=tuple((row["day"], row["text"]) for row in await tx.rows(sql.LIST_STUDENT_REMARKS, values)),
    )


async def _bounds(tx: UnitOfWork, subject: Subject, since: dt.date) -> tuple[School, dict[str, Any]]:
    """Return the school and the parameters of every statement."""
    position = subject.position
    values: dict[str, Any] = {
        "school": subject.school,
        "student": subject.student,
        "starts": subject.starts,
        "ends": subject.ends,
        "since": since,
        "directory": position.directory,
        "records": position.records,
        "work": position.work,
    }
    row = await tx.row(sql.SELECT_SCHOOL, values)
    if row is None:
        raise Reject("the school is not known: rebuild the projection remember_facts")
    zone = row["timezone"]
    instants = {
        "timezone": zone,
        "starts_at": period.instant(subject.starts, zone),
        "ends_at": period.instant(subject.ends, zone),
        "since_at": period.instant(since, zone),
    }
    return School(row["name"], zone), values | instants


def _behavior(row: Mapping[str, Any]) -> BehaviorRow:
    return BehaviorRow(
        row["day"], row["category"], row["severity"], row["description"], student=row["student"], grade=row["grade"]
    )


def _absence(row: Mapping[str, Any]) -> AbsenceRow:
    return AbsenceRow(
        row["day"], row["status"], row["period"] or "", row["reason"] or "", student=row["student"], grade=row["grade"]
    )


def _payment(row: Mapping[str, Any]) -> PaymentRow:
    return PaymentRow(
        row["day"],
        row["status"],
        row["amount"],
        row["currency"],
        row["purpose"],
        row["reference"],
        student=row["student"],
    )


def _money(rows: Sequence[Mapping[str, Any]]) -> tuple[Money, ...]:
    return tuple(
        Money(
            currency=row["currency"],
            total=row["total"],
            discount=Decimal(0),
            paid=row["paid"],
            refunded=row["refunded"],
            balance=row["balance"],
            paid_before=row["paid_before"],
        )
        for row in rows
    )


def _notifications(rows: Sequence[Mapping[str, Any]]) -> tuple[Count, ...]:
    now = next(row for row in rows if row["now"])
    past = next(row for row in rows if not row["now"])
    return tuple(Count(name, now[name], past[name]) for name in NOTIFICATION_COUNTS)
