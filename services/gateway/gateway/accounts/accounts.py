"""Accounts: names to sign in with, passwords set by invitation, the group's administrators."""

import secrets
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from gateway.accounts.api_keys import digest
from gateway.http.former_addresses import sign_in_address, tell_removed
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
# Select the person of a Firebase user: linked, else by the verified address that signs in.
SELECT_PERSON_BY_FIREBASE = """
SELECT person_id FROM account JOIN person USING (person_id)
WHERE active AND signs_in AND (firebase_uid = %(uid)s OR firebase_uid IS NULL AND sign_in_address = %(email)s)
ORDER BY firebase_uid = %(uid)s DESC NULLS LAST LIMIT 1
"""
# Make the first account of a guardian or a student by an address that is theirs alone; returns the person.
# An address that two people share names neither of them. Schools write addresses down, so an address opens no account
# of staff, names only a person of one school, and the account opens that school only. Afterwards the link counts,
# not the address.
INSERT_ACCOUNT_BY_ADDRESS = """
WITH found AS (
    SELECT (array_agg(DISTINCT c.person_id))[1] AS person_id FROM contact c JOIN person p USING (person_id)
    WHERE c.kind = 'mail' AND lower(c.address) = %(email)s AND p.active AND p.signs_in
    HAVING count(DISTINCT c.person_id) = 1
)
INSERT INTO account (person_id, firebase_uid, sign_in_address, school_id)
SELECT f.person_id, %(uid)s, %(email)s, (array_agg(m.school_id))[1] FROM found f JOIN membership m USING (person_id)
WHERE NOT EXISTS (SELECT FROM administrator a WHERE a.person_id = f.person_id)
  AND NOT EXISTS (SELECT FROM account WHERE firebase_uid = %(uid)s OR sign_in_address = %(email)s)
GROUP BY f.person_id HAVING count(DISTINCT m.school_id) = 1 AND bool_and(m.role IN ('guardian', 'student'))
ON CONFLICT DO NOTHING RETURNING person_id
"""
# Select the roles that a person's account opens today, and the school of each.
# By the school's own date: a membership begins and ends at its midnight.
SELECT_MEMBERSHIPS = """
SELECT m.school_id, s.name AS school, m.role FROM current_membership m JOIN school s USING (school_id)
    JOIN person p USING (person_id) LEFT JOIN account a USING (person_id)
WHERE m.person_id = %(person)s AND s.active AND p.active AND p.signs_in AND m.begun
  AND (a.school_id IS NULL OR a.school_id = m.school_id)
UNION ALL
SELECT NULL, NULL, 'platform_admin' FROM administrator JOIN person p USING (person_id)
    LEFT JOIN account a USING (person_id)
WHERE person_id = %(person)s AND p.active AND p.signs_in AND a.school_id IS NULL
ORDER BY school_id, role
"""
# Select an active person, and whether they belong to this school only.
SELECT_INVITABLE = """
SELECT person_id, NOT EXISTS (SELECT FROM administrator a WHERE a.person_id = p.person_id)
    AND EXISTS (SELECT FROM membership m WHERE m.person_id = p.person_id AND m.school_id = %(school)s)
    AND NOT EXISTS (SELECT FROM membership m WHERE m.person_id = p.person_id AND m.school_id <> %(school)s) AS ours,
    EXISTS (SELECT FROM current_membership m WHERE m.person_id = p.person_id AND m.school_id = %(school)s) AS known
FROM person p WHERE person_id = %(person)s AND active
"""
# Add an invitation.
INSERT_INVITATION = """
INSERT INTO invitation (hash, person_id, school_id, expires_at)
VALUES (%(hash)s, %(person)s, %(school)s, clock_timestamp() + make_interval(secs => %(seconds)s)) RETURNING expires_at
"""
# Use up an invitation that is valid; returns its person.
USE_INVITATION = """
UPDATE invitation SET used_at = clock_timestamp()
WHERE hash = %(hash)s AND used_at IS NULL AND expires_at > clock_timestamp() RETURNING person_id, school_id
"""
# Delete invitations that have been over for 30 days.
DELETE_INVITATIONS = "DELETE FROM invitation WHERE expires_at < clock_timestamp() - interval '30 days'"
# Use up every other invitation of a person.
USE_OTHER_INVITATIONS = """
UPDATE invitation SET used_at = clock_timestamp() WHERE person_id = %(person)s AND used_at IS NULL
"""
# Set a person's password hash as an invitation allows: who invited vouches now, and other ways to sign in end.
RESET_ACCOUNT = """
INSERT INTO account (person_id, hash, school_id) VALUES (%(person)s, %(hash)s, %(school)s)
ON CONFLICT (person_id) DO UPDATE SET hash = excluded.hash, school_id = excluded.school_id, firebase_uid = NULL,
    sign_in_address = NULL, changed_at = clock_timestamp()
"""
# Change the password hash of an account; its Firebase link ends.
UPDATE_HASH = """
UPDATE account SET hash = %(hash)s, firebase_uid = NULL, sign_in_address = NULL, changed_at = clock_timestamp()
WHERE person_id = %(person)s
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
INSERT INTO account (person_id, firebase_uid, sign_in_address) VALUES (%(person)s, %(uid)s, %(email)s)
ON CONFLICT (person_id) DO UPDATE SET firebase_uid = excluded.firebase_uid,
    sign_in_address = excluded.sign_in_address, changed_at = clock_timestamp()
"""
# Find out whether a Firebase user, or its address, is linked to another person.
FIND_LINKED_PERSON = """
SELECT FROM account WHERE (firebase_uid = %(uid)s OR sign_in_address = %(email)s) AND person_id <> %(person)s
"""
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
    """Return the roles that an account opens today, each with its school; `school_id` is None for the whole group."""
    return await tx.rows(SELECT_MEMBERSHIPS, {"person": person})


