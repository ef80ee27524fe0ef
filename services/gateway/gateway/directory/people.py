"""People, their memberships and their addresses: they are ended and not deleted, and erased on request."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from psycopg import sql

from gateway.directory import added_by_hand, publish
from gateway.problems import Problem
from shared.http.preconditions import check_version
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

# Add a person; returns the id unless another one of the source has the sourcedId.
INSERT_PERSON = """
INSERT INTO person (person_id, source, sourced_id, given_name, family_name, language, timezone, quiet_starts,
                    quiet_ends)
VALUES (%(person_id)s, %(source)s, %(sourced_id)s, %(given_name)s, %(family_name)s, %(language)s, %(timezone)s,
        %(quiet_starts)s, %(quiet_ends)s)
ON CONFLICT DO NOTHING RETURNING person_id
"""
# Find a person whom a school knows, who was added by hand and has a sourcedId.
SELECT_HOLDER = """
SELECT FROM person p JOIN membership m USING (person_id)
WHERE p.sourced_id = %(sourced_id)s AND p.source IN ('', %(own)s) AND m.school_id = %(school)s LIMIT 1
"""
# Lock a person for a change by a school: one of its people, or one who has left it and belongs to no other school.
LOCK_PERSON = """
SELECT p.version, p.erased_at FROM person p WHERE p.person_id = %(person)s
  AND (%(school)s::uuid IS NULL OR EXISTS (
      SELECT FROM membership m WHERE m.person_id = p.person_id AND m.school_id = %(school)s
        AND (is_current(m.ends, m.school_id) OR NOT EXISTS (
            SELECT FROM current_membership o WHERE o.person_id = p.person_id AND o.school_id <> m.school_id))))
FOR NO KEY UPDATE
"""
FIELDS = ("given_name", "family_name", "language", "timezone", "active", "quiet_starts", "quiet_ends")
# Ask whether a school exists.
SELECT_SCHOOL = "SELECT FROM school WHERE school_id = %(school)s"

# Add memberships, or change their days and grades.
UPSERT_MEMBERSHIPS = """
INSERT INTO membership AS m (person_id, school_id, role, grade, starts, ends)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(person_id uuid, school_id uuid, role text, grade text, starts date,
                                                ends date)
ON CONFLICT (person_id, school_id, role) DO UPDATE SET grade = excluded.grade, starts = excluded.starts,
    ends = excluded.ends
"""
# End a membership today; returns the person if there was one.
END_MEMBERSHIP = """
UPDATE current_membership SET ends = school_today(school_id)
WHERE person_id = %(person)s AND school_id = %(school)s AND role = %(role)s RETURNING person_id
"""
# A student is one as long as there is a current membership that says so.
UPSERT_STUDENTS = """
INSERT INTO student AS s (school_id, student_id, grade, active)
SELECT m.school_id, m.person_id, m.grade, p.active AND is_current(m.ends, m.school_id)
FROM membership m JOIN person p USING (person_id)
WHERE m.person_id = %(person)s AND m.role = 'student' AND (%(school)s::uuid IS NULL OR m.school_id = %(school)s)
ORDER BY m.school_id
ON CONFLICT (school_id, student_id) DO UPDATE SET grade = excluded.grade, active = excluded.active,
    version = s.version + 1
