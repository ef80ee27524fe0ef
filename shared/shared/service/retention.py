"""Deletes what has served its time, in commits that are short enough to keep no other one waiting.

A table is gone through by its pages: this needs no index, and no page is looked at twice. One replica at a time does
it. Each commit is one statement, so that its locks never wait for this process (decision 0079).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from shared.transactions.unit_of_work import UnitOfWorkFactory

log = structlog.get_logger()

PAGES = 4
"""Pages that one commit looks through at most: some hundred rows."""
SLOW_SECONDS = 0.03
"""A commit that took longer is followed by one of half as many pages."""

# Find out whether a table has rows that have served their time, and how many pages it has.
MEASURE_TABLE = """
SELECT EXISTS (SELECT FROM {table} WHERE {where}) AS any_old,
       pg_relation_size('{table}') / current_setting('block_size')::int AS pages
"""
# Delete or change old rows of a few pages, unless another replica prunes the table. Its commit does not wait for the
# disk: a crash of the server may bring rows back, and the next run deletes them.
PRUNE_ROWS = """
WITH turn AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true) = 'off'
       AND pg_try_advisory_xact_lock(hashtextextended(current_schema() || '.{table}', 0)) AS mine
), pruned AS (
    {change} WHERE (SELECT mine FROM turn) AND ctid >= format('(%%s,0)', %(page)s::bigint)::tid
      AND ctid < format('(%%s,0)', %(page)s::bigint + %(pages)s)::tid AND {where}
    RETURNING 1
)
SELECT mine, deleted, extract(epoch FROM clock_timestamp() - statement_timestamp())::float8 AS seconds
FROM turn, (SELECT count(*) AS deleted FROM pruned) counted
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


async def _prune_table(transactions: UnitOfWorkFactory, policy: Policy, most: int) -> int:
    change = policy.change or f"DELETE FROM {policy.table}"  # noqa: S608  # constants
    names = {"table": policy.table, "where": policy.where, "change": change}
    (found,) = await transactions.run_alone(MEASURE_TABLE.format(**names), {"days": policy.days})
    statement = PRUNE_ROWS.format(**names)
    deleted = page = 0
    pages, end = most, found["pages"] if found["any_old"] else -1
    while page <= end:
        values = {"page": page, "pages": pages, "days": policy.days}
        (done,) = await transactions.run_alone(statement, values)
        if not done["mine"]:
            break
        deleted += done["deleted"]
        page += pages
        pages = pages_after(pages, done["seconds"], most)
    return deleted


def pages_after(pages: int, seconds: float, most: int) -> int:
    """Return the pages of the next commit: half as many after a slow one, otherwise one more, up to `most`."""
    return max(1, pages // 2) if seconds > SLOW_SECONDS else min(most, pages + 1)
