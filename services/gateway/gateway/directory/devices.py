"""Devices: a token is unique over all people and moves to the person who registers it last."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from gateway.directory import publish
from gateway.problems import Problem
from shared.events import DeviceInvalidated
from shared.transactions.unit_of_work import UnitOfWork

# Select people by id or sourcedId.
SELECT_OWNERS = """
SELECT person_id, sourced_id FROM person
WHERE person_id = ANY(%(ids)s::uuid[]) OR sourced_id = ANY(%(sourced)s::text[])
"""
# One installation of an app is one device: its older tokens go. Their rows are locked in the order of tokens.
DELETE_FORMER_TOKENS = """
WITH former AS (
    SELECT d.token FROM device d JOIN jsonb_to_recordset(%(rows)s) AS r(fid text) ON d.fid = r.fid
    WHERE NOT (d.token = ANY(%(tokens)s)) ORDER BY d.token FOR UPDATE OF d
)
DELETE FROM device d USING former f WHERE d.token = f.token RETURNING d.person_id
"""
# New tokens are written before the owners are read: a transaction that registers one at the same moment waits here,
# then sees its first owner and emits their state too. The order of tokens prevents deadlocks.
INSERT_TOKENS = """
INSERT INTO device (person_id, token, fid, platform)
SELECT person_id, token, fid, platform FROM jsonb_to_recordset(%(rows)s)
    AS r(person_id uuid, token text, fid text, platform text)
ORDER BY token ON CONFLICT DO NOTHING
"""
# Let two registrations of one installation happen one after the other, in the order of their numbers.
LOCK_INSTALLATIONS = """
SELECT pg_advisory_xact_lock(key) FROM (SELECT DISTINCT hashtextextended('device ' || fid, 0) AS key
    FROM unnest(%(fids)s::text[]) AS fid ORDER BY key) AS keys
"""
# Lock tokens, and select their present owners.
LOCK_TOKENS = "SELECT person_id FROM device WHERE token = ANY(%(tokens)s) ORDER BY token FOR UPDATE"
# Give the tokens to their new owners.
UPDATE_TOKENS = """
UPDATE device d SET person_id = r.person_id, fid = r.fid, platform = r.platform, registered_at = clock_timestamp()
FROM jsonb_to_recordset(%(rows)s) AS r(person_id uuid, token text, fid text, platform text) WHERE d.token = r.token
"""
# Find erased people. Read after their rows were locked: an erasure that was in progress is over then.
FIND_ERASED = "SELECT FROM person WHERE person_id = ANY(%(people)s) AND erased_at IS NOT NULL LIMIT 1"
# Devices of one person at most: each is called for every notification.
MOST = 20
# Delete the oldest devices of people who have more than the limit.
DELETE_OLDEST = """
DELETE FROM device WHERE token IN (
    SELECT token FROM (
        SELECT token, row_number() OVER (PARTITION BY person_id ORDER BY registered_at DESC, token) AS nth
        FROM device WHERE person_id = ANY(%(people)s)) AS theirs
    WHERE nth > %(most)s)
"""

# Delete a device of a person; returns its token.
DELETE_DEVICE = "DELETE FROM device WHERE token = %(token)s AND person_id = %(person)s RETURNING token"

# Delete a token that the provider no longer knows. A token that was registered after the attempt stays.
DELETE_DEAD = """
DELETE FROM device WHERE person_id = %(person)s AND registered_at <= %(attempted)s
  AND encode(sha256(convert_to(token, 'UTF8')), 'hex') = %(token)s
RETURNING token
"""


async def owners(tx: UnitOfWork, named: Sequence[tuple[UUID | None, str | None]]) -> list[UUID]:
    """Return the named people, in order; 422 lists those who are unknown."""
    found = await tx.rows(SELECT_OWNERS, {"ids": [i for i, _ in named if i], "sourced": [s for _, s in named if s]})
    by_name = {row["sourced_id"]: row["person_id"] for row in found}
    by_name |= {row["person_id"]: row["person_id"] for row in found}
    names = [row["sourced_id"] for row in found if row["sourced_id"] is not None]
    twice = sorted({s for i, s in named if i is None and s is not None and names.count(s) > 1})
    if twice:
        raise Problem(422, "unknown_people", "Several people have these sourced_ids: name them by id.", people=twice)
    unknown = sorted({str(i or s) for i, s in named if (i or s) not in by_name})
    if unknown:
        raise Problem(422, "unknown_people", people=unknown)
    return [by_name[i or s] for i, s in named]


async def register(tx: UnitOfWork, people: Sequence[UUID], devices: Sequence[dict[str, Any]]) -> int:
    """Give each device to its person, the last one named; emit the state of people who gained or lost one.

    Of more than `MOST` devices of one person, those that were registered longest ago are deleted.
    """
    named = [device | {"person_id": p} for p, device in zip(people, devices, strict=True)]
    by_installation = {device["fid"] or device["token"]: device for device in named}
    last = {device["token"]: device for device in by_installation.values()}
    rows = publish.rows(list(last.values()))
    await tx.execute(LOCK_INSTALLATIONS, {"fids": sorted({d["fid"] for d in last.values() if d["fid"]})})
    await tx.execute(INSERT_TOKENS, rows)
    lost = await tx.rows(LOCK_TOKENS, {"tokens": list(last)})
    lost += await tx.rows(DELETE_FORMER_TOKENS, {"tokens": list(last)} | rows)
    await tx.execute(UPDATE_TOKENS, rows)
    await tx.execute(DELETE_OLDEST, {"people": list(people), "most": MOST})
    touched = sorted({*people, *(row["person_id"] for row in lost)})
    await publish.bump_people(tx, touched)
    if await tx.row(FIND_ERASED, {"people": list(people)}) is not None:
        raise Problem(404, "not_found", "A person was erased: no device can be stored for them.")
    await publish.emit_states(tx, people=touched)
    return len(last)


async def remove(tx: UnitOfWork, person: UUID, token: str) -> None:
    """Forget a device of a person; 404 when they have none with this token."""
    await publish.bump_people(tx, [person])
    if await tx.row(DELETE_DEVICE, {"person": person, "token": token}) is None:
        raise Problem(404, "not_found")
    await publish.emit_states(tx, people=[person])


async def forget(event: DeviceInvalidated, tx: UnitOfWork) -> None:
    """Forget a device whose token the push provider no longer knows, unless it has been registered since."""
    await publish.bump_people(tx, [event.person_id])
    values = {"person": event.person_id, "token": event.token_sha256, "attempted": event.attempted_at}
    if await tx.row(DELETE_DEAD, values) is not None:
        await publish.emit_states(tx, people=[event.person_id])
