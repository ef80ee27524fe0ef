"""Students and their guardians: responsible for which matters, and asked in which order."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from gateway.directory import publish
from gateway.problems import Problem
from shared.http.preconditions import check_version
from shared.transactions.unit_of_work import UnitOfWork

# Lock a student.
LOCK_STUDENT = """
SELECT version FROM student WHERE school_id = %(school)s AND student_id = %(student)s FOR NO KEY UPDATE
"""
# Select which people belong to a school today.
SELECT_MEMBERS = """
SELECT DISTINCT person_id FROM current_membership WHERE school_id = %(school)s AND person_id = ANY(%(people)s)
"""
# Store what a school says about the guardians of a student, and that the others are none.
UPSERT_CHOICES = """
WITH stated AS (
    SELECT r.*, true AS guardian, NOT EXISTS (
        SELECT FROM guardianship g WHERE (g.school_id, g.student_id, g.guardian_id)
                                       = (%(school)s, %(student)s, r.person_id)) AS added
    FROM jsonb_to_recordset(%(rows)s) AS r(person_id uuid, rank smallint, custody boolean, billing boolean,
                                           emergency boolean)
    UNION ALL
    SELECT g.guardian_id, g.rank, g.custody, g.billing, g.emergency, false, false FROM guardianship g
    WHERE (g.school_id, g.student_id) = (%(school)s, %(student)s) AND g.guardian_id <> ALL(ARRAY(
        SELECT r.person_id FROM jsonb_to_recordset(%(rows)s) AS r(person_id uuid)))
)
INSERT INTO guardian_choice AS c (school_id, student_id, guardian_id, rank, custody, billing, emergency, guardian,
                                  added)
SELECT %(school)s, %(student)s, person_id, rank, custody, billing, emergency, guardian, added FROM stated
ORDER BY person_id
ON CONFLICT (school_id, student_id, guardian_id) DO UPDATE SET guardian = excluded.guardian, rank = excluded.rank,
    custody = excluded.custody, billing = excluded.billing, emergency = excluded.emergency,
    added = c.added AND excluded.guardian OR excluded.added
"""
# Delete all guardians of a student.
DELETE_GUARDIANS = "DELETE FROM guardianship WHERE school_id = %(school)s AND student_id = %(student)s"
# Add guardians of a student.
INSERT_GUARDIANS = """
INSERT INTO guardianship (school_id, student_id, guardian_id, relationship, rank, custody, billing, emergency)
SELECT %(school)s, %(student)s, person_id, relationship, rank, custody, billing, emergency
FROM jsonb_to_recordset(%(rows)s) AS r(person_id uuid, relationship text, rank smallint, custody boolean,
                                       billing boolean, emergency boolean)
"""
# Set the grade of a student, in the membership too, for lists of people.
UPDATE_GRADE = """
WITH member AS (
    UPDATE membership SET grade = %(grade)s
    WHERE person_id = %(student)s AND school_id = %(school)s AND role = 'student'
)
UPDATE student SET grade = %(grade)s WHERE school_id = %(school)s AND student_id = %(student)s
"""


async def members(tx: UnitOfWork, school: UUID, people: Sequence[UUID]) -> None:
    """Check that people belong to the school today; 422 lists the others."""
    found = await tx.rows(SELECT_MEMBERS, {"school": school, "people": list(people)})
    unknown = sorted(set(people) - {row["person_id"] for row in found})
    if unknown:
        raise Problem(422, "unknown_people", people=[str(person) for person in unknown])


async def regrade(tx: UnitOfWork, school: UUID, student: UUID, expected: int | None, grade: str | None) -> None:
    """Move a student to another grade."""
    # The person first: both are published, and people come before students in the order of locks.
    await publish.bump_people(tx, [student])
    await _lock(tx, school, student, expected)
    await tx.execute(UPDATE_GRADE, {"school": school, "student": student, "grade": grade})
    await publish.bump_students(tx, [(school, student)])
    await publish.emit_states(tx, people=[student], students=[(school, student)])


async def replace_guardians(
    tx: UnitOfWork, school: UUID, student: UUID, expected: int | None, guardians: Sequence[Mapping[str, Any]]
) -> None:
    """Replace all guardians of a student."""
    await _lock(tx, school, student, expected)
    await members(tx, school, [guardian["person_id"] for guardian in guardians])
    ids = {"school": school, "student": student}
    await tx.execute(UPSERT_CHOICES, ids | publish.rows(guardians))
    await tx.execute(DELETE_GUARDIANS, ids)
    await tx.execute(INSERT_GUARDIANS, ids | publish.rows(guardians))
    await publish.bump_students(tx, [(school, student)])
    await publish.emit_states(tx, students=[(school, student)])


async def _lock(tx: UnitOfWork, school: UUID, student: UUID, expected: int | None) -> None:
    row = await tx.row(LOCK_STUDENT, {"school": school, "student": student})
    if row is None:
        raise Problem(404, "not_found")
    check_version(expected, row["version"])
