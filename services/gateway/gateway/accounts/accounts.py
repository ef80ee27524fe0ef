"""Accounts: names to sign in with, passwords set by invitation, the group's administrators."""

import secrets
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from gateway.accounts.api_keys import digest
from gateway.problems import Problem
from gateway.security.caller import Caller
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

# Select the account that a name signs in to.
SELECT_ACCOUNT_BY_NAME = """
SELECT a.person_id, a.hash FROM account_name n JOIN account a USING (person_id) JOIN person p USING (person_id)
WHERE n.name = %(name)s AND p.active AND p.signs_in
"""
# Select a person's account.
SELECT_ACCOUNT = "SELECT person_id, hash FROM account WHERE person_id = %(person)s"
# Select the person of a Firebase user: linked, else by an address that is theirs alone.
# An address that two people share names neither of them. No address makes its person staff: others write it down, whose
# role may be lower, or another school's. Staff link their Firebase user once they have signed in.
SELECT_PERSON_BY_FIREBASE = """
SELECT person_id FROM account JOIN person USING (person_id) WHERE firebase_uid = %(uid)s AND active AND signs_in
UNION ALL
SELECT (array_agg(DISTINCT c.person_id))[1] FROM contact c JOIN person p USING (person_id)
WHERE c.kind = 'mail' AND lower(c.address) = %(email)s AND p.active AND p.signs_in
  AND NOT EXISTS (SELECT FROM account WHERE firebase_uid = %(uid)s)
HAVING count(DISTINCT c.person_id) = 1 AND NOT bool_or(
    EXISTS (SELECT FROM administrator a WHERE a.person_id = c.person_id)
    OR EXISTS (SELECT FROM membership m WHERE m.person_id = c.person_id AND m.role NOT IN ('guardian', 'student')))
"""
# Select the roles that a person has today, and the school of each.
# By the school's own date: a membership begins and ends at its midnight.
SELECT_MEMBERSHIPS = """
SELECT m.school_id, s.name AS school, m.role FROM current_membership m JOIN school s USING (school_id)
    JOIN person p USING (person_id)
WHERE m.person_id = %(person)s AND s.active AND p.active AND p.signs_in AND m.begun
UNION ALL
SELECT NULL, NULL, 'platform_admin' FROM administrator JOIN person USING (person_id)
WHERE person_id = %(person)s AND active AND signs_in
ORDER BY school_id, role
"""
# Select an active person, and whether they belong to this school only.
SELECT_INVITABLE = """
SELECT person_id, NOT EXISTS (SELECT FROM administrator a WHERE a.person_id = p.person_id)
    AND EXISTS (SELECT FROM membership m WHERE m.person_id = p.person_id AND m.school_id = %(school)s)
    AND NOT EXISTS (SELECT FROM membership m WHERE m.person_id = p.person_id AND m.school_id <> %(school)s) AS ours
FROM person p WHERE person_id = %(person)s AND active
"""
# Add an invitation.
INSERT_INVITATION = """
INSERT INTO invitation (hash, person_id, expires_at)
VALUES (%(hash)s, %(person)s, clock_timestamp() + make_interval(secs => %(seconds)s)) RETURNING expires_at
"""
# Use up an invitation that is valid; returns its person.
USE_INVITATION = """
UPDATE invitation SET used_at = clock_timestamp()
WHERE hash = %(hash)s AND used_at IS NULL AND expires_at > clock_timestamp() RETURNING person_id
"""
# Delete invitations that have been over for 30 days.
DELETE_INVITATIONS = "DELETE FROM invitation WHERE expires_at < clock_timestamp() - interval '30 days'"
# Use up every other invitation of a person.
USE_OTHER_INVITATIONS = """
UPDATE invitation SET used_at = clock_timestamp() WHERE person_id = %(person)s AND used_at IS NULL
"""
# Set a person's password hash.
UPSERT_HASH = """
INSERT INTO account (person_id, hash) VALUES (%(person)s, %(hash)s)
ON CONFLICT (person_id) DO UPDATE SET hash = excluded.hash, changed_at = clock_timestamp()
"""
# Find out whether an address is the person's own.
# An address as a name is for the person whom the directory knows under it.
FIND_OWN_ADDRESS = """
SELECT FROM contact WHERE person_id = %(person)s AND kind = 'mail' AND lower(address) = %(name)s
"""
# Give a person a name to sign in with; returns nothing when it is another person's.
INSERT_NAME = """
INSERT INTO account_name (name, person_id) VALUES (%(name)s, %(person)s)
ON CONFLICT (name) DO UPDATE SET name = excluded.name WHERE account_name.person_id = excluded.person_id RETURNING name
"""
# Link a Firebase user to a person.
UPDATE_FIREBASE_USER = """
INSERT INTO account (person_id, firebase_uid) VALUES (%(person)s, %(uid)s)
ON CONFLICT (person_id) DO UPDATE SET firebase_uid = excluded.firebase_uid, changed_at = clock_timestamp()
"""
# Find out whether a Firebase user is linked to another person.
FIND_LINKED_PERSON = "SELECT FROM account WHERE firebase_uid = %(uid)s AND person_id <> %(person)s"
# Add a person who administers the whole group.
INSERT_ADMINISTRATOR = """
WITH added AS (
    INSERT INTO person (person_id, given_name, family_name) VALUES (%(person)s, %(given_name)s, %(family_name)s)
)
INSERT INTO administrator (person_id) SELECT %(person)s
"""
# Take the administration of the group from a person.
DELETE_ADMINISTRATOR = "DELETE FROM administrator WHERE person_id = %(person)s RETURNING person_id"


