"""Counts the deliveries that could be sent now: a cluster runs notifiers by this figure."""

from prometheus_client import CollectorRegistry, Gauge

from shared.transactions.unit_of_work import UnitOfWorkFactory

MOST = 100_000
"""More are not counted: the count shall stay quick."""
CHANNELS = ("push", "mail")

# Count due deliveries by channel, up to a limit.
COUNT_DUE = """
SELECT channel, count(*) AS due
FROM (SELECT channel FROM delivery WHERE state = 'pending' AND due_at <= clock_timestamp() LIMIT %(most)s) AS waiting
GROUP BY channel
"""


class DeliveryBacklog:
    """Exports the count; each replica counts the same rows."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._gauge = Gauge(
            "schoolconnect_deliveries_pending",
            "Deliveries that are due and not being sent, at most 100,000; each replica counts all of them",
            ["channel"],
            registry=registry,
        )
        for channel in CHANNELS:
            self._gauge.labels(channel).set(0)

    def export(self, due: dict[str, int]) -> None:
        """Export a count by channel; a channel that is not in it has none."""
        for channel in CHANNELS:
            self._gauge.labels(channel).set(due.get(channel, 0))


async def count_due(transactions: UnitOfWorkFactory, backlog: DeliveryBacklog) -> None:
    """Count and export."""
    async with transactions.begin() as tx:
        rows = await tx.rows(COUNT_DUE, {"most": MOST})
    backlog.export({row["channel"]: row["due"] for row in rows})
