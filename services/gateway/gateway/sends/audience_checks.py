"""Checks of an audience: every id is the school's, and it means some person. The notifier finds the people."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from gateway.problems import Problem
from shared.events import Audience
from shared.transactions.unit_of_work import UnitOfWork

# Select which people belong or belonged to a school.
SELECT_MEMBERS = """
SELECT DISTINCT person_id AS id FROM membership WHERE school_id = %(school)s AND person_id = ANY(%(ids)s)
"""
# Select which people are or were students of a school.
SELECT_STUDENTS = "SELECT student_id AS id FROM student WHERE school_id = %(school)s AND student_id = ANY(%(ids)s)"
# Select which classes are a school's.
SELECT_CLASSES = "SELECT class_id AS id FROM school_class WHERE school_id = %(school)s AND class_id = ANY(%(ids)s)"
# Ask whether a grade or classes mean any student.
FIND_AUDIENCE = "SELECT EXISTS (SELECT FROM audience_students(%(school)s, %(grade)s, %(classes)s)) AS found"


async def check_ids(tx: UnitOfWork, school: UUID, audience: Audience) -> None:
    """Refuse ids of another school; 422 lists them."""
    await _all(tx, SELECT_MEMBERS, school, audience.people, "people")
    await _all(tx, SELECT_STUDENTS, school, audience.students, "people")
    await _all(tx, SELECT_CLASSES, school, audience.classes, "classes")


async def has_members(tx: UnitOfWork, school: UUID, audience: Audience) -> bool:
    """Return whether a grade or a class has a student; named people and the whole school are not checked."""
    if audience.grade is None and audience.classes is None:
        return True
    values = {"school": school, "grade": audience.grade, "classes": list(audience.classes or ())}
    row = await tx.row(FIND_AUDIENCE, values)
    return row is not None and bool(row["found"])


async def _all(tx: UnitOfWork, query: str, school: UUID, ids: Sequence[UUID] | None, what: str) -> None:
    if ids is None:
        return
    known = {row["id"] for row in await tx.rows(query, {"school": school, "ids": list(ids)})}
    if unknown := sorted(set(ids) - known):
        listed: dict[str, Any] = {what: [str(each) for each in unknown]}
        raise Problem(422, f"unknown_{what}", **listed)
