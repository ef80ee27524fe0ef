"""Logs as facts, and the metrics that every service has."""

import logging
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any, Literal

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from structlog.typing import Processor

from shared.error_report import trace
from shared.events.envelope import Envelope


def _exception(_: object, __: str, facts: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Render an exception without the values that its message may quote."""
    found = facts.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()
    problem = found[1] if isinstance(found, tuple) else found
    if isinstance(problem, BaseException):
        facts["exception"] = trace(problem)
    return facts


IN_HAND: ContextVar[tuple[Envelope, str] | None] = ContextVar("in_hand", default=None)
"""The message that is being handled, and its queue. Most are handled without a line in the log."""


def _in_hand(_: object, __: str, facts: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Say which message it was, where one was in hand."""
    if found := IN_HAND.get():
        envelope, queue = found
        facts.setdefault("queue", queue)
        facts["message_id"] = str(envelope.id)
        facts["correlation_id"] = str(envelope.correlation_id)
        facts["school_id"] = str(envelope.school_id)
    return facts


def configure_logs(service: str, level: str, form: Literal["json", "console"]) -> None:
    """One line a fact on stdout, JSON or coloured; the standard library's records take the same way."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _in_hand,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _exception,
    ]
    renderer = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for noisy in ("aiormq", "aio_pika", "httpx", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(service=service)


class Metrics:
    """Counters of one service; labels are few and never personal."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.handled = Counter(
            "schoolconnect_messages_handled_total",
            "Messages by queue and what became of them",
            ["queue", "outcome"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "schoolconnect_handler_seconds",
            "Time from taking a message to its commit",
            ["queue"],
            registry=self.registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60),
        )
        self.in_flight = Gauge("schoolconnect_messages_in_flight", "Messages being handled", registry=self.registry)
        self.paused = Gauge(
            "schoolconnect_consumers_paused", "1 while infrastructure trouble holds all consumers",
            registry=self.registry,
        )  # fmt: skip
        self.blocked = Gauge(
            "schoolconnect_broker_blocked",
            "1 while a memory or disk alarm of the broker holds all publishing",
            registry=self.registry,
        )
        self.published = Counter(
            "schoolconnect_outbox_published_total",
            "Outbox rows confirmed by the broker",
            registry=self.registry,
        )
        self.publish_failed = Counter(
            "schoolconnect_outbox_failed_total",
            "Publishes that were returned, refused or not confirmed in time; the row stays",
            ["reason"],
            registry=self.registry,
        )
        self.projected = Counter(
            "schoolconnect_events_projected_total",
            "Log events by projection",
            ["projection"],
            registry=self.registry,
        )
        self.outbox_age = Gauge(
            "schoolconnect_outbox_oldest_seconds",
            "Age of the oldest event that has not been published",
            registry=self.registry,
        )
        self.violations = Gauge(
            "schoolconnect_invariant_violations",
            "Rows that break a promise; must be 0",
            ["invariant"],
            registry=self.registry,
        )
