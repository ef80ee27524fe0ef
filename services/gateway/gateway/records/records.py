"""Records of students: recorded, corrected, withdrawn; each state is emitted with its version."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import psycopg

from gateway.directory import publish
from gateway.problems import Problem
from shared.events import AbsenceRecorded, BehaviorRecorded, GradeRecorded, PaymentRecorded, RemarkRecorded
from shared.events.records import RecordEvent
from shared.http.preconditions import check_version
from shared.transactions.unit_of_work import UnitOfWork

Kind = Literal["behavior", "payment", "absence", "grade", "remark"]

# Select the directory version of an active school.
SELECT_SCHOOL = "SELECT directory_version FROM school WHERE school_id = %(school)s AND active"
# Select which people are students of a school.
SELECT_STUDENTS = "SELECT student_id FROM student WHERE school_id = %(school)s AND student_id = ANY(%(students)s)"
# Add records; returns those that are new.
INSERT_RECORDS = """
INSERT INTO record (record_id, school_id, student_id, kind, day, status, facts, recorded_by)
SELECT record_id, %(school)s, student_id, %(kind)s, day, status, facts, %(by)s
FROM jsonb_to_recordset(%(rows)s) AS r(record_id uuid, student_id uuid, day date, status text, facts jsonb)
ORDER BY student_id, day
ON CONFLICT DO NOTHING RETURNING record_id, student_id, facts, version, withdrawn, recorded_by, changed_at
"""
# Lock a record.
LOCK_RECORD = """
SELECT version, withdrawn FROM record
WHERE record_id = %(record)s AND school_id = %(school)s AND kind = %(kind)s FOR NO KEY UPDATE
"""
# Change a record, or withdraw it; returns its new state.
UPDATE_RECORD = """
UPDATE record SET day = coalesce(%(day)s, day), status = coalesce(%(status)s, status),
    facts = coalesce(%(facts)s::jsonb, facts), withdrawn = %(withdrawn)s, version = version + 1,
    recorded_by = %(by)s, changed_at = clock_timestamp()
WHERE record_id = %(record)s
RETURNING record_id, student_id, facts, version, withdrawn, recorded_by, changed_at
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One record before it is written: lists filter by `day` and `status`; `facts` are the event's own fields."""

    record: UUID
    student: UUID
    day: dt.date
    status: str | None
    facts: Mapping[str, Any]


async def add(tx: UnitOfWork, kind: Kind, school: UUID, by: UUID | None, entries: Sequence[Entry]) -> None:
    """Record all or nothing. 422 lists every unknown student; 409 the students who have such a record already."""
    new = await add_missing(tx, kind, school, by, entries)
    if len(new) < len(entries):
        twice = sorted({str(entry.student) for entry in entries if entry.record not in new})
        raise Problem(409, "conflict", "This is already recorded. Correct that record instead.", people=twice)


async def add_missing(
    tx: UnitOfWork, kind: Kind, school: UUID, by: UUID | None, entries: Sequence[Entry]
) -> frozenset[UUID]:
    """Record what is not recorded yet; returns the ids of new records. 422 lists every unknown student."""
    version = await _version(tx, school)
    wanted = [entry.student for entry in entries]
    found = {row["student_id"] for row in await tx.rows(SELECT_STUDENTS, {"school": school, "students": wanted})}
    if unknown := sorted({*wanted} - found):
        raise Problem(
            422, "unknown_people", "Some ids are not students of this school.", people=[str(each) for each in unknown]
        )
    rows = [
        {"record_id": e.record, "student_id": e.student, "day": e.day, "status": e.status, "facts": e.facts}
        for e in entries
    ]
    written = await tx.rows(INSERT_RECORDS, {"school": school, "kind": kind, "by": by} | publish.rows(rows))
    for row in written:
        tx.emit(_event(kind, school, version, row))
    return frozenset(row["record_id"] for row in written)


async def correct(tx: UnitOfWork, kind: Kind, school: UUID, by: UUID | None, expected: int, entry: Entry) -> None:
    """Correct a record as its next version. 404, 412, 409 when it was withdrawn or equals another record."""
    await _hold(tx, kind, school, entry.record, expected)
    values = {"day": entry.day, "status": entry.status, "facts": publish.document(entry.facts), "withdrawn": False}
    await _change(tx, kind, school, by, entry.record, values)


async def withdraw(tx: UnitOfWork, kind: Kind, school: UUID, by: UUID | None, expected: int, record: UUID) -> None:
    """Withdraw a record that was a mistake. It stays, with its last facts, so that readers of it can be corrected."""
    await _hold(tx, kind, school, record, expected)
    values = {"day": None, "status": None, "facts": None, "withdrawn": True}
    await _change(tx, kind, school, by, record, values)


async def _hold(tx: UnitOfWork, kind: Kind, school: UUID, record: UUID, expected: int) -> None:
    row = await tx.row(LOCK_RECORD, {"record": record, "school": school, "kind": kind})
    if row is None:
        raise Problem(404, "not_found")
    check_version(expected, row["version"])
    if row["withdrawn"]:
        raise Problem(409, "conflict", "The record was withdrawn. Create a new record.")


async def _change(
    tx: UnitOfWork, kind: Kind, school: UUID, by: UUID | None, record: UUID, values: Mapping[str, Any]
) -> None:
    version = await _version(tx, school)
    try:
        row = await tx.row(UPDATE_RECORD, {"record": record, "by": by, **values})
    except psycopg.errors.UniqueViolation:
        raise Problem(409, "conflict", "Another record already has these facts.") from None
    assert row is not None
    tx.emit(_event(kind, school, version, row))


async def _version(tx: UnitOfWork, school: UUID) -> int:
    row = await tx.row(SELECT_SCHOOL, {"school": school})
    if row is None:
        raise Problem(404, "unknown_school")
    version: int = row["directory_version"]
    return version


def _event(kind: Kind, school: UUID, version: int, row: Mapping[str, Any]) -> RecordEvent:
    shared = {name: row[name] for name in ("record_id", "student_id", "version", "withdrawn", "recorded_by")}
    facts = {
        **row["facts"],
        **shared,
        "school_id": school,
        "directory_version": version,
        # The time of this version: a correction is news from the moment when it is made.
        "recorded_at": row["changed_at"],
    }
    match kind:
        case "behavior":
            return BehaviorRecorded(**facts)
        case "payment":
            return PaymentRecorded(**facts)
        case "absence":
            return AbsenceRecorded(**facts)
        case "grade":
            return GradeRecorded(**facts)
        case "remark":
            return RemarkRecorded(**facts)
