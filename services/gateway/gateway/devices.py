"""Devices: a token is unique over all people and moves to whoever registers it last."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from gateway import directory
from gateway.problems import Problem
from shared.transaction import Transaction

OWNERS = """
SELECT person_id, sourced_id FROM person
WHERE person_id = ANY(%(ids)s::uuid[]) OR sourced_id = ANY(%(sourced)s::text[])
"""
LOSERS = "SELECT DISTINCT person_id FROM device WHERE token = ANY(%(tokens)s)"
REGISTER = """
INSERT INTO device (person_id, token, fid, platform)
SELECT DISTINCT ON (token) person_id, token, fid, platform FROM jsonb_to_recordset(%(rows)s)
    AS r(person_id uuid, token text, fid text, platform text)
ON CONFLICT (token) DO UPDATE SET person_id = excluded.person_id, fid = excluded.fid,
    platform = excluded.platform, registered_at = clock_timestamp()
"""


async def owners(tx: Transaction, named: Sequence[tuple[UUID | None, str | None]]) -> list[UUID]:
    """The people named, in order; 422 lists all that are unknown."""
    found = await tx.rows(OWNERS, {"ids": [i for i, _ in named if i], "sourced": [s for _, s in named if s]})
    by_name = {row["sourced_id"]: row["person_id"] for row in found}
    by_name |= {row["person_id"]: row["person_id"] for row in found}
    unknown = sorted({str(i or s) for i, s in named if (i or s) not in by_name})
    if unknown:
        raise Problem(422, "unknown_people", people=unknown)
    return [by_name[i or s] for i, s in named]


async def register(tx: Transaction, people: Sequence[UUID], devices: Sequence[dict[str, Any]]) -> int:
    """Give each device to its person, and tell of everybody who gained or lost one."""
    lost = await tx.rows(LOSERS, {"tokens": [device["token"] for device in devices]})
    rows = [device | {"person_id": person} for person, device in zip(people, devices, strict=True)]
    await tx.execute(REGISTER, directory.rows(rows))
    touched = sorted({*people, *(row["person_id"] for row in lost)})
    await tx.execute(directory.BUMP, {"people": touched})
    await directory.emit_people(tx, touched)
    return len({device["token"] for device in devices})
