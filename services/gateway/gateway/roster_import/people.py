"""People of a roster into the directory: set-based, a chunk a commit; a repeat changes nothing."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from gateway.directory import publish, publish_bulk
from gateway.http.former_addresses import tell_removed
from gateway.roster_import.oneroster import Membership, Person, Role, Status
from shared.transactions.unit_of_work import UnitOfWork

# Write new and changed people; returns them.
# Only people whose roster content changed are written, in the order of sourcedIds, like everywhere. Unchanged people
# are left out first: ON CONFLICT would lock each of them, which costs as much as writing.
UPSERT_PEOPLE = """
WITH incoming AS (
    SELECT r.*, coalesce(r.enabled, p.signs_in, true) AS signs_in
    FROM jsonb_to_recordset(%(rows)s) AS r(person_id uuid, sourced_id text, given_name text,
                                           family_name text, enabled boolean, digest text)
    LEFT JOIN person p ON (p.sourced_id, p.source) = (r.sourced_id, %(source)s)
    WHERE p.digest IS DISTINCT FROM decode(r.digest, 'hex')
)
INSERT INTO person AS p (person_id, source, sourced_id, given_name, family_name, signs_in, digest)
SELECT person_id, %(source)s, sourced_id, given_name, family_name, signs_in, decode(digest, 'hex') FROM incoming
ORDER BY sourced_id
ON CONFLICT (sourced_id, source) DO UPDATE SET given_name = excluded.given_name, family_name = excluded.family_name,
    active = true, signs_in = excluded.signs_in, digest = excluded.digest, version = p.version + 1
WHERE p.digest IS DISTINCT FROM excluded.digest
RETURNING person_id, sourced_id
"""
# Write memberships and end those that no longer hold; returns the people whose memberships changed.
# A complete upload covers its own schools, and a row the schools that it names: a membership missing there ends.
# Changes only: memberships they do not mention stay, and a role's row that has changed ends the membership before.
WRITE_MEMBERSHIPS = """
WITH incoming AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(person_id uuid, school_id uuid, role text, grade text,
                                                    graded boolean, starts date, ends date, sourced_id text)
), gone AS (
    UPDATE current_membership m SET ends = school_today(m.school_id)
    WHERE m.person_id = ANY(%(people)s) AND NOT EXISTS (SELECT FROM incoming i
                       WHERE (i.person_id, i.school_id, i.role) = (m.person_id, m.school_id, m.role))
      AND (m.sourced_id = ANY(%(ended)s) OR EXISTS (SELECT FROM incoming i WHERE i.sourced_id = m.sourced_id)
           OR %(complete)s AND m.person_id <> ALL(%(partly)s) AND (m.school_id = ANY(%(about)s) OR EXISTS (
               SELECT FROM incoming i WHERE (i.person_id, i.school_id) = (m.person_id, m.school_id))))
    RETURNING m.person_id
), taken AS (
    INSERT INTO membership AS m (person_id, school_id, role, grade, starts, ends, sourced_id)
    SELECT DISTINCT ON (i.person_id, i.school_id, i.role) i.person_id, i.school_id, i.role,
           CASE WHEN i.graded THEN i.grade ELSE o.grade END, i.starts, i.ends, i.sourced_id
    FROM incoming i LEFT JOIN membership o USING (person_id, school_id, role)
    ORDER BY i.person_id, i.school_id, i.role, i.sourced_id
    ON CONFLICT (person_id, school_id, role) DO UPDATE SET grade = excluded.grade, starts = excluded.starts,
        ends = excluded.ends, sourced_id = excluded.sourced_id
    WHERE (m.grade, m.starts, m.ends, m.sourced_id)
          IS DISTINCT FROM (excluded.grade, excluded.starts, excluded.ends, excluded.sourced_id)
    RETURNING m.person_id
)
SELECT DISTINCT person_id FROM (SELECT person_id FROM gone UNION ALL SELECT person_id FROM taken) AS touched
"""
# Replace the addresses of people, of the kinds that their rows say something about; null: the person has none. Returns
# the mail addresses that people who can sign in no longer have.
REPLACE_CONTACTS = """
WITH incoming AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(person_id uuid, kind text, address text)
), gone AS (
    DELETE FROM contact c USING incoming i
    WHERE (i.person_id, i.kind) = (c.person_id, c.kind) AND i.address IS DISTINCT FROM c.address
    RETURNING c.person_id, c.kind, c.address
), written AS (
    INSERT INTO contact (person_id, kind, address)
    SELECT person_id, kind, address FROM incoming WHERE address IS NOT NULL ON CONFLICT DO NOTHING
)
SELECT person_id, array_agg(address) AS addresses FROM gone JOIN account USING (person_id)
WHERE kind = 'mail' GROUP BY person_id ORDER BY person_id
"""
# Lock people by sourcedId.
LOCK_PEOPLE = """
SELECT person_id, sourced_id FROM person
WHERE sourced_id = ANY(%(ids)s) AND source = ANY(%(sources)s) AND erased_at IS NULL
ORDER BY sourced_id FOR NO KEY UPDATE
"""
# Lock people by sourcedId or by the id of a role.
# The row of a role that has ended may have its own id only.
LOCK_PEOPLE_BY_ROLE = """
SELECT person_id, sourced_id FROM person WHERE erased_at IS NULL AND source = %(source)s AND (
    sourced_id = ANY(%(ids)s)
    OR person_id IN (SELECT m.person_id FROM membership m WHERE m.sourced_id = ANY(%(ended)s)))
