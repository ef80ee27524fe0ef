"""Groups of open failures: one for each fault of a consumer.

Triggers keep their counts in the commit that stores or settles a failure (decision 0051).
"""

from typing import Any
from uuid import UUID

from gateway.operations.failure_reads import FIND_FAILURES, FailureGroup, FailureGroups
from gateway.operations.failure_selection import SELECTED
from gateway.problems import Problem
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

# Count the open failures of each fault and find the newest. All that are counted were stored before `seen_until`.
SELECT_GROUPS = """
WITH groups AS (
    SELECT queue, fingerprint, sum(change)::bigint AS count, min(first_failed) AS first_failed,
           max(last_failed) AS last_failed, (sum(sum(change)) OVER ())::bigint AS all_of_them
    FROM failure_count
    WHERE (%(service)s::text IS NULL OR split_part(queue, '.', 1) = %(service)s)
      AND (%(queue)s::text IS NULL OR queue = %(queue)s)
      AND (%(fingerprint)s::text IS NULL OR fingerprint = %(fingerprint)s)
      AND (%(type)s::text IS NULL OR type = %(type)s)
      AND (%(school)s::uuid IS NULL OR school_id = %(school)s)
    GROUP BY queue, fingerprint HAVING sum(change) > 0
    ORDER BY sum(change) DESC, queue, fingerprint LIMIT %(limit)s
)
SELECT g.*, f.failure_id AS sample, clock_timestamp() AS seen_until
FROM groups g CROSS JOIN LATERAL (
    SELECT failure_id FROM failure f
    WHERE f.queue = g.queue AND f.fingerprint = g.fingerprint
      AND given_back_at IS NULL AND discarded_at IS NULL {and_school}
      AND (%(type)s::text IS NULL OR f.type = %(type)s)
    ORDER BY failure_id DESC LIMIT 1) f
ORDER BY count DESC, queue, fingerprint
"""
OF_ALL_SCHOOLS = SELECT_GROUPS.format(and_school="")
OF_ONE_SCHOOL = SELECT_GROUPS.format(and_school="AND f.school_id = %(school)s")
"""Written out, so that the index of schools is used."""
# Add up the changes of faults that have more than one row; what comes to nothing leaves no row.
ADD_UP_COUNTS = """
WITH several AS (
    SELECT array_agg(count_id) AS ids FROM failure_count
    GROUP BY school_id, queue, fingerprint, type HAVING count(*) > 1 OR sum(change) = 0
), gone AS (
    DELETE FROM failure_count WHERE count_id IN (SELECT unnest(ids) FROM several) RETURNING *
)
INSERT INTO failure_count (school_id, queue, fingerprint, type, change, first_failed, last_failed)
SELECT school_id, queue, fingerprint, type, sum(change), min(first_failed), max(last_failed) FROM gone
GROUP BY school_id, queue, fingerprint, type HAVING sum(change) <> 0
"""
# Let one instance add up at a time.
LOCK_COUNTS = "SELECT pg_try_advisory_xact_lock(hashtext('gateway.failure_count')) AS locked"
# Close open failures without a retry. Locked by number, as everywhere: a retry at the same time must not deadlock.
DISCARD_FAILURES = f"""
UPDATE failure SET discarded_at = clock_timestamp(), discarded_by = %(person)s, discard_reason = %(reason)s
WHERE failure_id = ANY (ARRAY (SELECT failure_id FROM failure WHERE {SELECTED} ORDER BY failure_id FOR UPDATE))
"""  # noqa: S608  # a constant
# Count the open failures of a selection.
COUNT_SELECTED = f"SELECT count(*) AS count FROM failure WHERE {SELECTED}"  # noqa: S608  # a constant


async def group(tx: UnitOfWork, filters: dict[str, Any], limit: int) -> FailureGroups:
    """Return the largest groups of a filter."""
    query = OF_ALL_SCHOOLS if filters["school"] is None else OF_ONE_SCHOOL
    rows = await tx.rows(query, filters | {"limit": limit})
    if not rows:
        now = await tx.row("SELECT clock_timestamp() AS now")
        assert now is not None
        return FailureGroups(seen_until=now["now"], count=0, items=[])
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
    return FailureGroups(seen_until=rows[0]["seen_until"], count=rows[0]["all_of_them"], items=items)


async def add_up_counts(transactions: UnitOfWorkFactory) -> None:
    """Keep the counts small: a row for each fault of a school."""
    async with transactions.begin() as tx:
        locked = await tx.row(LOCK_COUNTS)
        if locked and locked["locked"]:
            await tx.execute(ADD_UP_COUNTS)


async def discard(tx: UnitOfWork, values: dict[str, Any], count: int, person: UUID | None, reason: str) -> None:
    """Close a selection without a retry; 409 `drifted` when it has another size than was seen."""
    closed = await tx.execute(DISCARD_FAILURES, values | {"person": person, "reason": reason})
    check_count(closed.rowcount, count)


def check_count(found: int, seen: int) -> None:
    """Raise 409 `drifted` unless a selection has the size that was seen."""
    if found != seen:
        detail = f"You have seen {seen}, but {found} failures are open now. List them again."
        raise Problem(409, "drifted", detail, count=found)
