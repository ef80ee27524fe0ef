"""Follows the orders of operators: paused queues, drained workers.

Orders are rows of the service, so that every process follows them, also one that starts later. They pause queues only:
projections, periodic tasks and routes go on.
"""

import asyncio
import datetime as dt
from collections.abc import Collection

import structlog

from shared.events.consumers import ConsumersOrdered
from shared.messaging.subscriber import Subscriber
from shared.persistence.database_errors import is_unavailable
from shared.telemetry import Metrics
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

log = structlog.get_logger()

LOOK_SECONDS = 1.0

# Store the newest order about a target.
UPSERT_ORDER = """
INSERT INTO consumer_order AS o (target, "order", reason, ordered_by, ordered_at)
VALUES (%(target)s, %(order)s, %(reason)s, %(ordered_by)s, %(ordered_at)s)
ON CONFLICT (target) DO UPDATE SET "order" = excluded."order", reason = excluded.reason,
    ordered_by = excluded.ordered_by, ordered_at = excluded.ordered_at
WHERE o.ordered_at < excluded.ordered_at
"""
# Find what must not be consumed. A process may have the name of an earlier one, whose order is not meant for it.
SELECT_ORDERS = """
SELECT target FROM consumer_order WHERE "order" = 'pause' OR "order" = 'drain' AND ordered_at > %(started)s
"""
DRAINS = """
consumer_order."order" = 'drain' AND consumer_order.ordered_at < clock_timestamp() - make_interval(days => %(days)s)
"""
DRAINS_DAYS = 7
"""How long an order to drain is kept: the process has read it within seconds, and remembers it."""


async def store_order(event: ConsumersOrdered, tx: UnitOfWork, service: str) -> None:
    """Store an order, if it is for this service."""
    if event.service == service:
        await tx.execute(UPSERT_ORDER, event.model_dump())


class ConsumerOrders:
    """Pauses and resumes the queues of one process as ordered."""

    def __init__(
        self, subscriber: Subscriber, transactions: UnitOfWorkFactory, metrics: Metrics, worker: str, own: str
    ) -> None:
        """`own`: the queue of the orders themselves, which is never paused."""
        self._subscriber = subscriber
        self._transactions = transactions
        self._metrics = metrics
        self._worker = worker
        self._own = own
        self._started = dt.datetime.now(dt.UTC)
        self.draining = False
        """Whether this process was ordered to finish."""
        self.paused: frozenset[str] = frozenset()
        """The queues from which this process does not consume."""

    async def run(self) -> None:
        """Follow the orders until cancelled."""
        for queue in self._subscriber.queues:
            self._metrics.queue_paused.labels(queue).set(0)
        while True:
            try:
                await self.look()
            except Exception as problem:
                if not is_unavailable(problem):
                    raise
                log.warning("orders.not_read", error=type(problem).__name__)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Follow the orders that hold now."""
        async with self._transactions.begin() as tx:
            orders = await tx.rows(SELECT_ORDERS, {"started": self._started})
        self._follow({row["target"] for row in orders})

    def _follow(self, targets: Collection[str]) -> None:
        self.draining = self.draining or self._worker in targets
        queues = self._subscriber.queues
        wanted = frozenset(queue for queue in queues if queue != self._own and (self.draining or queue in targets))
        for queue in wanted - self.paused:
            log.warning("queue.paused", queue=queue, draining=self.draining)
            self._subscriber.pause(queue)
        for queue in self.paused - wanted:
            log.warning("queue.resumed", queue=queue)
            self._subscriber.resume(queue)
        for queue in queues:
            self._metrics.queue_paused.labels(queue).set(queue in targets)
        self.paused = wanted
