"""Deletes failures that an operator has dealt with, after a long time. Open failures stay until someone decides."""

from shared.transactions.unit_of_work import UnitOfWorkFactory

AT_ONCE = 1_000
"""Rows of one commit: few, so that no lock is held for long."""

# Delete failures that were closed long ago. SKIP LOCKED: two instances must not wait for each other.
DELETE_CLOSED_FAILURES = """
DELETE FROM failure WHERE failure_id = ANY (ARRAY (
    SELECT failure_id FROM failure
    WHERE coalesce(resolved_at, discarded_at) < clock_timestamp() - make_interval(days => %(days)s)
    ORDER BY coalesce(resolved_at, discarded_at) LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
"""
# Delete the members of retries that ended long ago.
DELETE_MEMBERS = """
DELETE FROM failure_retry_member WHERE ctid = ANY (ARRAY (
    SELECT m.ctid FROM failure_retry_member m JOIN failure_retry r USING (task_id)
    WHERE r.ended_at < clock_timestamp() - make_interval(days => %(days)s)
    LIMIT %(limit)s FOR UPDATE OF m SKIP LOCKED))
"""
# Delete retries that ended long ago and have no members any more.
DELETE_RETRIES = """
DELETE FROM failure_retry WHERE task_id = ANY (ARRAY (
    SELECT task_id FROM failure_retry r
    WHERE ended_at < clock_timestamp() - make_interval(days => %(days)s)
      AND NOT EXISTS (SELECT FROM failure_retry_member m WHERE m.task_id = r.task_id)
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
"""


async def forget_failures(transactions: UnitOfWorkFactory, days: int, limit: int = AT_ONCE) -> None:
    """Delete what was closed long ago, one small commit after the other."""
    for statement in (DELETE_CLOSED_FAILURES, DELETE_MEMBERS, DELETE_RETRIES):
        deleted = limit
        while deleted == limit:
            async with transactions.begin() as tx:
                deleted = (await tx.execute(statement, {"days": days, "limit": limit})).rowcount
