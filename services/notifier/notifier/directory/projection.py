"""The notifier's copy of the directory: set-based upserts, an older state never overwrites a newer one."""

import json
from collections.abc import Sequence
from typing import Any

from shared.events import Event, PersonChanged, SchoolChanged, StudentChanged
from shared.transactions.unit_of_work import UnitOfWork

TABLES = ("school", "person", "membership", "contact", "device", "preference", "student", "guardianship")

# Keep the newest state of schools.
UPSERT_SCHOOLS = """
INSERT INTO school (school_id, name, timezone, language, active, mute_details, announces, quiet_starts, quiet_ends,
                    digest_at, office, version)
SELECT school_id, name, timezone, language, active, mute_details, announces, (quiet ->> 'starts')::time,
       (quiet ->> 'ends')::time, digest_at, office, version
FROM jsonb_to_recordset(%(rows)s) AS r(school_id uuid, name text, timezone text, language text, active boolean,
                                       mute_details boolean, announces text[], quiet jsonb, digest_at time,
                                       office uuid[], version bigint)
ON CONFLICT (school_id) DO UPDATE SET name = excluded.name, timezone = excluded.timezone,
    language = excluded.language, active = excluded.active, mute_details = excluded.mute_details,
    announces = excluded.announces, quiet_starts = excluded.quiet_starts, quiet_ends = excluded.quiet_ends,
    digest_at = excluded.digest_at, office = excluded.office, version = excluded.version
WHERE school.version < excluded.version
"""

# Keep the newest state of people. The parts of a person are replaced whole, and only where this row was replaced.
UPSERT_PEOPLE = """
INSERT INTO person (person_id, active, language, timezone, given_name, family_name, quiet_starts, quiet_ends, version,
                    erased)
SELECT person_id, active, language, timezone, given_name, family_name, (quiet ->> 'starts')::time,
       (quiet ->> 'ends')::time, version, erased
FROM jsonb_to_recordset(%(rows)s) AS r(person_id uuid, active boolean, language text, timezone text, given_name text,
                                       family_name text, quiet jsonb, version bigint, erased boolean)
ON CONFLICT (person_id) DO UPDATE SET active = excluded.active, language = excluded.language,
    timezone = excluded.timezone, given_name = excluded.given_name, family_name = excluded.family_name,
    quiet_starts = excluded.quiet_starts, quiet_ends = excluded.quiet_ends, version = excluded.version,
    erased = excluded.erased
WHERE person.version < excluded.version
RETURNING person_id
"""

# Remove the parts of people that are replaced.
DELETE_PARTS = {
    table: f"DELETE FROM {table} WHERE person_id = ANY(%(people)s)"  # noqa: S608  # names of our own
    for table in ("membership", "contact", "device", "preference")
}

# Write the memberships of people.
INSERT_MEMBERSHIPS = """
INSERT INTO membership (person_id, school_id, role, grade, starts, ends)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(person_id uuid, school_id uuid, role text, grade text,
                                                starts date, ends date)
ON CONFLICT DO NOTHING
"""

# Write the addresses of people.
INSERT_CONTACTS = """
INSERT INTO contact (person_id, kind, address)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(person_id uuid, kind text, address text)
ON CONFLICT DO NOTHING
"""

# Write the devices of people. A token belongs to the person who registered it last.
INSERT_DEVICES = """
INSERT INTO device (person_id, token, fid, platform, registered_at)
SELECT DISTINCT ON (token) * FROM jsonb_to_recordset(%(rows)s)
    AS r(person_id uuid, token text, fid text, platform text, registered_at timestamptz)
ORDER BY token, registered_at DESC
ON CONFLICT (token) DO UPDATE SET person_id = excluded.person_id, fid = excluded.fid,
    platform = excluded.platform, registered_at = excluded.registered_at
WHERE device.registered_at <= excluded.registered_at
"""

# Write the preferences of people.
INSERT_PREFERENCES = """
INSERT INTO preference (person_id, kind, channel, wanted)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(person_id uuid, kind text, channel text, wanted boolean)
ON CONFLICT DO NOTHING
"""

# Keep the newest state of students.
UPSERT_STUDENTS = """
INSERT INTO student (school_id, student_id, grade, active, classes, version)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(school_id uuid, student_id uuid, grade text, active boolean,
                                                classes uuid[], version bigint)
ON CONFLICT (school_id, student_id) DO UPDATE SET grade = excluded.grade, active = excluded.active,
    classes = excluded.classes, version = excluded.version
WHERE student.version < excluded.version
RETURNING school_id, student_id
"""

# Remove the guardians of students that are replaced.
DELETE_GUARDIANS = """
DELETE FROM guardianship g USING unnest(%(schools)s::uuid[], %(students)s::uuid[]) AS s(school_id, student_id)
WHERE g.school_id = s.school_id AND g.student_id = s.student_id
"""

# Write the guardians of students.
INSERT_GUARDIANS = """
INSERT INTO guardianship (school_id, student_id, guardian_id, rank, relationship, custody, billing, emergency)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(school_id uuid, student_id uuid, guardian_id uuid, rank integer,
                                                relationship text, custody boolean, billing boolean,
                                                emergency boolean)
ON CONFLICT DO NOTHING
"""


async def apply_events(events: Sequence[Event], tx: UnitOfWork) -> None:
    """Keep the newest state of schools, people and students; calendars are not needed here."""
    schools = [e for e in events if isinstance(e, SchoolChanged)]
    people = [e for e in events if isinstance(e, PersonChanged)]
    students = [e for e in events if isinstance(e, StudentChanged)]
    if schools:
        await tx.execute(UPSERT_SCHOOLS, _rows([e.model_dump(mode="json") for e in schools]))
    if people:
        await _people(tx, people)
    if students:
        await _students(tx, students)


async def _people(tx: UnitOfWork, people: Sequence[PersonChanged]) -> None:
    states = {e.person_id: e.model_dump(mode="json") | {"erased": e.erased} for e in people}
    newer = [row["person_id"] for row in await tx.rows(UPSERT_PEOPLE, _rows(list(states.values())))]
    if not newer:
        return
    for statement in DELETE_PARTS.values():
        await tx.execute(statement, {"people": newer})
    for part, statement in (
        ("memberships", INSERT_MEMBERSHIPS),
        ("contacts", INSERT_CONTACTS),
        ("devices", INSERT_DEVICES),
        ("preferences", INSERT_PREFERENCES),
    ):
        rows = [item | {"person_id": str(person)} for person in newer for item in states[person][part]]
        if rows:
            await tx.execute(statement, _rows(rows))


async def _students(tx: UnitOfWork, students: Sequence[StudentChanged]) -> None:
    states = {(e.school_id, e.student_id): e.model_dump(mode="json") for e in students}
    written = await tx.rows(UPSERT_STUDENTS, _rows(list(states.values())))
    newer = [(row["school_id"], row["student_id"]) for row in written]
    if not newer:
        return
    schools, ids = zip(*newer, strict=True)
    await tx.execute(DELETE_GUARDIANS, {"schools": list(schools), "students": list(ids)})
    rows = [
        guardian | {"school_id": str(school), "student_id": str(student), "guardian_id": guardian["person_id"]}
        for school, student in newer
        for guardian in states[school, student]["guardians"]
    ]
    if rows:
        await tx.execute(INSERT_GUARDIANS, _rows(rows))


def _rows(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {"rows": json.dumps(rows)}
