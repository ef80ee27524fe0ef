"""Finds the student whom a document names, among the students of its school."""

from uuid import UUID

from files.domain.finding import Finding
from files.domain.outcome import Match
from files.extraction import Candidate, Printed, match_person
from shared.transactions.unit_of_work import UnitOfWork

# Read the names of a school's students.
SELECT_STUDENTS = """
SELECT s.student_id, p.given_name, p.family_name
FROM student s JOIN person p ON p.person_id = s.student_id
WHERE s.school_id = %(school)s AND s.active AND p.family_name IS NOT NULL
"""


async def match_student(tx: UnitOfWork, school: UUID, finding: Finding) -> Match:
    """Match the name that a finding has against the students of a school."""
    named, number = finding.fields.get("student"), finding.fields.get("student_number")
    if named is None:
        return Match(reason="no_student")
    rows = await tx.rows(SELECT_STUDENTS, {"school": school})
    candidates = [Candidate(str(row["student_id"]), row["given_name"] or "", row["family_name"]) for row in rows]
    found = match_person(Printed(named.value, number.value if number else None), candidates)
    return Match(UUID(found.person_id) if found.person_id else None, found.confidence, found.reason)
