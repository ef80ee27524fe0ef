"""Does a request once for the same key, however often it arrives, and at however many gateways."""

import hashlib
from typing import Any
from uuid import UUID

import orjson
from psycopg.types.json import Jsonb

from gateway.problems import Problem
from gateway.security.caller import Caller
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

GROUP = UUID(int=0)
"""Stands for the school of a request that is about none: keys of the whole group."""

# The key's row is written first: a concurrent request with the same key waits here and then finds the answer.
INSERT_KEY = """
INSERT INTO idempotency_key (school_id, asker, key, request, answer)
VALUES (%(school)s, %(asker)s, %(key)s, %(request)s, %(answer)s) ON CONFLICT DO NOTHING RETURNING key
"""
# Select the request and the answer of a key.
SELECT_KEY = """
SELECT request, answer FROM idempotency_key
WHERE school_id = %(school)s AND asker = %(asker)s AND key = %(key)s
"""
KEPT_DAYS = 7
AT_ONCE = 10_000
# Delete expired keys, a limited number at once.
DELETE_EXPIRED_KEYS = """
DELETE FROM idempotency_key WHERE ctid = ANY (ARRAY (
    SELECT ctid FROM idempotency_key WHERE created_at < statement_timestamp() - make_interval(days => %(days)s)
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
"""


async def answered(
    tx: UnitOfWork, caller: Caller, school: UUID, key: str | None, request: Any, answer: dict[str, Any]
) -> dict[str, Any] | None:
    """Return the answer from before, or None and store this one with the commit; 409 when the request was another.

    `request` is the request as JSON, with its route where several accept keys.
    """
    if key is None:
        return None
    asked = digest(request)
    values = {"school": school, "asker": caller.name, "key": key, "request": asked, "answer": Jsonb(answer)}
    if await tx.row(INSERT_KEY, values) is not None:
        return None
    before = await tx.row(SELECT_KEY, values)
    if before is None or bytes(before["request"]) != asked:
        raise Problem(409, "idempotency_conflict")
    found: dict[str, Any] = before["answer"]
    return found


async def recalled(
    tx: UnitOfWork, caller: Caller, school: UUID, key: str | None, request: Any
) -> dict[str, Any] | None:
    """Return the answer given before, and remember nothing; 409 when the request was another.

    For requests with costly work before their commit, where `answered` decides.
    """
    if key is None:
        return None
    before = await tx.row(SELECT_KEY, {"school": school, "asker": caller.name, "key": key})
    if before is None:
        return None
    if bytes(before["request"]) != digest(request):
        raise Problem(409, "idempotency_conflict")
    found: dict[str, Any] = before["answer"]
    return found


def digest(request: Any) -> bytes:
    """Return a digest that differs for different requests."""
    return hashlib.sha256(orjson.dumps(request, option=orjson.OPT_SORT_KEYS)).digest()


async def forget_keys(rows: UnitOfWorkFactory) -> None:
    """Delete expired keys: no client repeats a request after so long."""
    forgotten = AT_ONCE
    while forgotten == AT_ONCE:
        async with rows.begin() as tx:
            forgotten = (await tx.execute(DELETE_EXPIRED_KEYS, {"days": KEPT_DAYS, "limit": AT_ONCE})).rowcount
