"""The source of what a school adds by hand under an id of its own.

It has none ('') unless the id is used at another school: then the school itself is its source. An answer must not say
what is known elsewhere. A roster adopts both (`roster_import/sources.py`).
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from gateway.problems import Problem
from shared.transactions.unit_of_work import UnitOfWork


async def insert(tx: UnitOfWork, what: str, find: str, add: str, school: UUID, facts: Mapping[str, Any]) -> None:
    """Insert a row, unless the school has one with its `sourced_id`: 409, and `what` names it.

    `find` selects such a row by `sourced_id`, `own` and `school`; `add` inserts with `source` and returns a row if it
    did.
    """
    own = f"school:{school}"
    for source in ("", own):
        # Found each time: the insert waits for a commit that adds the same id.
        known = await tx.row(find, {"sourced_id": facts["sourced_id"], "own": own, "school": school})
        if known is not None:
            break
        if await tx.row(add, {"source": source, "school": school, **facts}) is not None:
            return
    raise Problem(409, "conflict", f"Another {what} has this sourced_id.")
