"""Reads the figures of a report, as of a position in the log."""

import datetime as dt
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from reports.domain import counts, enrolment, period
from reports.domain.content import (
    UNSTATED,
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
from reports.domain.enrolment import UNKNOWN, Pupil
from reports.domain.fees import movements, settled, sums
from reports.facts.position import Position
from reports.figures import payments_sql, sql
from reports.figures.pupils import read_pupils
from shared.errors import Reject
from shared.transactions.unit_of_work import UnitOfWork

NOTIFICATION_COUNTS = ("sent", "delivered", "read")

Pupils = Mapping[UUID, Pupil]
"""Students of a report by id. A student's own report names no student in its lists, so it has none."""


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
    since = period.month_before(subject.starts)
    school, values = await _bounds(tx, subject, since)
    starts = subject.starts
    incidents = await tx.rows(sql.LIST_BEHAVIOR, values)
    absent = await tx.rows(sql.LIST_ABSENCES, values)
    fees = await tx.rows(payments_sql.LIST_SCHOOL_FEES, values)
    money = sums(fees, since, starts, subject.ends)
    used = {row["currency"] for row in await tx.rows(payments_sql.LIST_CURRENCIES, values)}
    if unmoved := sorted(used - money.keys()):
        values["currencies"] = unmoved
        money |= _settled(await tx.rows(payments_sql.LIST_SCHOOL_SETTLED, values))
    named = {row["student_id"] for rows in (incidents, absent) for row in rows if row["day"] >= starts}
    paying = {row["student_id"] for row in fees if any(movements(row, starts, subject.ends))}
    pupils = await read_pupils(tx, values, named | paying)
    behavior = [_behavior(row, pupils) for row in incidents]
    now = [row for row in behavior if row.happened_on >= starts]
    past = [row for row in behavior if row.happened_on < starts]
    absences = [(row["student_id"], _absence(row, pupils)) for row in absent]
    days = counts.absent_days(absences)
    payments = [row for each in fees for row in _payments(each, pupils, since, subject.ends)]
    payments.sort(key=lambda row: row.on)
    grades = enrolment.by_grade(pupils.values(), subject.ends)
    bad, worse = counts.incidents(now), counts.incidents(past)
    joined = enrolment.joined(pupils.values(), starts, subject.ends)
    return MonthlyReport(
        school=school,
        period=period.named(starts, subject.ends, subject.language),
        origin=origin,
        students=sum(count.value or 0 for count in grades),
        joined=len(joined),
        left=enrolment.count_left(pupils.values(), starts, subject.ends),
        students_by_grade=grades,
        enrolments=joined,
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
        received_by_method=counts.counted(
            [row.method for row in payments if row.status == "received" and row.on >= starts],
            [row.method for row in payments if row.status == "received" and row.on < starts],
        ),
        money=tuple(money[currency] for currency in sorted(money)),
        notifications=_notifications(await tx.row(sql.COUNT_NOTIFICATIONS, values)),
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
    absences = [(subject.student, _absence(row, {})) for row in await tx.rows(sql.LIST_STUDENT_ABSENCES, values)]
    behavior = [_behavior(row, {}) for row in await tx.rows(sql.LIST_STUDENT_BEHAVIOR, values)]
    fees = await tx.rows(payments_sql.LIST_STUDENT_FEES, values)
    money = _settled(await tx.rows(payments_sql.LIST_STUDENT_SETTLED, values))
    money |= sums(fees, subject.starts, subject.starts, subject.ends)
    payments = [row for each in fees for row in _payments(each, {}, subject.starts, subject.ends)]
    return StudentReport(
        school=school,
        period=period.named(subject.starts, subject.ends, subject.language),
        origin=origin,
        student=student["name"],
        grade=student["grade"],
        classes=tuple(sorted(student["class_names"], key=counts.natural)),
        grades=tuple(
            GradeRow(row["course"], row["term"] or "", row["day"], row["given"], row["state"])
            for row in await tx.rows(sql.LIST_STUDENT_GRADES, values)
        ),
        absences=tuple(row for _, row in absences),
        absences_by_status=counts.counted(counts.absent_days(absences).values()),
        behavior=tuple(behavior),
        behavior_by_month=counts.by_month(behavior),
        payments=tuple(sorted(payments, key=lambda row: row.on)),
        money=tuple(money[currency] for currency in sorted(money)),
        remarks=tuple((row["day"], row["text"]) for row in await tx.rows(sql.LIST_STUDENT_REMARKS, values)),
    )


async def students_of_grade(tx: UnitOfWork, subject: Subject, grade: str) -> list[UUID]:
    """Return the students of a grade who were at the school in the period, by name; erased ones are left out."""
    _, values = await _bounds(tx, subject, subject.starts)
    pupils = await read_pupils(tx, values | {"grade": grade}, [])
    named = [(student, pupil) for student, pupil in pupils.items() if pupil.name]
    return enrolment.in_grade(named, grade, subject.starts, subject.ends)


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
    logo = b64decode(row["logo"]) if row["logo"] else None
    return School(row["name"], zone, row["letterhead"], row["color"], logo), values | instants


def _behavior(row: Mapping[str, Any], pupils: Pupils) -> BehaviorRow:
    pupil = pupils.get(row["student_id"], UNKNOWN)
    return BehaviorRow(
        row["day"], row["category"], row["severity"], row["description"], student=pupil.name, grade=pupil.grade
    )


def _absence(row: Mapping[str, Any], pupils: Pupils) -> AbsenceRow:
    pupil = pupils.get(row["student_id"], UNKNOWN)
    return AbsenceRow(
        row["day"], row["status"], row["period"] or "", row["reason"] or "", student=pupil.name, grade=pupil.grade
    )


def _payments(row: Mapping[str, Any], pupils: Pupils, since: dt.date, ends: dt.date) -> Iterator[PaymentRow]:
    for on, status, amount in movements(row, since, ends):
        yield PaymentRow(
            on,
            status,
            amount,
            row["currency"],
            row["purpose"],
            row["reference"],
            student=pupils.get(row["student_id"], UNKNOWN).name,
            method=row["method"] or UNSTATED,
        )


def _settled(rows: Iterable[Mapping[str, Any]]) -> dict[str, Money]:
    return {row["currency"]: settled(row["currency"]) for row in rows}


def _notifications(row: Mapping[str, Any] | None) -> tuple[Count, ...]:
    assert row is not None
    return tuple(Count(name, int(row[name] or 0), int(row[f"{name}_before"] or 0)) for name in NOTIFICATION_COUNTS)
