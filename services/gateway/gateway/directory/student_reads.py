"""Answers about students: one statement finds them, another reads the fields of each."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlmodel import col, select

from gateway.tables import EnrolmentRow, GuardianshipRow, StudentRow
from shared.persistence.query import Query, given, showing
from shared.transactions.unit_of_work import UnitOfWork


class Found(BaseModel):
    """A student of the school."""

    student_id: UUID


OF_CLASS = select(EnrolmentRow.person_id).where(
    col(EnrolmentRow.class_id) == given("school_class"), EnrolmentRow.role == "student", ~col(EnrolmentRow.lapsed)
)
OF_GUARDIAN = select(GuardianshipRow.student_id).where(
    col(GuardianshipRow.school_id) == given("school"), GuardianshipRow.guardian_id == given("guardian")
)
FIND_STUDENTS = Query(
    Found,
    showing(Found, StudentRow)
    .where(col(StudentRow.school_id) == given("school"))
    .order_by(col(StudentRow.student_id))
    .limit(given("limit")),
    id=col(StudentRow.student_id) == given("id"),
    grade=col(StudentRow.grade) == given("grade"),
    active=col(StudentRow.active) == given("active"),
    school_class=col(StudentRow.student_id).in_(OF_CLASS),
    guardian=col(StudentRow.student_id).in_(OF_GUARDIAN),
    self=col(StudentRow.student_id) == given("self"),
    after=col(StudentRow.student_id) > given("after"),
)
"""Students of a school, by id."""
# Select students for answers.
SELECT_STUDENTS = """
SELECT s.student_id AS id, p.given_name, p.family_name, s.grade, s.active, s.version,
    array(SELECT e.class_id FROM current_enrolment e
           WHERE e.person_id = s.student_id AND e.school_id = s.school_id AND e.role = 'student'
           ORDER BY e.class_id) AS classes,
    (SELECT coalesce(jsonb_agg(to_jsonb(g) || jsonb_build_object('person_id', g.guardian_id)
                               ORDER BY g.rank, g.guardian_id), '[]')
       FROM guardianship g WHERE g.school_id = s.school_id AND g.student_id = s.student_id) AS guardians
FROM student s JOIN person p ON p.person_id = s.student_id
WHERE s.school_id = %(school)s AND s.student_id = ANY(%(students)s) ORDER BY s.student_id
"""


async def students(tx: UnitOfWork, school: UUID, found: Sequence[Found]) -> list[dict[str, Any]]:
    """Read the fields of students, in the order of their ids."""
    return await tx.rows(SELECT_STUDENTS, {"school": school, "students": [each.student_id for each in found]})
