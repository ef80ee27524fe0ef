"""Groups of open failures: one for each fault of a consumer. They are counted in the database, not in memory."""

from typing import Any
from uuid import UUID

from gateway.operations.failure_reads import FIND_FAILURES, FailureGroup, FailureGroups
from gateway.operations.failure_selection import SELECTED
from gateway.problems import Problem
from shared.transactions.unit_of_work import UnitOfWork

# Count the open failures of each fault. `seen_until` is the start of the transaction, which is before its snapshot.
SELECT_GROUPS = f"""
SELECT queue, fingerprint, count(*) AS count, min(first_failed) AS first_failed, max(last_failed) AS last_failed,
       max(failure_id) AS sample, (sum(count(*)) OVER ())::bigint AS all_of_them
FROM failure WHERE {SELECTED}
GROUP BY queue, fingerprint ORDER BY count(*) DESC, queue, fingerprint LIMIT %(limit)s
"""  # noqa: S608  # a constant
# Close open failures without a retry.
DISCARD_FAILURES = f"""
UPDATE failure SET discarded_at = clock_timestamp(), discarded_by = %(person)s, discard_reason = %(reason)s
WHERE {SELECTED}
"""  # noqa: S608  # a constant
# Count the open failures of a selection.
COUNT_SELECTED = f"SELECT count(*) AS count FROM failure WHERE {SELECTED}"  # noqa: S608  # a constant


async def group(tx: UnitOfWork, filters: dict[str, Any], limit: int) -> FailureGroups:
    """Return the largest groups of a filter."""
    now = await tx.row("SELECT now() AS now")
    assert now is not None
    rows = await tx.rows(SELECT_GROUPS, filters | {"seen_until": now["now"], "limit": limit})
    samples = {each.id: each for each in await FIND_FAILURES.all(tx, ids=[row["sample"] for row in rows])}
    items = [
        FailureGroup(
            service=row["queue"].partition(".")[0],
            handler=row["queue"].partition(".")[2],
            sample=samples[row["sample"]],
            **{name: row[name] for name in ("queue", "fingerprint", "count", "first_failed", "last_failed")},
        )
        for row in rows
    ]
    return FailureGroups(seen_until=now["now"], count=rows[0]["all_of_them"] if rows else 0, items=items)


async def discard(tx: UnitOfWork, values: dict[str, Any], count: int, person: UUID | None, reason: str) -> None:
    """Close a selection without a retry; 409 `drifted` when it has another size than was seen."""
    closed = await tx.execute(DISCARD_FAILURES, values | {"person": person, "reason": reason})
    check_count(closed.rowcount, count)


def check_count(found: int, seen: int) -> None:
    """Raise 409 `drifted` unless a selection has the size that was seen."""
    if found != seen:
        detail = f"You have seen {seen}, but {found} failures are open now. List them again."
        raise Problem(409, "drifted", detail, count=found)