ORDER BY sourced_id FOR NO KEY UPDATE
"""
# Raise the versions of people whose memberships changed.
# The digest goes, so that the next complete roster counts as a change.
BUMP_PEOPLE = "UPDATE person SET version = version + 1, digest = NULL WHERE person_id = ANY(%(people)s)"

# Select the people from rosters who have a current membership at these schools.
# People who disappeared are ended, not deleted: only at the schools that the upload is about.
SELECT_PLACED_PEOPLE = """
SELECT p.sourced_id FROM person p WHERE p.sourced_id IS NOT NULL AND p.source = ANY(%(sources)s) AND EXISTS (
    SELECT FROM current_membership m WHERE m.person_id = p.person_id AND m.school_id = ANY(%(schools)s))
ORDER BY p.sourced_id
"""
# End memberships at these schools; a person without another becomes inactive. Returns them.
END_MEMBERSHIPS = """
WITH over AS (
    UPDATE current_membership m SET ends = school_today(m.school_id)
    WHERE m.person_id = ANY(%(people)s) AND m.school_id = ANY(%(schools)s)
    RETURNING m.person_id, m.school_id, m.role
)
UPDATE person p SET digest = NULL, version = version + 1, active = p.active AND EXISTS (
    SELECT FROM current_membership m
    WHERE m.person_id = p.person_id AND NOT EXISTS (SELECT FROM over o WHERE (o.person_id, o.school_id, o.role)
                                             = (m.person_id, m.school_id, m.role)))
WHERE p.person_id IN (SELECT person_id FROM over) RETURNING p.person_id
"""
# Make people inactive everywhere; returns those who were active.
DEACTIVATE_PEOPLE = """
UPDATE person SET active = false, digest = NULL, version = version + 1
WHERE person_id = ANY(%(people)s) AND active RETURNING person_id
"""
# Make former students inactive.
# A student belongs to a school as long as there is a current membership as one, of an active person.
END_STUDENTS = """
WITH held AS (
    SELECT school_id, student_id FROM student WHERE student_id = ANY(%(people)s) AND active
    ORDER BY school_id, student_id FOR NO KEY UPDATE
)
UPDATE student s SET active = false, told = false, digest = NULL, version = s.version + 1
FROM held h WHERE (s.school_id, s.student_id) = (h.school_id, h.student_id) AND NOT EXISTS (
    SELECT FROM current_membership m JOIN person p USING (person_id)
    WHERE m.person_id = s.student_id AND m.school_id = s.school_id AND m.role = 'student' AND p.active)
"""


@dataclass(frozen=True, slots=True)
class Place:
    """The scope of an upload: its source, the ids of schools, those that it is about, and people to keep as they are.

    `partly` are people of whose roles one could not be read: their memberships are not ended.
    """

    source: str
    schools: Mapping[str, UUID]
    about: Sequence[UUID]
    partly: frozenset[str] = frozenset()

    @property
    def sources(self) -> list[str]:
        """The sources whose people may be ended: also those who were added by hand under a roster's id."""
        return sorted({"", self.source})


async def write(tx: UnitOfWork, chunk: Sequence[Person], place: Place, *, complete: bool) -> int:
    """Write people with memberships and contacts, and emit their events; returns how many are new or changed.

    `complete`: the rows name every membership, at the upload's schools and those that they name.
    """
    present = {person.sourced_id: person for person in chunk}
    rows = [
        {
            "person_id": uuid7(),
            "sourced_id": person.sourced_id,
            "given_name": person.given_name,
            "family_name": person.family_name,
            "enabled": person.enabled,
            "digest": digest(_content(person, complete)),
        }
        for person in present.values()
    ]
    changed = await tx.rows(UPSERT_PEOPLE, {"source": place.source} | publish.rows(rows))
    if not changed:
        return 0
    ids = [row["person_id"] for row in changed]
    placed: list[dict[str, Any]] = []
    ended: list[str] = []
    contacts: list[dict[str, Any]] = []
    for row in changed:
        person = present[row["sourced_id"]]
        active, over = _memberships(row["person_id"], person.memberships, place.schools, person)
        placed += active
        ended += over
        contacts += [{"person_id": row["person_id"], **contact} for contact in _contacts(person)]
    partly = [row["person_id"] for row in changed if row["sourced_id"] in place.partly]
    scope = {"people": ids, "about": list(place.about), "complete": complete, "ended": ended, "partly": partly}
    await tx.execute(WRITE_MEMBERSHIPS, scope | publish.rows(placed))
    removed = await tx.rows(REPLACE_CONTACTS, publish.rows(contacts))
    await tx.execute(END_STUDENTS, {"people": ids})
    await publish_bulk.people(tx, ids)
    for row in removed:
        await tell_removed(tx, row["person_id"], None, row["addresses"], None)
    return len(changed)


