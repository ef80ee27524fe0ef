"""What is known of queues: their depth from the broker, the rest from the heartbeats of the workers."""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from pydantic import BaseModel

from shared.messaging.connection import CONNECTION_PROBLEMS, connected
from shared.messaging.topology_admin import count_messages
from shared.transactions.unit_of_work import UnitOfWork

log = structlog.get_logger()

KEPT_SECONDS = 2.0
"""For how long depths are answered again: many who look must not make many questions to the broker."""
COMPARED_SECONDS = 60.0
"""A depth that is older says nothing about the rate of now."""

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
    hold by their last heartbeat, `depth` both together. `age_seconds` is how old the newest received event was.
    `oldest_seconds` is how old the first waiting message can be at most: it came after that event. It is 0 where
    nothing waits, and null where no live worker has received anything. `out_per_second` is what live workers finished
    between their last two heartbeats. `in_per_second` is what they received then, and how fast `ready` grew between
    the last two questions to the broker; it is null until there are two. `paused` is true when all live workers have
    paused it.
    """

    name: str
    service: str
    ready: int | None
    consumers: int | None
    unacknowledged: int
    depth: int | None
    age_seconds: float | None
    newest_at: dt.datetime | None
    oldest_seconds: float | None
    in_per_second: float | None
    out_per_second: float | None
    workers: int
    paused_workers: int
    paused: bool
    ordered: QueueOrder | None


class ConsumedQueues(BaseModel):
    """All queues by name. `broker` is false while it is unavailable."""

    broker: bool
    items: list[ConsumedQueue]


class Depth(NamedTuple):
    """What the broker says of a queue; `growth` is in messages a second since the question before."""

    ready: int
    consumers: int
    growth: float | None = None


class QueueDepths:
    """Asks the broker for the depth of queues, at most every two seconds."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = asyncio.Lock()
        self._until = 0.0
        self._asked_at = -inf
        self._found: dict[str, Depth] = {}

    async def read(self, queues: Sequence[str]) -> dict[str, Depth] | None:
        """Return the depth of each existing queue; None while the broker is unavailable."""
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if now > self._until or not self._found.keys() >= set(queues):
                try:
                    async with connected(self._url, "gateway-queues") as connection:
                        counted = await count_messages(connection, queues)
                except CONNECTION_PROBLEMS as problem:
                    log.warning("queues.not_counted", error=type(problem).__name__)
                    return None
                now = asyncio.get_running_loop().time()
                self._found = compare(self._found, counted, now - self._asked_at)
                self._asked_at, self._until = now, now + KEPT_SECONDS
            return self._found


def compare(before: Mapping[str, Depth], counted: Mapping[str, tuple[int, int]], seconds: float) -> dict[str, Depth]:
    """Return depths, and how fast each grew since the ones of `seconds` before."""
    known = before if seconds <= COMPARED_SECONDS else {}
    return {
        name: Depth(ready, consumers, (ready - known[name].ready) / seconds if name in known else None)
        for name, (ready, consumers) in counted.items()
    }


async def consumption(tx: UnitOfWork) -> dict[str, ConsumedQueue]:
    """Return the queues that workers consume, by name, without their depths."""
    orders = {row["target"]: row for row in await tx.rows(SELECT_ORDERS)}
    found: dict[str, ConsumedQueue] = {}
    for row in await tx.rows(SELECT_CONSUMPTION):
        for name, reported in row["queues"].items():
            known = found.get(name) or _unknown(name, row["service"], orders.get(name))
            found[name] = _with(known, reported) if row["live"] else known
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
        newest_at=None,
        oldest_seconds=None,
        in_per_second=None,
        out_per_second=None,
        workers=0,
        paused_workers=0,
        paused=False,
        ordered=QueueOrder.model_validate(order) if order else None,
    )


def _with(known: ConsumedQueue, reported: Mapping[str, Any]) -> ConsumedQueue:
    """Add what one live worker reports; a later heartbeat has the newer age."""
    workers, paused = known.workers + 1, known.paused_workers + reported["paused"]
    age = known.age_seconds if reported["age_seconds"] is None else reported["age_seconds"]
    newest = [at for at in (known.newest_at, reported.get("newest_at")) if at is not None]
    return known.model_copy(
        update={
            "workers": workers,
            "paused_workers": paused,
            "paused": paused == workers,
            "unacknowledged": known.unacknowledged + reported["holds"],
            "age_seconds": age,
            "newest_at": max(map(_instant, newest), default=None),
            "in_per_second": _sum(known.in_per_second, reported.get("received_per_second")),
            "out_per_second": _sum(known.out_per_second, reported.get("finished_per_second")),
        }
    )


def _instant(at: dt.datetime | str) -> dt.datetime:
    return at if isinstance(at, dt.datetime) else dt.datetime.fromisoformat(at)


def _sum(known: float | None, more: float | None) -> float | None:
    """Add a rate; a worker of a version before reports none."""
    return known if more is None else (known or 0.0) + more


def with_depths(
    queues: Mapping[str, ConsumedQueue], depths: Mapping[str, Depth] | None, now: dt.datetime
) -> ConsumedQueues:
    """Join what workers and the broker report. The received rate of the workers becomes the rate of what arrives."""
    items = []
    for name, queue in queues.items():
        found = (depths or {}).get(name)
        if found is None:
            items.append(queue.model_copy(update={"in_per_second": None}))
            continue
        arriving = None if found.growth is None else max(0.0, (queue.in_per_second or 0.0) + found.growth)
        oldest = None if queue.newest_at is None else max(0.0, (now - queue.newest_at).total_seconds())
        reported = {
            "ready": found.ready,
            "consumers": found.consumers,
            "depth": found.ready + queue.unacknowledged,
            "oldest_seconds": oldest if found.ready else 0.0,
            "in_per_second": arriving,
        }
        items.append(queue.model_copy(update=reported))
    return ConsumedQueues(broker=depths is not None, items=items)
