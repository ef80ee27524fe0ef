"""Measures every few seconds what waits in the outbox, so that a broker that takes nothing is seen at once."""

import asyncio

import structlog
from prometheus_client import Gauge

from shared.persistence.database import Database
from shared.persistence.database_errors import is_contention, is_database_down
from shared.telemetry import Metrics

log = structlog.get_logger()

LOOK_SECONDS = 5.0
LATE_SECONDS = 10.0
"""A row that waits longer is reported: usually it is published within a second."""

# Count the rows of the outbox, up to a limit, and find the age of the oldest in seconds.
MEASURE_BACKLOG = """
SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT 1000000) AS waiting) AS pending,
       coalesce(extract(epoch FROM clock_timestamp() - (SELECT min(created_at) FROM outbox)), 0)::float8 AS oldest
"""


class OutboxBacklog:
    """The outbox of one service, as it was at the last look."""

    def __init__(self, database: Database, metrics: Metrics, seconds: float = LOOK_SECONDS) -> None:
        self._database = database
        self._oldest_gauge = metrics.outbox_age
        self._seconds = seconds
        self._pending_gauge = Gauge(
            "schoolconnect_outbox_pending_rows", "Outbox rows that have not been published", registry=metrics.registry
        )
        self.pending = 0
        self.oldest = 0.0
        """Seconds."""

    async def run(self) -> None:
        """Look until cancelled. While the database is away, the last figures stay."""
        while True:
            try:
                await self.look()
            except Exception as problem:
                if not is_database_down(problem) and not is_contention(problem):
                    raise
                log.warning("outbox.not_measured", error=type(problem).__name__)
            await asyncio.sleep(self._seconds)

    async def look(self) -> None:
        """Measure once."""
        async with self._database.worker() as connection:
            row = await (await connection.execute(MEASURE_BACKLOG)).fetchone()
        assert row is not None
        self.pending, self.oldest = row["pending"], row["oldest"]
        self._pending_gauge.set(self.pending)
        self._oldest_gauge.set(self.oldest)

    def notes(self) -> list[str]:
        """Return what an operator should know; nothing while rows are published in time."""
        if self.oldest < LATE_SECONDS:
            return []
        return [
            f"outbox: {self.pending} messages wait, the oldest for {self.oldest:.0f} s; the broker does not take them"
        ]