async def write_roles(tx: UnitOfWork, chunk: Sequence[Role], place: Place) -> int:
    """Write roles of people who are not in users.csv; returns how many people changed."""
    ended = [
        m.sourced_id for m in (role.membership for role in chunk) if m.status is not Status.ACTIVE and m.sourced_id
    ]
    named = {"ids": sorted({role.person for role in chunk}), "ended": ended, "source": place.source}
    held = await tx.rows(LOCK_PEOPLE_BY_ROLE, named)
    person = {row["sourced_id"]: row["person_id"] for row in held}
    placed: list[dict[str, Any]] = []
    for role in chunk:
        if role.person in person:
            placed += _memberships(person[role.person], [role.membership], place.schools, None)[0]
    ids = list(person.values())
    scope = {"people": ids, "about": [], "complete": False, "ended": ended, "partly": []}
    touched = [row["person_id"] for row in await tx.rows(WRITE_MEMBERSHIPS, scope | publish.rows(placed))]
    if touched:
        await tx.execute(BUMP_PEOPLE, {"people": touched})
        await tx.execute(END_STUDENTS, {"people": touched})
        await publish_bulk.people(tx, touched)
    return len(touched)


async def missing(tx: UnitOfWork, kept: Iterable[str], place: Place) -> list[str]:
    """Return the people whom an earlier roster placed at these schools and this complete one does not name."""
    known = frozenset(kept)
    found = await tx.rows(SELECT_PLACED_PEOPLE, {"schools": list(place.about), "sources": place.sources})
    return [row["sourced_id"] for row in found if row["sourced_id"] not in known]


async def end(tx: UnitOfWork, ids: Sequence[str], schools: Sequence[UUID] | None, place: Place) -> int:
    """End people at schools, or everywhere (None: an upload says so by name); returns how many had not ended."""
    found = await tx.rows(LOCK_PEOPLE, {"ids": sorted(ids), "sources": place.sources})
    people = [row["person_id"] for row in found]
    values: dict[str, Any] = {"people": people, "schools": list(schools or ())}
    over = [
        row["person_id"] for row in await tx.rows(DEACTIVATE_PEOPLE if schools is None else END_MEMBERSHIPS, values)
    ]
    if over:
        await tx.execute(END_STUDENTS, {"people": over})
        await publish_bulk.people(tx, over)
    return len(over)


def digest(content: Any) -> str:
    """Hash a roster's row, to find changes."""
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def _memberships(
    person: UUID, memberships: Iterable[Membership], schools: Mapping[str, UUID], row: Person | None
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return rows of the memberships that hold, and the ids of roles that do not hold any more."""
    active = [
        {
            "person_id": person,
            "school_id": schools[m.school],
            "role": m.role,
            "grade": row.grade if row is not None and m.role == "student" else None,
            "graded": row is not None and row.says("grades"),
            "starts": m.begins,
            "ends": m.ends,
            "sourced_id": m.sourced_id,
        }
        for m in memberships
        if m.status is Status.ACTIVE
    ]
    return active, [m.sourced_id for m in memberships if m.status is not Status.ACTIVE and m.sourced_id]


def _contacts(person: Person) -> Iterator[dict[str, Any]]:
    """Return an address of each kind that the row says something about; None where it says that there is none."""
    if person.email or person.says("email"):
        yield {"kind": "mail", "address": person.email}
    number = person.sms or person.phone
    if number or person.says("sms", "phone"):
        yield {"kind": "phone", "address": number}


def _content(person: Person, complete: bool) -> list[Any]:
    memberships = sorted(
        [m.school, m.role, str(m.begins), str(m.ends), m.sourced_id or "", m.status] for m in person.memberships
    )
    names = [person.given_name, person.family_name, person.email, person.phone, person.sms]
    return [*names, person.grade, person.enabled, complete, memberships, sorted(person.unsaid)]
