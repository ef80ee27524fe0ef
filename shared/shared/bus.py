"""Exchanges, queues, routing keys, retry tiers and the log: every name on the broker is made here.

The same on RabbitMQ 3.10 and 4.x. Topics are noun.verb; a noun belongs to exactly one stream.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog

log = structlog.get_logger()

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
"""Crashes only: a lost connection counts for every prefetched message, so a low limit would kill innocents."""

ATTEMPT = "sc-attempt"
"""Header that counts failed attempts; the broker's own x-death is stripped on every republish."""

MOST_ATTEMPTS = 1_000_000
MOST_HEADERS = 32_000
"""Bytes: a frame holds 131,072, and the broker cuts the connection of whoever writes more."""


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


def aside(service: str, projection: str) -> Queue:
    """Events of the log that a projection could not take: they go the way of every failed message, tiers first."""
    return _work(aside_name(service, projection))


def aside_name(service: str, projection: str) -> str:
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


def carried(headers: Mapping[str, Any], without: tuple[str, ...] = ("x-",)) -> dict[str, str]:
    """Headers for publishing a message again: as texts, without the broker's own (an old `x-death` looks like a cycle).

    Others may have sent what cannot be written as it came; what would not fit into a frame beside ours is left behind.
    """
    kept: dict[str, str] = {}
    room = MOST_HEADERS
    for name, value in headers.items():
        if name.startswith(without):
            continue
        text = str(value)
        size = len(name.encode()) + len(text.encode())
        if size > room:
            log.warning("header.left_behind", header=name, bytes=size)
            continue
        room -= size
        kept[name] = text
    return kept


def number(headers: Mapping[str, Any], name: str) -> int:
    """A count in a header; 0 if it is none."""
    text = str(headers.get(name) or 0)[:19]
    return min(int(text), MOST_ATTEMPTS) if text.isascii() and text.isdigit() else 0
