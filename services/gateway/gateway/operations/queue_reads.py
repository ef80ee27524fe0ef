"""What is known of queues: their depth from the broker, the rest from the heartbeats of the workers."""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog
from pydantic import BaseModel

from shared.messaging.connection import CONNECTION_PROBLEMS, connected
from shared.messaging.topology_admin import count_messages
from shared.transactions.unit_of_work import UnitOfWork

log = structlog.get_logger()

KEPT_SECONDS = 2.0
"""For how long depths are answered again: many who look must not make many questions to the broker."""

# Select what the workers say of their queues. A worker that missed three heartbeats says nothing that is current.
SELECT_CONSUMPTION = """
SELECT service, facts->'queues' AS queues,
       extract(epoch FROM clock_timestamp() - seen_at) < 3 * (facts->>'every_seconds')::float8 AS live
FROM worker WHERE facts ? 'queues' ORDER BY seen_at
"""
# Select the orders that hold.
SELECT_ORDERS = """SELECT target, "order", reason, ordered_by, ordered_at FROM consumer_order"""


class QueueOrder(BaseModel):
    """The newest order about a queue."""

    order: str
    reason: str
    ordered_by: UUID | None
    ordered_at: dt.datetime


class ConsumedQueue(BaseModel):
    """A queue of a service.

    `ready` and `consumers` are the broker's, null while it is unavailable. `unacknowledged` is what the live workers
    hold by their last heartbeat, `depth` both together. `age_seconds` is how old the newest received event was. The
    broker does not say how old the first waiting message is. `paused` is true when all live workers have paused it.
    """

    name: str
    service: str
    ready: int | None
    consumers: int | None
    unacknowledged: int
    depth: int | None
    age_seconds: float | None
    workers: int
    paused_workers: int
    paused: bool
    ordered: QueueOrder | None


class ConsumedQueues(BaseModel):
    """All queues by name. `broker` is false while it is unavailable."""

    broker: bool
    items: list[ConsumedQueue]


class QueueDepths:
    """Asks the broker for the depth of queues, at most every two seconds."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = asyncio.Lock()
        self._until = 0.0
        self._found: dict[str, tuple[int, int]] = {}

    async def read(self, queues: Sequence[str]) -> dict[str, tuple[int, int]] | None:
        """Return ready messages and consumers of each existing queue; None while the broker is unavailable."""
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if now > self._until or not self._found.keys() >= set(queues):
                try:
                    async with connected(self._url, "gateway-queues") as connection:
                        self._found = await count_messages(connection, queues)
                except CONNECTION_PROBLEMS as problem:
                    log.warning("queues.not_counted", error=type(problem).__name__)
                    return None
                self._until = asyncio.get_running_loop().time() + KEPT_SECONDS
            return self._found


async def consumption(tx: UnitOfWork) -> dict[str, ConsumedQueue]:
    """Return the queues that workers consume, by name, without their depths."""
    orders = {row["target"]: row for row in await tx.rows(SELECT_ORDERS)}
    found: dict[str, ConsumedQueue] = {}
    for row in await tx.rows(SELECT_CONSUMPTION):
        for name, said in row["queues"].items():
            known = found.get(name) or _unknown(name, row["service"], orders.get(name))
            found[name] = _with(known, said) if row["live"] else known
    return dict(sorted(found.items()))


def _unknown(name: str, service: str, order: Mapping[str, Any] | None) -> ConsumedQueue:
    return ConsumedQueue(
        name=name,
        service=service,
        ready=None,
        consumers=None,
        unacknowledged=0,
        depth=None,
        age_seconds=None,
        workers=0,
        paused_workers=0,
        paused=False,
        ordered=QueueOrder.model_validate(order) if order else None,
    )


def _with(known: ConsumedQueue, said: Mapping[str, Any]) -> ConsumedQueue:
    """Add what one live worker says; a later heartbeat has the newer age."""
    workers, paused = known.workers + 1, known.paused_workers + said["paused"]
    age = known.age_seconds if said["age_seconds"] is None else said["age_seconds"]
    return known.model_copy(
        update={
            "workers": workers,
            "paused_workers": paused,
            "paused": paused == workers,
            "unacknowledged": known.unacknowledged + said["holds"],
            "age_seconds": age,
        }
    )


def with_depths(queues: Mapping[str, ConsumedQueue], depths: Mapping[str, tuple[int, int]] | None) -> ConsumedQueues:
    """Join what workers and the broker say."""
    items = []
    for name, queue in queues.items():
        ready, consumers = (depths or {}).get(name, (None, None))
        depth = None if ready is None else ready + queue.unacknowledged
        items.append(queue.model_copy(update={"ready": ready, "consumers": consumers, "depth": depth}))
    return ConsumedQueues(broker=depths is not None, items=items)