WHERE (s.grade, s.active) IS DISTINCT FROM (excluded.grade, excluded.active)
RETURNING school_id, student_id
"""
# End students whose membership is over. It looks back a fortnight, within which some gateway has run.
END_LAPSED_STUDENTS = """
WITH over AS (
    SELECT s.school_id, s.student_id FROM membership m
    JOIN student s ON (s.school_id, s.student_id) = (m.school_id, m.person_id)
    WHERE m.role = 'student' AND m.ends BETWEEN current_date - 14 AND current_date + 1
      AND NOT is_current(m.ends, m.school_id) AND s.active
    ORDER BY s.school_id, s.student_id LIMIT %(limit)s FOR NO KEY UPDATE OF s SKIP LOCKED
)
UPDATE student s SET active = false, version = s.version + 1 FROM over o
WHERE (s.school_id, s.student_id) = (o.school_id, o.student_id) RETURNING s.school_id, s.student_id
"""
AT_ONCE = 500
# Delete all addresses of a person.
DELETE_CONTACTS = "DELETE FROM contact WHERE person_id = %(person)s"
# Select the mail addresses of a person.
SELECT_MAILS = "SELECT address FROM contact WHERE person_id = %(person)s AND kind = 'mail'"
# Add addresses of people.
INSERT_CONTACTS = """
INSERT INTO contact (person_id, kind, address)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(person_id uuid, kind text, address text) ON CONFLICT DO NOTHING
"""
# Delete all preferences of a person.
DELETE_PREFERENCES = "DELETE FROM preference WHERE person_id = %(person)s"
# Add preferences of people.
INSERT_PREFERENCES = """
INSERT INTO preference (person_id, kind, channel, wanted)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(person_id uuid, kind text, channel text, wanted boolean)
"""


async def lock(tx: UnitOfWork, person: UUID, school: UUID | None, expected: int | None = None) -> None:
    """Lock a person of a school (None: of any) until the commit; 404, 412."""
    row = await tx.row(LOCK_PERSON, {"person": person, "school": school})
    if row is None or row["erased_at"] is not None:
        raise Problem(404, "not_found")
    check_version(expected, row["version"])


async def add(
    tx: UnitOfWork,
    person: UUID,
    school: UUID,
    facts: Mapping[str, Any],
    memberships: Sequence[Mapping[str, Any]],
    contacts: Sequence[Mapping[str, Any]],
) -> None:
    """Add a person to a school; 409 when another person of the school has the sourcedId."""
    if await tx.row(SELECT_SCHOOL, {"school": school}) is None:
        raise Problem(404, "unknown_school")
    await added_by_hand.insert(tx, "person", SELECT_HOLDER, INSERT_PERSON, school, {"person_id": person, **facts})
    await tx.execute(
        UPSERT_MEMBERSHIPS, publish.rows([{"person_id": person, "school_id": school, **m} for m in memberships])
    )
    await tx.execute(INSERT_CONTACTS, publish.rows([{"person_id": person, **contact} for contact in contacts]))
    await _publish(tx, person, await _students(tx, person, school), bump=False)


async def change(
    tx: UnitOfWork, person: UUID, school: UUID | None, expected: int | None, facts: Mapping[str, Any]
) -> None:
    """Change names, language, timezone, quiet hours, or whether the person is active."""
    await lock(tx, person, school, expected)
    await _set(tx, person, facts)
    await _publish(tx, person, await _students(tx, person) if "active" in facts else ())


async def join(tx: UnitOfWork, person: UUID, school: UUID, expected: int | None, membership: Mapping[str, Any]) -> None:
    """Give a person a role at a school, or change its first and last day."""
    await lock(tx, person, None, expected)
    if await tx.row(SELECT_SCHOOL, {"school": school}) is None:
        raise Problem(404, "unknown_school")
    await tx.execute(UPSERT_MEMBERSHIPS, publish.rows([{"person_id": person, "school_id": school, **membership}]))
    await _publish(tx, person, await _students(tx, person, school))


async def leave(tx: UnitOfWork, person: UUID, school: UUID, expected: int | None, role: str) -> None:
    """End a membership today; 404 when there is none that goes on."""
    await lock(tx, person, school, expected)
    if await tx.row(END_MEMBERSHIP, {"person": person, "school": school, "role": role}) is None:
        raise Problem(404, "not_found")
    await _publish(tx, person, await _students(tx, person, school))


async def end_lapsed(transactions: UnitOfWorkFactory) -> None:
    """End students whose membership ended by its date; no request and no import does it."""
    ended = AT_ONCE
    while ended == AT_ONCE:
        async with transactions.begin() as tx:
            rows = await tx.rows(END_LAPSED_STUDENTS, {"limit": AT_ONCE})
            await publish.emit_states(tx, students=[(row["school_id"], row["student_id"]) for row in rows])
        ended = len(rows)


async def replace_contacts(
    tx: UnitOfWork, person: UUID, school: UUID | None, expected: int | None, contacts: Sequence[Mapping[str, Any]]
) -> set[str]:
    """Replace all addresses of a person; returns the mail addresses that they no longer have."""
    await lock(tx, person, school, expected)
    kept = {contact["address"].lower() for contact in contacts}
    mails = [row["address"] for row in await tx.rows(SELECT_MAILS, {"person": person})]
    await tx.execute(DELETE_CONTACTS, {"person": person})
    await tx.execute(INSERT_CONTACTS, publish.rows([{"person_id": person, **contact} for contact in contacts]))
    await _publish(tx, person)
    return {address for address in mails if address.lower() not in kept}


async def prefer(
    tx: UnitOfWork,
    person: UUID,
    school: UUID | None,
    expected: int | None,
    choices: Mapping[tuple[str, str], bool] | None,
    facts: Mapping[str, Any],
) -> None:
    """Set preferences by kind and channel (None: as they are), and quiet hours and language where `facts` has them."""
    await lock(tx, person, school, expected)
    if choices is not None:
        rows = [
            {"person_id": person, "kind": kind, "channel": channel, "wanted": wanted}
            for (kind, channel), wanted in choices.items()
        ]
        await tx.execute(DELETE_PREFERENCES, {"person": person})
        await tx.execute(INSERT_PREFERENCES, publish.rows(rows))
    if facts:
        await _set(tx, person, facts)
    await _publish(tx, person)


async def _set(tx: UnitOfWork, person: UUID, facts: Mapping[str, Any]) -> None:
    names = [name for name in FIELDS if name in facts]
    assigned = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in names
    )
    query = sql.SQL("UPDATE person SET {} WHERE person_id = {}").format(assigned, sql.Placeholder("person"))
    await tx.execute(query, {"person": person, **facts})


async def _students(tx: UnitOfWork, person: UUID, school: UUID | None = None) -> list[tuple[UUID, UUID]]:
    found = await tx.rows(UPSERT_STUDENTS, {"person": person, "school": school})
    return [(row["school_id"], row["student_id"]) for row in found]


async def _publish(
    tx: UnitOfWork, person: UUID, students: Sequence[tuple[UUID, UUID]] = (), *, bump: bool = True
) -> None:
    if bump:
        await publish.bump_people(tx, [person])
    await publish.emit_states(tx, people=[person], students=students)
