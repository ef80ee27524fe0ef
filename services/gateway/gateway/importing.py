"""A roster into the directory: set-based, chunk by chunk, each chunk one commit; a repeat changes nothing."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from gateway import directory
from gateway.roster import Org, Person, Status, Student
from shared.transaction import Transaction

SCHOOLS = """
INSERT INTO school AS s (school_id, sourced_id, name, timezone, active)
SELECT school_id, sourced_id, name, coalesce(timezone, 'UTC'), active FROM jsonb_to_recordset(%(rows)s)
    AS r(school_id uuid, sourced_id text, name text, timezone text, active boolean)
ON CONFLICT (sourced_id) DO UPDATE SET name = excluded.name,
    timezone = CASE WHEN excluded.timezone = 'UTC' THEN s.timezone ELSE excluded.timezone END,
    active = excluded.active, version = s.version + 1
WHERE (s.name, s.active) IS DISTINCT FROM (excluded.name, excluded.active)
   OR (excluded.timezone <> 'UTC' AND excluded.timezone <> s.timezone)
RETURNING school_id
"""
SCHOOL_IDS = "SELECT sourced_id, school_id FROM school WHERE sourced_id IS NOT NULL"

# Only people whose roster content changed come back, with the schools they belonged to before. Their rows are taken in
# the order of sourcedIds, like everywhere.
PEOPLE = """
WITH incoming AS (
    SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(person_id uuid, sourced_id text, given_name text,
                                                    family_name text, active boolean, digest text)
), changed AS (
    INSERT INTO person AS p (person_id, sourced_id, given_name, family_name, active, digest)
    SELECT person_id, sourced_id, given_name, family_name, active, decode(digest, 'hex') FROM incoming
    ORDER BY sourced_id
    ON CONFLICT (sourced_id) DO UPDATE SET given_name = excluded.given_name, family_name = excluded.family_name,
        active = excluded.active, digest = excluded.digest, version = p.version + 1
    WHERE p.digest IS DISTINCT FROM excluded.digest
    RETURNING person_id, sourced_id
)
SELECT c.person_id, c.sourced_id,
       array(SELECT DISTINCT m.school_id FROM membership m WHERE m.person_id = c.person_id) AS former
FROM changed c
"""
LEAVE = "DELETE FROM membership WHERE person_id = ANY(%(people)s) AND school_id = ANY(%(schools)s)"
JOIN_SCHOOLS = """
INSERT INTO membership (person_id, school_id, role, grade, starts, ends)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(person_id uuid, school_id uuid, role text, grade text,
                                                starts date, ends date)
ON CONFLICT DO NOTHING
"""
DROP_CONTACTS = "DELETE FROM contact WHERE person_id = ANY(%(people)s)"
CONTACTS = """
INSERT INTO contact (person_id, kind, address)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(person_id uuid, kind text, address text) ON CONFLICT DO NOTHING
"""
PERSON_IDS = "SELECT sourced_id, person_id FROM person WHERE sourced_id = ANY(%(ids)s)"

STUDENTS = """
INSERT INTO student AS s (school_id, student_id, grade, active, digest)
SELECT school_id, student_id, grade, true, decode(digest, 'hex') FROM jsonb_to_recordset(%(rows)s)
    AS r(school_id uuid, student_id uuid, grade text, digest text)
ON CONFLICT (school_id, student_id) DO UPDATE SET grade = excluded.grade, active = true,
    digest = excluded.digest, version = s.version + 1