async def invite(tx: UnitOfWork, caller: Caller, person: UUID, days: float) -> dict[str, Any]:
    """Make a token with which a person sets a password; 404 for a person who is unknown here.

    403 for a school's administrator when the person belongs to another school or to the group as well: a holder of
    the token can become that person everywhere.
    """
    row = await tx.row(SELECT_INVITABLE, {"person": person, "school": caller.school})
    if row is None or (not caller.everywhere and not row["ours"] and not row["known"]):
        raise Problem(404, "not_found")
    if not caller.everywhere and not row["ours"]:
        raise Problem(
            403, "forbidden", "This person has other schools too. An administrator of the group can invite them."
        )
    return await _invitation(tx, person, days, None if caller.everywhere else caller.school)


async def _invitation(tx: UnitOfWork, person: UUID, days: float, school: UUID | None = None) -> dict[str, Any]:
    token = secrets.token_urlsafe(32)
    values = {"hash": digest(token), "person": person, "school": school, "seconds": days * 86_400}
    row = await tx.row(INSERT_INVITATION, values)
    assert row is not None
    return {"person_id": person, "token": token, "expires_at": row["expires_at"]}


async def accept(tx: UnitOfWork, token: str, name: str, hashed: str) -> UUID:
    """Set name and password of the person who was invited, and use up their other invitations.

    An account opens the school whose administrator invited its person, and every school after an invitation of the
    group: what one school may write must not decide who a person is elsewhere. A Firebase link ends.
    """
    row = await tx.row(USE_INVITATION, {"hash": digest(token)})
    if row is None:
        raise Problem(401, "credentials_refused", "The invitation is unknown, already used, or expired.")
    person: UUID = row["person_id"]
    values = {"person": person, "name": name, "hash": hashed, "school": row["school_id"]}
    wrong = {"loc": ["body", "name"], "code": "taken", "message": "is not free; an address must be your own"}
    if "@" in name and await tx.row(FIND_OWN_ADDRESS, values) is None:
        raise Problem(422, "invalid", errors=[wrong])
    await tx.execute(USE_OTHER_INVITATIONS, values)
    before = await sign_in_address(tx, person)
    await tx.execute(RESET_ACCOUNT, values)
    await tell_removed(tx, person, row["school_id"], before, None)
    if await tx.row(INSERT_NAME, values) is None:
        raise Problem(422, "invalid", errors=[wrong])
    return person


async def forget_invitations(rows: UnitOfWorkFactory) -> None:
    """Delete invitations that have been over for long."""
    async with rows.begin() as tx:
        await tx.execute(DELETE_INVITATIONS)


async def link(tx: UnitOfWork, person: UUID, school: UUID | None, uid: str, email: str | None) -> None:
    """Let a Firebase user sign in as this person; `email` is its verified address. A former one gets a mail."""
    values = {"person": person, "uid": uid, "email": email}
    if await tx.row(FIND_LINKED_PERSON, values) is not None:
        raise Problem(409, "conflict", "This Firebase user is linked to another person.")
    before = await sign_in_address(tx, person)
    await tx.execute(UPDATE_FIREBASE_USER, values)
    await tell_removed(tx, person, school, before - {email}, person)


async def person_of_firebase(tx: UnitOfWork, uid: str, email: str | None) -> UUID | None:
    """Return the person of a Firebase user; the first sign-in of a guardian makes their account."""
    values = {"uid": uid, "email": email}
    row = await tx.row(SELECT_PERSON_BY_FIREBASE, values)
    if row is None and email is not None:
        row = await tx.row(INSERT_ACCOUNT_BY_ADDRESS, values)
    return None if row is None else row["person_id"]


async def add_administrator(tx: UnitOfWork, given_name: str, family_name: str, days: float) -> dict[str, Any]:
    """Add a person who administers the whole group; returns their invitation."""
    person = uuid7()
    await tx.execute(INSERT_ADMINISTRATOR, {"person": person, "given_name": given_name, "family_name": family_name})
    return await _invitation(tx, person, days)
