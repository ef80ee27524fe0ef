"""Facts about schools, students and their names."""

from collections.abc import Sequence
from typing import Any

from reports.facts.rows import add_rows
from shared.events import PersonChanged, SchoolChanged, StudentChanged
from shared.projections.projector import LoggedEvent
from shared.transactions.unit_of_work import UnitOfWork

# Add versions of schools.
ADD_SCHOOLS = """
INSERT INTO school_fact AS f (school_id, version, log_offset, name, timezone, language, active, letterhead, color, logo)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(school_id uuid, version bigint, log_offset bigint, name text,
                                                timezone text, language text, active boolean, letterhead text,
                                                color text, logo text)
ON CONFLICT (school_id, version) DO UPDATE SET log_offset = excluded.log_offset
WHERE excluded.log_offset < f.log_offset
"""
OF_SCHOOLS = {"school_id", "version", "name", "timezone", "language", "active", "letterhead", "color", "logo"}
# Add versions of students at a school. A repeat that came first in the log also says when it was.
ADD_STUDENTS = """
INSERT INTO student_fact AS f (school_id, student_id, version, log_offset, changed_at, grade, active, class_names)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(school_id uuid, student_id uuid, version bigint, log_offset bigint,
                                                changed_at timestamptz, grade text, active boolean, class_names text[])
ON CONFLICT (school_id, student_id, version) DO UPDATE SET log_offset = excluded.log_offset,
    changed_at = excluded.changed_at
WHERE excluded.log_offset < f.log_offset
"""
OF_STUDENTS = {"school_id", "student_id", "version", "grade", "active", "class_names"}
# Add versions of people. After an erasure an event has no names any more; it may be read again.
ADD_PEOPLE = """
INSERT INTO person_fact AS f (person_id, version, log_offset, given_name, family_name, erased)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(person_id uuid, version bigint, log_offset bigint, given_name text,
                                                family_name text, erased boolean)
ON CONFLICT (person_id, version) DO UPDATE SET log_offset = excluded.log_offset
WHERE excluded.log_offset < f.log_offset
"""
# Add what these versions say about when a person is a student where.
ADD_MEMBERSHIPS = """
INSERT INTO membership_fact AS f (person_id, version, log_offset, school_id, starts, ends)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(person_id uuid, version bigint, log_offset bigint, school_id uuid,
                                                starts date, ends date)
ON CONFLICT (person_id, version, school_id) DO UPDATE SET log_offset = excluded.log_offset
WHERE excluded.log_offset < f.log_offset
"""


async def add_schools(tx: UnitOfWork, facts: Sequence[tuple[SchoolChanged, LoggedEvent]]) -> None:
    """Add versions of schools."""
    rows = [event.model_dump(mode="json", include=OF_SCHOOLS) | {"log_offset": each.offset} for event, each in facts]
    await add_rows(tx, ADD_SCHOOLS, rows, "school_id", "version")


async def add_students(tx: UnitOfWork, facts: Sequence[tuple[StudentChanged, LoggedEvent]]) -> None:
    """Add versions of students."""
    rows = [
        event.model_dump(mode="json", include=OF_STUDENTS)
        | {"log_offset": each.offset, "changed_at": each.at.isoformat()}
        for event, each in facts
    ]
    await add_rows(tx, ADD_STUDENTS, rows, "school_id", "student_id", "version")


async def add_people(tx: UnitOfWork, facts: Sequence[tuple[PersonChanged, LoggedEvent]]) -> None:
    """Add versions of people who are students, or who are nothing any more and may have been.

    The event alone decides, so that the order of events does not matter.
    """
    kept = [(event, each) for event, each in facts if _may_be_student(event)]
    rows: list[dict[str, Any]] = [
        event.model_dump(mode="json", include={"person_id", "version", "given_name", "family_name"})
        | {"log_offset": each.offset, "erased": event.erased}
        for event, each in kept
    ]
    await add_rows(tx, ADD_PEOPLE, rows, "person_id", "version")
    memberships = [
        membership.model_dump(mode="json", include={"school_id", "starts", "ends"})
        | {"person_id": str(event.person_id), "version": event.version, "log_offset": each.offset}
        for event, each in kept
        for membership in event.memberships
        if membership.role == "student"
    ]
    await add_rows(tx, ADD_MEMBERSHIPS, memberships, "person_id", "version", "school_id")


def _may_be_student(event: PersonChanged) -> bool:
    return not event.memberships or any(membership.role == "student" for membership in event.memberships)