WHERE s.digest IS DISTINCT FROM excluded.digest OR NOT s.active
RETURNING school_id, student_id
"""
DROP_GUARDIANS = """
DELETE FROM guardianship g USING unnest(%(schools)s::uuid[], %(students)s::uuid[]) AS s(school_id, student_id)
WHERE g.school_id = s.school_id AND g.student_id = s.student_id
"""
GUARDIANS = """
INSERT INTO guardianship (school_id, student_id, guardian_id)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(school_id uuid, student_id uuid, guardian_id uuid)
ON CONFLICT DO NOTHING
"""

# What disappeared from a complete roster is ended, not deleted; the digest goes, so that a return is a change.
# Only at the schools that the upload is about: people of other schools, or with a child there, stay.
END = """
WITH gone AS (
    UPDATE membership m SET ends = current_date
    FROM person p
    WHERE p.person_id = m.person_id AND p.sourced_id IS NOT NULL AND NOT (p.sourced_id = ANY(%(kept)s))
      AND m.school_id = ANY(%(schools)s) AND (m.ends IS NULL OR m.ends > current_date)
    RETURNING m.person_id, m.school_id, m.role
)
UPDATE person p SET digest = NULL, version = version + 1, active = p.active AND EXISTS (
    SELECT FROM membership m WHERE m.person_id = p.person_id AND (m.ends IS NULL OR m.ends > current_date)
      AND NOT EXISTS (SELECT FROM gone g WHERE (g.person_id, g.school_id, g.role)
                                             = (m.person_id, m.school_id, m.role)))
WHERE p.person_id IN (SELECT person_id FROM gone) RETURNING p.person_id
"""
END_SOME = """
UPDATE person SET active = false, digest = NULL, version = version + 1
WHERE sourced_id = ANY(%(ids)s) AND active RETURNING person_id
"""
# A student belongs to a school as long as there is a current membership as one, of an active person.
END_STUDENTS = """
UPDATE student s SET active = false, digest = NULL, version = s.version + 1
WHERE s.student_id = ANY(%(people)s) AND s.active AND NOT EXISTS (
    SELECT FROM membership m JOIN person p USING (person_id)
    WHERE m.person_id = s.student_id AND m.school_id = s.school_id AND m.role = 'student' AND p.active
      AND (m.ends IS NULL OR m.ends > current_date))
