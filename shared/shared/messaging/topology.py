"""Exchanges, queues, routing keys, retry tiers and streams. All names on the broker are made here.

They are the same on RabbitMQ 3.10 and 4.x. A topic is noun.verb; each noun belongs to exactly one stream.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from shared.settings import LOG_DAYS

EVENTS = "school.events"
DEAD = "school.dead"
TELEMETRY = "school.telemetry"

LOGS: dict[str, tuple[str, ...]] = {
    "school.log.directory": ("school", "person", "student", "calendar"),
    "school.log.records": ("behavior", "payment", "absence", "grade", "remark"),
    "school.log.work": (
        "notification", "inbox", "schedule", "file", "files", "report", "reports", "device",
    ),
    "school.log.tasks": ("task", "tasks", "replay", "consumers"),
}  # fmt: skip
"""Stream → the nouns of its events."""

DELIVERY_LIMIT = 20
"""Deliveries after which the broker dead-letters a message. A lost connection counts for all unacknowledged messages:
a low limit would also dead-letter good ones."""

LONGEST_TASK_SECONDS = 25 * 60.0
"""A consumer acknowledges after its work; RabbitMQ requeues the message after `consumer_timeout` (30 minutes)."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    kind: Literal["topic", "fanout"]


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue or stream, and its bindings as (exchange, routing key)."""

    name: str
    arguments: dict[str, Any]
    bindings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Topology:
    """The exchanges and queues that must exist on the broker before anything is published."""

    exchanges: tuple[Exchange, ...] = ()
    queues: tuple[Queue, ...] = field(default=())

    def __or__(self, other: "Topology") -> "Topology":
        """Combine two topologies, each name once."""
        exchanges = {e.name: e for e in (*self.exchanges, *other.exchanges)}
        queues = {q.name: q for q in (*self.queues, *other.queues)}
        return Topology(tuple(exchanges.values()), tuple(queues.values()))


def stream_of(topic: str) -> str:
    """Return the stream of a topic; raises LookupError if no stream has its noun."""
    noun = topic.partition(".")[0]
    for stream, nouns in LOGS.items():
        if noun in nouns:
            return stream
    msg = f"no stream keeps {topic!r}: add its noun to `LOGS` in shared/messaging/topology.py"
    raise LookupError(msg)


def _work(name: str, bindings: tuple[tuple[str, str], ...] = ()) -> Queue:
    """Return a quorum queue that dead-letters at least once."""
    arguments = {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": DEAD,
        "x-dead-letter-routing-key": name,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    return Queue(name, arguments, bindings)


def spine(*, log_days: int = LOG_DAYS, log_bytes: int = 20_000_000_000) -> Topology:
    """Return what all services share: the exchange of events, the log, the dead letters, telemetry."""
    streams = tuple(
        Queue(
            stream,
            {
                "x-queue-type": "stream",
                "x-max-age": f"{log_days}D",
                "x-max-length-bytes": log_bytes,
                "x-stream-max-segment-size-bytes": min(log_bytes // 4, 100_000_000),
            },
            tuple((EVENTS, f"{noun}.*") for noun in nouns),
        )
        for stream, nouns in LOGS.items()
    )
    dead = Queue(DEAD, {"x-queue-type": "quorum"}, ((DEAD, ""),))
    return Topology(
        (Exchange(EVENTS, "topic"), Exchange(DEAD, "fanout"), Exchange(TELEMETRY, "fanout")),
        (*streams, dead),
    )


def reaction_queue(service: str, topic: str, keys: tuple[str, ...] = ()) -> Queue:
    """Return the queue of a service's reaction to an event; `keys`: the routing keys, if not just the topic."""
    return _work(f"{service}.{topic}", tuple((EVENTS, key) for key in keys or (topic,)))


def lane_queue(service: str, name: str) -> Queue:
    """Return a private queue of work permits, which are published through the default exchange."""
    return _work(lane_name(service, name))


def projection_retry_queue(service: str, projection: str) -> Queue:
    """Return the queue of events that a projection could not apply: retry tiers, then the dead letters."""
    return _work(projection_retry_queue_name(service, projection))


def projection_retry_queue_name(service: str, projection: str) -> str:
    """Return the name of a projection's retry queue."""
    return f"{service}.log.{projection}"


def lane_name(service: str, name: str) -> str:
    """Return the name of the queue of a lane."""
    return f"{service}.work.{name}"


def retry_name(service: str, seconds: int) -> str:
    """Return the name of a retry tier, which is an exchange and its queue."""
    return f"{service}.retry.{seconds}s"


def retry_topology(service: str, tiers: Iterable[int]) -> Topology:
    """Return retry tiers: they keep a message for some seconds, then return it to the queue in its routing key."""
    names = [(retry_name(service, seconds), seconds) for seconds in tiers]
    return Topology(
        tuple(Exchange(name, "fanout") for name, _ in names),
        tuple(
            Queue(
                name,
                {
                    "x-queue-type": "quorum",
                    "x-message-ttl": seconds * 1000,
                    "x-dead-letter-exchange": "",
                    "x-dead-letter-strategy": "at-least-once",
                    "x-overflow": "reject-publish",
                },
                ((name, ""),),
            )
            for name, seconds in names
        ),
    )
