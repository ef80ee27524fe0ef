"""Exchanges, queues, routing keys, retry tiers and the log: every name on the broker is made here.

The same on RabbitMQ 3.10 and 4.x. Topics are noun.verb; a noun belongs to exactly one stream.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

EVENTS = "school.events"
DEAD = "school.dead"
TELEMETRY = "school.telemetry"

LOGS: dict[str, tuple[str, ...]] = {
    "school.log.directory": ("school", "person", "student", "calendar"),
    "school.log.records": ("behavior", "payment", "absence", "grade", "remark"),
    "school.log.work": (
        "notification", "inbox", "schedule", "file", "files", "report", "reports", "device",
    ),
    "school.log.tasks": ("task", "tasks"),
}  # fmt: skip
"""Stream → the nouns whose events it keeps."""

DELIVERY_LIMIT = 20
"""Crashes, and what cannot be settled. A lost connection counts for all in hand: a low limit would kill innocents."""

LONGEST_TASK_SECONDS = 25 * 60.0
"""A consumer keeps a message until its work ends; RabbitMQ takes it back after `consumer_timeout` (30 minutes)."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    kind: Literal["topic", "fanout"]


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue or stream and its bindings as (exchange, routing key)."""

    name: str
    arguments: dict[str, Any]
    bindings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Topology:
    """What has to exist on the broker before anything is published."""

    exchanges: tuple[Exchange, ...] = ()
    queues: tuple[Queue, ...] = field(default=())

    def __or__(self, other: "Topology") -> "Topology":
        """Both, each name once."""
        exchanges = {e.name: e for e in (*self.exchanges, *other.exchanges)}
        queues = {q.name: q for q in (*self.queues, *other.queues)}
        return Topology(tuple(exchanges.values()), tuple(queues.values()))


def log_of(topic: str) -> str:
    """The stream that keeps events of a topic."""
    noun = topic.partition(".")[0]
    for stream, nouns in LOGS.items():
        if noun in nouns:
            return stream
    msg = f"no stream keeps {topic!r}: add its noun to bus.LOGS"
    raise LookupError(msg)


def _work(name: str, bindings: tuple[tuple[str, str], ...] = ()) -> Queue:
    """A quorum queue whose hopeless messages reach the dead letters at least once."""
    arguments = {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": DEAD,
        "x-dead-letter-routing-key": name,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    return Queue(name, arguments, bindings)


def spine(*, log_days: int = 90, log_bytes: int = 20_000_000_000) -> Topology:
    """What every service shares: the events exchange, the log, the dead letters, telemetry."""
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


def reaction(service: str, topic: str) -> Queue:
    """The queue of one service's reaction to one event."""
    return _work(f"{service}.{topic}", ((EVENTS, topic),))


def lane(service: str, name: str) -> Queue:
    """A private queue of work permits; published to through the default exchange."""
    return _work(lane_name(service, name))


def projection_retry_queue(service: str, projection: str) -> Queue:
    """Events of the log that a projection could not take: they go the way of every failed message, tiers first."""
    return _work(projection_retry_queue_name(service, projection))


def projection_retry_queue_name(service: str, projection: str) -> str:
    """The queue name of what a projection set aside."""
    return f"{service}.log.{projection}"


def lane_name(service: str, name: str) -> str:
    """The queue name of a service's lane."""
    return f"{service}.work.{name}"


def retry_name(service: str, seconds: int) -> str:
    """Name of a retry tier: an exchange and its queue."""
    return f"{service}.retry.{seconds}s"


def retries(service: str, tiers: Iterable[int]) -> Topology:
    """Tiers that hold a message for some seconds and give it back to the queue in its routing key."""
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