RETURNING school_id, student_id
"""


async def schools(tx: Transaction, orgs: Sequence[Org]) -> int:
    """Write the schools of a roster; returns how many are new or changed."""
    wanted = [
        {
            "school_id": uuid7(),
            "sourced_id": org.sourced_id,
            "name": org.name,
            "timezone": org.timezone,
            "active": org.status is Status.ACTIVE,
        }
        for org in orgs
        if org.is_school
    ]
    if not wanted:
        return 0
    changed = [row["school_id"] for row in await tx.rows(SCHOOLS, directory.rows(wanted))]
    await directory.tell(tx, schools=sorted(changed))
    return len(changed)


async def school_ids(tx: Transaction) -> dict[str, UUID]:
    """School ids by sourcedId."""
    return {row["sourced_id"]: row["school_id"] for row in await tx.rows(SCHOOL_IDS)}


async def people(
    tx: Transaction, chunk: Sequence[Person], schools_by_id: Mapping[str, UUID], about: Iterable[UUID] = ()
) -> int:
    """Write people with memberships and contacts; returns how many are new or changed.

    Memberships are replaced at the schools that the upload is `about` and those that a person's rows name.
    """
    present = {person.sourced_id: person for person in chunk}
    incoming = [
        {
            "person_id": uuid7(),
            "sourced_id": person.sourced_id,
            "given_name": person.given_name,
            "family_name": person.family_name,
            "active": person.enabled,
            "digest": _digest(_content(person)),
        }
        for person in present.values()
    ]
    changed = await tx.rows(PEOPLE, directory.rows(incoming))
    if not changed:
        return 0
    ids = [row["person_id"] for row in changed]
    memberships, contacts = [], []
    for row in changed:
        person = present[row["sourced_id"]]
        memberships += _memberships(row["person_id"], person, schools_by_id)
        contacts += _contacts(row["person_id"], person)
    replaced = sorted({*about, *(m["school_id"] for m in memberships)})
    await tx.execute(LEAVE, {"people": ids, "schools": replaced})
    await tx.execute(JOIN_SCHOOLS, directory.rows(memberships))
    await tx.execute(DROP_CONTACTS, {"people": ids})
    await tx.execute(CONTACTS, directory.rows(contacts))
    left = {row["person_id"]: row["former"] for row in changed}
    await directory.tell(tx, people=ids, left=left, students=await _end_students(tx, ids))
    return len(changed)


async def students(
    tx: Transaction, chunk: Sequence[Student], schools_by_id: Mapping[str, UUID], *, complete: bool
) -> int:
    """Write students with grade and guardians, everybody being there by now; returns how many changed.

    `complete`: the upload names every guardian; else those that it does not name stay.
    """
    named = {s.sourced_id for s in chunk} | {g for s in chunk for g in s.guardians}
    found = await tx.rows(PERSON_IDS, {"ids": sorted(named)})
    person = {row["sourced_id"]: row["person_id"] for row in found}
    wanted = {
        (schools_by_id[m.school], person[student.sourced_id]): student
        for student in chunk
        for m in student.memberships
        if m.role == "student" and m.status is Status.ACTIVE
    }
    incoming = [
        {
            "school_id": school,
            "student_id": pupil,
            "grade": student.grade,
            "digest": _digest([student.grade, sorted(student.guardians)]),
        }
        for (school, pupil), student in wanted.items()
    ]
    taken = await tx.rows(STUDENTS, directory.rows(incoming))
    changed = [(row["school_id"], row["student_id"]) for row in taken]
    if not changed:
        return 0
    guardians = [
        {"school_id": school, "student_id": pupil, "guardian_id": person[guardian]}
        for school, pupil in changed
        for guardian in wanted[school, pupil].guardians
        if guardian in person
    ]
    school_column, pupil_column = zip(*changed, strict=True)
    if complete:
        await tx.execute(DROP_GUARDIANS, {"schools": list(school_column), "students": list(pupil_column)})
    await tx.execute(GUARDIANS, directory.rows(guardians))
    await directory.tell(tx, students=changed)
    return len(changed)


async def end_all_but(tx: Transaction, kept: Iterable[str], schools: Iterable[UUID]) -> int:
    """End whoever an earlier roster placed at these schools and this complete one does not name."""
    return await _ended(tx, await tx.rows(END, {"kept": sorted(kept), "schools": sorted(schools)}))


async def end(tx: Transaction, ids: Iterable[str]) -> int:
    """End the people that a delta marks as to be deleted."""
    return await _ended(tx, await tx.rows(END_SOME, {"ids": sorted(ids)}))


async def _ended(tx: Transaction, ended: Sequence[Mapping[str, Any]]) -> int:
    ids = [row["person_id"] for row in ended]
    if ids:
        await directory.tell(tx, people=ids, students=await _end_students(tx, ids))
    return len(ids)


async def _end_students(tx: Transaction, people: Sequence[UUID]) -> list[tuple[UUID, UUID]]:
    pupils = await tx.rows(END_STUDENTS, {"people": list(people)})
    return [(row["school_id"], row["student_id"]) for row in pupils]


def _memberships(person_id: UUID, person: Person, schools_by_id: Mapping[str, UUID]) -> list[dict[str, Any]]:
    return [
        {
            "person_id": person_id,
            "school_id": schools_by_id[m.school],
            "role": m.role,
            "grade": person.grade if m.role == "student" else None,
            "starts": m.begins,
            "ends": m.ends,
        }
        for m in person.memberships
        if m.status is Status.ACTIVE
    ]


def _contacts(person_id: UUID, person: Person) -> list[dict[str, Any]]:
    found = [("mail", person.email), ("phone", person.sms or person.phone)]
    return [{"person_id": person_id, "kind": kind, "address": address} for kind, address in found if address]


def _content(person: Person) -> list[Any]:
    memberships = sorted(
        [m.school, m.role, str(m.begins), str(m.ends)] for m in person.memberships if m.status is Status.ACTIVE
    )
    names = [person.given_name, person.family_name, person.email, person.phone, person.sms]
    return [*names, person.grade, person.enabled, memberships]


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]
