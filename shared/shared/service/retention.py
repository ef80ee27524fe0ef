"""Deletes what has served its time, in commits that are short enough to keep no other one waiting.

A table is gone through by its pages: this needs no index, and no page is looked at twice. One
replica at a time does it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from shared.transactions.unit_of_work import UnitOfWorkFactory

log = structlog.get_logger()

PAGES = 4
"""Pages that one commit looks through: some hundred rows."""

# Find out whether a table has rows that have served their time, and how many pages it has.
MEASURE_TABLE = """
SELECT EXISTS (SELECT FROM {table} WHERE {where}) AS any_old,
       pg_relation_size('{table}') / current_setting('block_size')::int AS pages
"""
# Let one replica prune a table at a time. Its commit does not wait for the disk, so that no lock is held meanwhile: a
# crash of the server may bring rows back, and the next run deletes them.
LOCK_TABLE = """
SELECT pg_try_advisory_xact_lock(hashtextextended(current_schema() || '.' || %(table)s, 0)) AS locked,
       set_config('synchronous_commit', 'off', true)
"""
# Delete or change old rows of a few pages.
PRUNE_ROWS = """
{change} WHERE ctid >= format('(%%s,0)', %(page)s::bigint)::tid
  AND ctid < format('(%%s,0)', %(page)s::bigint + %(pages)s)::tid AND {where}
"""


@dataclass(frozen=True, slots=True)
class Policy:
    """Rows of a table that are deleted after some days. `where` is SQL and has `%(days)s`.

    `change` is an UPDATE without its condition, for rows that lose only a part.
    """

    table: str
    where: str
    days: int
    change: str = ""


INBOX = "handled_at < clock_timestamp() - make_interval(days => %(days)s)"
TASK_TRACKS = """
task_track.state IN ('succeeded', 'failed', 'cancelled')
AND task_track.changed_at < clock_timestamp() - make_interval(days => %(days)s)
"""
REPLAYS = """
replay.requested_at < clock_timestamp() - make_interval(days => %(days)s)
AND NOT EXISTS (SELECT FROM task_lease l WHERE l.task_id = replay.task_id AND l.ended_at IS NULL)
"""
TASK_LEASES = "task_lease.ended_at < clock_timestamp() - make_interval(days => %(days)s)"


def of_every_service(inbox_days: int) -> tuple[Policy, ...]:
    """Return the policies of the tables that each service has. A message that can come again finds all of them."""
    return (
        Policy("inbox", INBOX, inbox_days),
        Policy("task_track", TASK_TRACKS, inbox_days),
        Policy("replay", REPLAYS, inbox_days),
        Policy("task_lease", TASK_LEASES, inbox_days),
    )


async def prune(transactions: UnitOfWorkFactory, policies: Sequence[Policy], pages: int = PAGES) -> None:
    """Delete what the policies no longer keep, one short commit after the other."""
    for policy in policies:
        deleted = await _prune_table(transactions, policy, pages)
        if deleted:
            log.info("rows.pruned", table=policy.table, rows=deleted, days=policy.days)


async def _prune_table(transactions: UnitOfWorkFactory, policy: Policy, pages: int) -> int:
    names = {"table": policy.table, "where": policy.where}
    change = policy.change or f"DELETE FROM {policy.table}"  # noqa: S608  # constants
    statement = PRUNE_ROWS.format(change=change, where=policy.where)
    async with transactions.begin() as tx:
        found = await tx.row(MEASURE_TABLE.format(**names), {"days": policy.days})
    if found is None or not found["any_old"]:
        return 0
    deleted = 0
    for page in range(0, found["pages"] + 1, pages):
        async with transactions.begin() as tx:
            lock = await tx.row(LOCK_TABLE, {"table": policy.table})
            if not lock or not lock["locked"]:
                return deleted
            values = {"page": page, "pages": pages, "days": policy.days}
            deleted += (await tx.execute(statement, values)).rowcount
    return deleted
