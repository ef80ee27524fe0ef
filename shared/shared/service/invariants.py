"""Counts the rows that break a promise, and exports the numbers; each must be 0.

An invariant is a statement that finds what should not be there: one row, whose `violations` is how many. It is read
from one snapshot, bounded by the worker's statement timeout, and changes nothing: mending is a person's decision.
"""

import asyncio
import random

import structlog

from shared.persistence.database_errors import is_contention, is_database_down
from shared.telemetry import Metrics
from shared.transactions.unit_of_work import UnitOfWorkFactory

log = structlog.get_logger()

SPINE_INVARIANTS = {
    # A projection met a log that did not hold all that it should have read (`resync`, then `rebuild`).
    "log_history_missing": "SELECT count(*) AS violations FROM log_offset WHERE gap IS NOT NULL",
    # A task is final, and somebody still has it: its end would be told twice.
    "ended_task_in_hand": """
SELECT count(*) AS violations FROM task_lease l JOIN task_track t USING (task_id)
WHERE l.ended_at IS NULL AND t.state IN ('succeeded', 'failed', 'cancelled')
""",
    # A lease that ended, and its task never did: nobody would ever finish it.
    "task_left_open": """
SELECT count(*) AS violations FROM task_lease l JOIN task_track t USING (task_id)
WHERE l.ended_at < clock_timestamp() - interval '1 minute' AND t.state NOT IN ('succeeded', 'failed', 'cancelled')
""",
}
"""Invariants of the spine's own tables, for every service."""

SELECT_OUTBOX_AGE = "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0) AS age FROM outbox"


class InvariantChecker:
    """One service's invariants, counted about every `seconds` in each replica."""

    def __init__(self, transactions: UnitOfWorkFactory, metrics: Metrics, seconds: float) -> None:
        self._transactions = transactions
        self._metrics = metrics
        self._seconds = seconds
        self.invariants = dict(SPINE_INVARIANTS)

    async def run(self) -> None:
        """Count until cancelled. A database that is away leaves the last numbers standing."""
        while True:
            await asyncio.sleep(self._seconds * random.uniform(0.75, 1.25))  # noqa: S311  # spread, not a secret
            try:
                await self.count()
            except Exception as problem:
                if not is_database_down(problem) and not is_contention(problem):
                    raise
                log.warning("reconciler.interrupted", error=type(problem).__name__)

    async def count(self) -> dict[str, int]:
        """Violations by invariant, exported as they are found."""
        found = {}
        for name, statement in self.invariants.items():
            async with self._transactions.database.worker() as connection:
                row = await (await connection.execute(statement)).fetchone()
            found[name] = int(row["violations"]) if row else 0
            self._metrics.violations.labels(name).set(found[name])
            if found[name]:
                log.error("invariant.broken", invariant=name, violations=found[name])
        async with self._transactions.database.worker() as connection:
            row = await (await connection.execute(SELECT_OUTBOX_AGE)).fetchone()
        self._metrics.outbox_age.set(float(row["age"]) if row else 0.0)
        return found
