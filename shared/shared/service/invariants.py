"""Counts rows that violate an invariant, and exports the numbers; each must be 0.

An invariant is a statement that returns one row with the number of `violations`. It reads one snapshot, is limited by
the statement timeout of workers, and changes nothing: a person decides about the repair.
"""

import asyncio
import random

import structlog

from shared.persistence.database_errors import is_contention, is_database_down
from shared.telemetry import Metrics
from shared.transactions.unit_of_work import UnitOfWorkFactory

log = structlog.get_logger()

SPINE_INVARIANTS = {
    # A projection found that events are missing in the log (run `resync`, then `rebuild`).
    "log_history_missing": "SELECT count(*) AS violations FROM log_offset WHERE gap IS NOT NULL",
    # A task has a final state, but its lease has not ended: its end would be published twice.
    "ended_task_in_hand": """
SELECT count(*) AS violations FROM task_lease l JOIN task_track t USING (task_id)
WHERE l.ended_at IS NULL AND t.state IN ('succeeded', 'failed', 'cancelled')
""",
    # The lease of a task has ended, but the task has no final state: no worker will finish it.
    "task_left_open": """
SELECT count(*) AS violations FROM task_lease l JOIN task_track t USING (task_id)
WHERE l.ended_at < clock_timestamp() - interval '1 minute' AND t.state NOT IN ('succeeded', 'failed', 'cancelled')
""",
}
"""Invariants of the tables of every service."""

# Find the age of the oldest outbox row in seconds.
SELECT_OUTBOX_AGE = "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0) AS age FROM outbox"


class InvariantChecker:
    """Counts the invariants of one service about every `seconds`, in each replica."""

    def __init__(self, transactions: UnitOfWorkFactory, metrics: Metrics, seconds: float) -> None:
        self._transactions = transactions
        self._metrics = metrics
        metrics.counted_at.set_to_current_time()  # else the first count would be decades late
        self._seconds = seconds
        self.invariants = dict(SPINE_INVARIANTS)

    async def run(self) -> None:
        """Count until cancelled. While the database is down, the last numbers stay."""
        while True:
            await asyncio.sleep(self._seconds * random.uniform(0.75, 1.25))  # noqa: S311  # spread, not a secret
            try:
                await self.count()
            except Exception as problem:
                if not is_database_down(problem) and not is_contention(problem):
                    raise
                log.warning("invariants.interrupted", error=type(problem).__name__)

    async def count(self) -> dict[str, int]:
        """Count and export the violations; returns them by invariant."""
        found = {}
        for name, statement in self.invariants.items():
            async with self._transactions.database.worker() as connection:
                row = await (await connection.execute(statement)).fetchone()
            found[name] = int(row["violations"]) if row else 0
            self._metrics.violations.labels(name).set(found[name])
            if found[name]:
                log.error("invariant.violated", invariant=name, violations=found[name])
        async with self._transactions.database.worker() as connection:
            row = await (await connection.execute(SELECT_OUTBOX_AGE)).fetchone()
        self._metrics.outbox_age.set(float(row["age"]) if row else 0.0)
        self._metrics.counted_at.set_to_current_time()
        return found
