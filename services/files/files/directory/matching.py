"""Finds the student whom a document names, among the students of its school."""

from typing import Any
from uuid import UUID

from files.domain.finding import Finding
from files.domain.outcome import Match
from shared.transactions.unit_of_work import UnitOfWork

# Read the names of a school's students.
SELECT_STUDENTS = """
SELECT s.student_id, p.given_name, p.family_name, s.grade
FROM student s JOIN person p ON p.person_id = s.student_id
WHERE s.school_id = %(school)s AND s.active AND p.family_name IS NOT NULL
"""


async def match_student(tx: UnitOfWork, school: UUID, finding: Finding) -> Match:
    """Match the names that a finding has against the students of a school."""
    named = finding.fields.get("student")
    if named is None:
        return Match(reason="no_student")
    rows = await tx.rows(SELECT_STUDENTS, {"school": school})
    return _match(named.value, rows)


def _match(name: str, rows: list[dict[str, Any]]) -> Match:
    wanted = " ".join(name.casefold().split())
    found = [
        row["student_id"]
        for row in rows
        if wanted in (_joined(row, "given_name", "family_name"), _joined(row, "family_name", "given_name"))
    ]
    if len(found) == 1:
        return Match(found[0], 1.0)
    return Match(reason="ambiguous_student" if found else "no_student")


def _joined(row: dict[str, Any], *names: str) -> str:
    return " ".join(str(row[name] or "").casefold() for name in names).strip()
