"""The file service's copy of the directory: an older state never overwrites a newer one."""

import json
from collections.abc import Sequence
from typing import Any

from shared.events import Event, PersonChanged, SchoolChanged, StudentChanged
from shared.transactions.unit_of_work import UnitOfWork

TABLES = ("school", "person", "student")

# Keep the newest state of schools.
UPSERT_SCHOOLS = """
INSERT INTO school (school_id, timezone, language, version)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(school_id uuid, timezone text, language text, version bigint)
ON CONFLICT (school_id) DO UPDATE SET timezone = excluded.timezone, language = excluded.language,
    version = excluded.version
WHERE school.version < excluded.version
"""
# Keep the newest names of people; an erased person has none.
UPSERT_PEOPLE = """
INSERT INTO person (person_id, given_name, family_name, version, erased)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(person_id uuid, given_name text, family_name text, version bigint,
                                                erased boolean)
ON CONFLICT (person_id) DO UPDATE SET given_name = excluded.given_name, family_name = excluded.family_name,
    version = excluded.version, erased = excluded.erased
WHERE person.version < excluded.version
"""
# Keep the newest state of students.
UPSERT_STUDENTS = """
INSERT INTO student (school_id, student_id, grade, active, classes, version)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(school_id uuid, student_id uuid, grade text, active boolean,
                                                classes uuid[], version bigint)
ON CONFLICT (school_id, student_id) DO UPDATE SET grade = excluded.grade, active = excluded.active,
    classes = excluded.classes, version = excluded.version
WHERE student.version < excluded.version
"""
STATEMENTS: dict[type[Event], tuple[str, set[str]]] = {
    SchoolChanged: (UPSERT_SCHOOLS, {"school_id", "timezone", "language", "version"}),
    PersonChanged: (UPSERT_PEOPLE, {"person_id", "given_name", "family_name", "version"}),
    StudentChanged: (UPSERT_STUDENTS, {"school_id", "student_id", "grade", "active", "classes", "version"}),
}


async def remember_directory(events: Sequence[Event], tx: UnitOfWork) -> None:
    """Keep the newest state of schools, names and students; calendars are not needed here."""
    for kind, (statement, fields) in STATEMENTS.items():
        rows = [_row(event, fields) for event in events if isinstance(event, kind)]
        if rows:
            await tx.execute(statement, {"rows": json.dumps(rows)})


def _row(event: Event, fields: set[str]) -> dict[str, Any]:
    row = event.model_dump(mode="json", include=fields)
    return row | {"erased": event.erased} if isinstance(event, PersonChanged) else row
