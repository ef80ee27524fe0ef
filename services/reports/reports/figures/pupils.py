"""Reads the students of a school, with the names of those that a report lists."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from reports.domain.enrolment import Pupil
from reports.figures import sql
from shared.transactions.unit_of_work import UnitOfWork


async def read_pupils(tx: UnitOfWork, values: dict[str, Any], listed: Collection[UUID]) -> dict[UUID, Pupil]:
    """Return all students by id. `listed` ones have their names, and those who joined in the period or of `grade`."""
    rows = await tx.rows(sql.LIST_STUDENTS, values)
    grade = values.get("grade")
    named = {
        row["student_id"]
        for row in rows
        if (row["starts"] and row["starts"] >= values["starts"]) or (grade is not None and row["grade"] == grade)
    }
    names = await tx.rows(sql.LIST_NAMES, values | {"students": list(named | set(listed))})
    name = {row["person_id"]: row["name"] for row in names}
    found = {
        row["student_id"]: Pupil(name.get(row["student_id"], ""), row["grade"], row["starts"], row["ends"])
        for row in rows
    }
    # A record may come before its student does.
    unknown = {student: Pupil(name[student], "") for student in name.keys() - found.keys()}
    return found | unknown
