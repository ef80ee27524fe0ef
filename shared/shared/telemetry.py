"""Structured logs, and the metrics of every service."""

import logging
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from structlog.typing import Processor

from shared.error_report import trace
from shared.events.envelope import Envelope
from shared.trace_context import trace_id


def _exception(_: object, __: str, facts: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the traceback of an exception without the values that its text may quote."""
    found = facts.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()
    problem = found[1] if isinstance(found, tuple) else found
    if isinstance(problem, BaseException):
        facts["exception"] = trace(problem)
    return facts


CURRENT_MESSAGE: ContextVar[tuple[Envelope, str] | None] = ContextVar("current_message", default=None)
"""The message that is being processed, and its queue; read only when a line is logged."""


def add_current_message(_: object, __: str, facts: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the ids of the message that is being processed, and of the trace, if any."""
    if (current := trace_id()) is not None:
        facts["trace_id"] = current
    if found := CURRENT_MESSAGE.get():
        envelope, queue = found
        facts.setdefault("queue", queue)
        facts["message_id"] = str(envelope.id)
        facts["correlation_id"] = str(envelope.correlation_id)
        facts["school_id"] = str(envelope.school_id)
    return facts


def configure_logs(service: str, level: str, form: Literal["json", "console"]) -> None:
    """Write each fact as one line to stdout, as JSON or as text; records of `logging` have the same form."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_current_message,
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


def installed_version(service: str) -> str:
    """Return the version of a service's package, or `unknown`."""
    try:
        return version(f"schoolconnect-{service}")
    except PackageNotFoundError:
        return "unknown"


def export_process(registry: CollectorRegistry, service: str) -> None:
    """Export the version of a service, and its process's processor time, memory and open files."""
    ProcessCollector(registry=registry)
    Gauge(
        "schoolconnect_build_info",
        "1, with the version of the service as a label",
        ["version"],
        registry=registry,
    ).labels(installed_version(service)).set(1)


class Metrics:
    """The metrics of one service. Labels have few values, never personal data.

    Known label values are exported as 0 from the start: Prometheus does not see the increase of a series whose first
    value is 1.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.received = Counter(
            "schoolconnect_messages_received_total",
            "Messages that came from a queue, each delivery counted",
            ["queue"],
            registry=self.registry,
        )
        self.handled = Counter(
            "schoolconnect_messages_handled_total",
            "Processed messages by queue and outcome",
            ["queue", "outcome"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "schoolconnect_handler_seconds",
            "Seconds that a handler ran, without waits for its batch, the database's return or other messages",
            ["queue"],
            registry=self.registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60),
        )
        self.age = Histogram(
            "schoolconnect_message_age_seconds",
            "Seconds from an event's time to the receipt of its message, at the first attempt",
            ["queue"],
            registry=self.registry,
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800),
        )
        self.in_progress = Gauge(
            "schoolconnect_messages_in_progress",
            "Messages that were received from a queue and not yet settled",
            ["queue"],
            registry=self.registry,
        )
        self.newest = Gauge(
            "schoolconnect_queue_newest_received_timestamp_seconds",
            "The time of the newest event that came from a queue, at its first attempt; what waits there came later",
            ["queue"],
            registry=self.registry,
        )
        self.paused = Gauge(
            "schoolconnect_consumers_paused", "1 while all consumers are paused because the database is unavailable",
            registry=self.registry,
        )  # fmt: skip
        self.queue_paused = Gauge(
            "schoolconnect_queue_paused", "1 while an operator has paused the queue", ["queue"], registry=self.registry
        )
        self.database_up = Gauge(
            "schoolconnect_database_up", "1 while the database takes writes of this service", registry=self.registry
        )
        self.broker_up = Gauge(
            "schoolconnect_broker_up", "1 while the broker takes messages of this service", registry=self.registry
        )
        self.blocked = Gauge(
            "schoolconnect_broker_blocked",
            "1 while a memory or disk alarm of the broker blocks publishing",
            registry=self.registry,
        )
        self.beat_at = Gauge(
            "schoolconnect_heartbeat_last_success_timestamp_seconds",
            "When the broker took a heartbeat of this worker last; its start if it has not",
            registry=self.registry,
        )
        self.published = Counter(
            "schoolconnect_outbox_published_total",
            "Outbox rows confirmed by the broker",
            registry=self.registry,
        )
        self.publish_failed = Counter(
            "schoolconnect_outbox_failed_total",
            "Messages that were returned, refused or not confirmed in time; the outbox row stays",
            ["reason"],
            registry=self.registry,
        )
        self.requests = Histogram(
            "schoolconnect_http_server_request_duration_seconds",
            "Seconds from a request's headers to the end of its response",
            ["http_request_method", "http_route", "http_response_status_code"],
            registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        self.connections_closed = Counter(
            "schoolconnect_http_connections_closed_total",
            "HTTP connections closed to make place, because all places or those of one address were in use",
            registry=self.registry,
        )
        self.projected = Counter(
            "schoolconnect_events_projected_total",
            "Events applied, by projection",
            ["projection"],
            registry=self.registry,
        )
        self.outbox_age = Gauge(
            "schoolconnect_outbox_oldest_seconds",
            "Age of the oldest outbox row that has not been published",
            registry=self.registry,
        )
        self.violations = Gauge(
            "schoolconnect_invariant_violations",
            "Rows that violate an invariant; must be 0",
            ["invariant"],
            registry=self.registry,
        )
        self.counted_at = Gauge(
            "schoolconnect_invariants_counted_timestamp_seconds",
            "When the violations and the outbox were counted; they are not current while the database is away",
            registry=self.registry,
        )
        self.sweeps_failed = Counter(
            "schoolconnect_sweeps_failed_total",
            "Runs of a periodic task that ended with an error",
            ["sweep"],
            registry=self.registry,
        )
        self.swept_at = Gauge(
            "schoolconnect_sweep_last_success_timestamp_seconds",
            "When a periodic task of this replica succeeded last; its start if it has not",
            ["sweep"],
            registry=self.registry,
        )