async def memberships(tx: UnitOfWork, person: UUID) -> list[dict[str, Any]]:
    """Return the roles that a person has today, each with its school; `school_id` is None for the whole group."""
    return await tx.rows(SELECT_MEMBERSHIPS, {"person": person})


async def invite(tx: UnitOfWork, caller: Caller, person: UUID, days: float) -> dict[str, Any]:
    """Make a token with which a person sets a password; 404 for a person who is unknown here.

    403 for a school's administrator when the person belongs to another school or to the group as well: a holder of
    the token can become that person everywhere.
    """
    row = await tx.row(SELECT_INVITABLE, {"person": person, "school": caller.school})
    if row is None or (not caller.everywhere and not row["ours"] and not await _known_there(tx, caller, person)):
        raise Problem(404, "not_found")
    if not caller.everywhere and not row["ours"]:
        raise Problem(
            403, "forbidden", "This person has other schools too. An administrator of the group can invite them."
        )
    return await _invitation(tx, person, days)


async def _known_there(tx: UnitOfWork, caller: Caller, person: UUID) -> bool:
    return any(row["school_id"] == caller.school for row in await memberships(tx, person))


async def _invitation(tx: UnitOfWork, person: UUID, days: float) -> dict[str, Any]:
    token = secrets.token_urlsafe(32)
    row = await tx.row(INSERT_INVITATION, {"hash": digest(token), "person": person, "seconds": days * 86_400})
    assert row is not None
    return {"person_id": person, "token": token, "expires_at": row["expires_at"]}


async def accept(tx: UnitOfWork, token: str, name: str, hashed: str) -> UUID:
    """Set name and password of the person who was invited, and use up their other invitations."""
    row = await tx.row(USE_INVITATION, {"hash": digest(token)})
    if row is None:
        raise Problem(401, "credentials_refused", "The invitation is unknown, already used, or expired.")
    person: UUID = row["person_id"]
    values = {"person": person, "name": name, "hash": hashed}
    wrong = {"loc": ["body", "name"], "code": "taken", "message": "is not free; an address must be your own"}
    if "@" in name and await tx.row(FIND_OWN_ADDRESS, values) is None:
        raise Problem(422, "invalid", errors=[wrong])
    await tx.execute(USE_OTHER_INVITATIONS, values)
    await tx.execute(UPSERT_HASH, values)
    if await tx.row(INSERT_NAME, values) is None:
        raise Problem(422, "invalid", errors=[wrong])
    return person


async def forget_invitations(rows: UnitOfWorkFactory) -> None:
    """Delete invitations that have been over for long."""
    async with rows.begin() as tx:
        await tx.execute(DELETE_INVITATIONS)


async def link(tx: UnitOfWork, person: UUID, uid: str) -> None:
    """Let a Firebase user sign in as this person."""
    if await tx.row(FIND_LINKED_PERSON, {"person": person, "uid": uid}) is not None:
        raise Problem(409, "conflict", "This Firebase user is linked to another person.")
    await tx.execute(UPDATE_FIREBASE_USER, {"person": person, "uid": uid})


async def add_administrator(tx: UnitOfWork, given_name: str, family_name: str, days: float) -> dict[str, Any]:
    """Add a person who administers the whole group; returns their invitation."""
    person = uuid7()
    await tx.execute(INSERT_ADMINISTRATOR, {"person": person, "given_name": given_name, "family_name": family_name})
    return await _invitation(tx, person, days)
