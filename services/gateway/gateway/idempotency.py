"""The same request under the same key is done once, however often and wherever at once it comes in."""

import hashlib
import json
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from gateway.auth import Caller
from gateway.problems import Problem
from shared.transaction import Transaction

# The key's row is written first: a concurrent request with the same key waits here and then finds the answer.
REMEMBER = """
INSERT INTO idempotency_key (school_id, asker, key, request, answer)
VALUES (%(school)s, %(asker)s, %(key)s, %(request)s, %(answer)s) ON CONFLICT DO NOTHING RETURNING key
"""
RECALL = """
SELECT request, answer FROM idempotency_key
WHERE school_id = %(school)s AND asker = %(asker)s AND key = %(key)s
"""


async def answered(
    tx: Transaction, caller: Caller, school: UUID, key: str | None, request: Any, answer: dict[str, Any]
) -> dict[str, Any] | None:
    """The answer given before, or None after remembering this one with the commit; 409 when the request was another.

    `request` is what was asked for, as JSON has it, the route included where several take keys.
    """
    if key is None:
        return None
    digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).digest()
    values = {"school": school, "asker": caller.name, "key": key, "request": digest, "answer": Jsonb(answer)}
    if await tx.row(REMEMBER, values) is not None:
        return None
    before = await tx.row(RECALL, values)
    if before is None or bytes(before["request"]) != digest:
        raise Problem(409, "idempotency_conflict")
    found: dict[str, Any] = before["answer"]
    return found
