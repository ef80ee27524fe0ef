"""Classes and their people. A student's event lists the classes of the student, so each change emits it."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from psycopg import sql

from gateway.directory import added_by_hand, publish
from gateway.directory.students import members
from gateway.problems import Problem
from shared.http.preconditions import check_version
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

# Add a class; returns the id unless another one of the source has the sourcedId.
INSERT_CLASS = """
INSERT INTO school_class (class_id, school_id, source, sourced_id, title, code, kind, grades)
VALUES (%(class_id)s, %(school)s, %(source)s, %(sourced_id)s, %(title)s, %(code)s, %(kind)s, %(grades)s)
ON CONFLICT DO NOTHING RETURNING class_id
"""
# Find a class of a school that was added by hand and has a sourcedId.
SELECT_HOLDER = """
SELECT FROM school_class WHERE sourced_id = %(sourced_id)s AND source IN ('', %(own)s) AND school_id = %(school)s
"""
# Lock a class.
LOCK_CLASS = """
SELECT version, active FROM school_class WHERE class_id = %(class_id)s AND school_id = %(school)s FOR NO KEY UPDATE
"""
AT_ONCE = 500
FIELDS = ("title", "code", "kind", "grades", "active")
# Select the students of classes.
SELECT_CLASS_STUDENTS = """
SELECT s.school_id, s.student_id FROM enrolment e
JOIN student s ON s.school_id = e.school_id AND s.student_id = e.person_id
WHERE e.class_id = ANY(%(classes)s) AND e.role = 'student' AND NOT e.lapsed
"""
# Put people into a class.
UPSERT_ENROLMENTS = """
INSERT INTO enrolment AS e (class_id, person_id, role, school_id, leads, starts, ends, lapsed)
SELECT %(class_id)s, r.person_id, r.role, %(school)s, r.leads, r.starts, r.ends,
       NOT is_current(r.ends, %(school)s)
FROM jsonb_to_recordset(%(rows)s) AS r(person_id uuid, role text, leads boolean, starts date, ends date)
ORDER BY r.person_id, r.role
ON CONFLICT (class_id, person_id, role) DO UPDATE SET leads = excluded.leads, starts = excluded.starts,
    ends = excluded.ends, lapsed = excluded.lapsed
"""
# Select which people are students of a school.
SELECT_STUDENTS = "SELECT student_id FROM student WHERE school_id = %(school)s AND student_id = ANY(%(people)s)"
# End an enrolment today.
END_ENROLMENT = """
UPDATE enrolment SET ends = school_today(school_id), lapsed = true
WHERE class_id = %(class_id)s AND person_id = %(person)s AND role = %(role)s AND NOT lapsed RETURNING person_id
"""
# Let enrolments lapse that are over by their date; returns them.
# In batches: a term's end is every enrolment's. No school is more than a day ahead of UTC, where the index is read.
LAPSE_ENROLMENTS = """
WITH over AS (
    SELECT class_id, person_id, role FROM enrolment
    WHERE NOT lapsed AND ends <= current_date + 1 AND NOT is_current(ends, school_id)
    ORDER BY ends LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE enrolment e SET lapsed = true FROM over o
WHERE (e.class_id, e.person_id, e.role) = (o.class_id, o.person_id, o.role)
RETURNING e.school_id, e.person_id, e.role
"""


async def add(tx: UnitOfWork, class_id: UUID, school: UUID, facts: Mapping[str, Any]) -> None:
    """Add a class; 409 when another class of the school has the sourcedId. No event follows: the class is empty."""
    if await tx.row("SELECT FROM school WHERE school_id = %(school)s", {"school": school}) is None:
        raise Problem(404, "unknown_school")
    await added_by_hand.insert(tx, "class", SELECT_HOLDER, INSERT_CLASS, school, {"class_id": class_id, **facts})


async def change(tx: UnitOfWork, school: UUID, class_id: UUID, expected: int | None, facts: Mapping[str, Any]) -> None:
    """Change facts of a class; when its name changes, it ends or is active again, its students' events say so."""
    pupils = await _lock_students(tx, class_id) if {"active", "title"} & facts.keys() else []
    row = await tx.row(LOCK_CLASS, {"class_id": class_id, "school": school})
    if row is None:
        raise Problem(404, "not_found")
    check_version(expected, row["version"])
    names = [name for name in FIELDS if name in facts]
    assigned = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in names
    )
    query = sql.SQL("UPDATE school_class SET version = version + 1, {} WHERE class_id = {}")
    await tx.execute(query.format(assigned, sql.Placeholder("class_id")), {"class_id": class_id, **facts})
    await publish.emit_states(tx, students=pupils)


async def enrol(tx: UnitOfWork, school: UUID, class_id: UUID, enrolments: Sequence[Mapping[str, Any]]) -> None:
    """Add people to a class; 422 lists people of other schools, and those who are to be students and are not."""
    people = [each["person_id"] for each in enrolments]
    await members(tx, school, people)
    pupils = sorted({each["person_id"] for each in enrolments if each["role"] == "student"})
    found = {row["student_id"] for row in await tx.rows(SELECT_STUDENTS, {"school": school, "people": pupils})}
    if strangers := [str(person) for person in pupils if person not in found]:
        raise Problem(422, "unknown_people", "Some ids are not students of this school.", people=strangers)
    await publish.bump_students(tx, [(school, pupil) for pupil in pupils])
    row = await tx.row(LOCK_CLASS, {"class_id": class_id, "school": school})
    if row is None:
        raise Problem(404, "not_found")
    await tx.execute(UPSERT_ENROLMENTS, {"class_id": class_id, "school": school} | publish.rows(enrolments))
    await publish.emit_states(tx, students=[(school, pupil) for pupil in pupils])


async def withdraw(tx: UnitOfWork, school: UUID, class_id: UUID, person: UUID, role: str) -> None:
    """End an enrolment today; 404 when there is none that has not lapsed."""
    pupils = [(school, person)] if role == "student" else []
    await publish.bump_students(tx, pupils)
    if await tx.row(LOCK_CLASS, {"class_id": class_id, "school": school}) is None:
        raise Problem(404, "not_found")
    if await tx.row(END_ENROLMENT, {"class_id": class_id, "person": person, "role": role}) is None:
        raise Problem(404, "not_found")
    await publish.emit_states(tx, students=pupils)


async def end_lapsed(transactions: UnitOfWorkFactory) -> None:
    """Let enrolments lapse that ended by their date, which no request and no import says."""
    ended = AT_ONCE
    while ended == AT_ONCE:
        async with transactions.begin() as tx:
            rows = await tx.rows(LAPSE_ENROLMENTS, {"limit": AT_ONCE})
            pupils = sorted({(row["school_id"], row["person_id"]) for row in rows if row["role"] == "student"})
            await publish.bump_students(tx, pupils)
            await publish.emit_states(tx, students=pupils)
        ended = len(rows)


async def _lock_students(tx: UnitOfWork, class_id: UUID) -> list[tuple[UUID, UUID]]:
    pupils = sorted(
        (row["school_id"], row["student_id"]) for row in await tx.rows(SELECT_CLASS_STUDENTS, {"classes": [class_id]})
    )
    await publish.bump_students(tx, pupils)
    return pupils
