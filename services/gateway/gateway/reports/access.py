"""Who may see which report: the office every one, teachers those of students, guardians those of their own students."""

from uuid import UUID

from gateway.problems import Problem
from gateway.security.access_control import OFFICE
from gateway.security.caller import Caller
from shared.events.reports import ReportKind
from shared.transactions.unit_of_work import UnitOfWork

# Find whether a person has custody for a student.
SELECT_CUSTODY = """
SELECT FROM guardianship
WHERE school_id = %(school)s AND student_id = %(student)s AND guardian_id = %(person)s AND custody
"""
# List the students for whom a person has custody.
LIST_STUDENTS_IN_CUSTODY = """
SELECT student_id FROM guardianship
WHERE school_id = %(school)s AND guardian_id = %(person)s AND custody ORDER BY student_id
"""


async def own_students(tx: UnitOfWork, caller: Caller, school: UUID) -> list[UUID]:
    """Return the students for whom a guardian has custody."""
    found = await tx.rows(LIST_STUDENTS_IN_CUSTODY, {"school": school, "person": caller.person})
    return [row["student_id"] for row in found]


async def may_see(tx: UnitOfWork, caller: Caller, school: UUID, kind: ReportKind, student: UUID | None) -> bool:
    """Whether the caller may request and see such a report."""
    if caller.role in OFFICE:
        return True
    if kind != "student_progress" or student is None:
        return False
    if caller.role == "teacher":
        return True
    values = {"school": school, "student": student, "person": caller.person}
    return caller.role == "guardian" and await tx.row(SELECT_CUSTODY, values) is not None


async def check_request(tx: UnitOfWork, caller: Caller, school: UUID, kind: ReportKind, student: UUID | None) -> None:
    """Raise 403 for a report that is not for this role, 404 for a student whom a guardian does not answer for."""
    if await may_see(tx, caller, school, kind, student):
        return
    if kind == "student_progress":
        raise Problem(404, "not_found")
    raise Problem(403, "forbidden", "Reports of a school or a grade are for the office and for administrators.")
