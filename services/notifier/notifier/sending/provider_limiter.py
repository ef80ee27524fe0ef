"""Limits the calls to one provider: how many at once, how many a second, which goes next, and whether to call at all.

Each provider has a limiter of its own, so that a slow one delays no other messages.
"""

import asyncio
import heapq
import itertools
from collections.abc import Mapping
from typing import Any, get_args

import structlog
from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from notifier.content.message_builder import Send
from notifier.domain.circuit_breaker import CircuitBreaker
from notifier.domain.delivery import UNHEALTHY, OutcomeKind
from notifier.providers import Outcome
from notifier.sending.call_spans import traced
from shared.persistence.gathering import Gathering

log = structlog.get_logger()

MAX_RESULTS_PER_COMMIT = 50
LAST_PRIORITY = 2**62
MAX_TROUBLED = 10_000
"""Recipients that are remembered because their last call failed."""


class ProviderLimiter:
    """Allows `calls` calls at once, and `calls` + MAX_RESULTS_PER_COMMIT deliveries without a committed outcome.

    That is how many a kill can repeat: a slot is released when the outcome is committed, not when the answer came.
    The notification that was served least goes next, urgent ones before all: a big send cannot delay a small one.
    `rate` is in calls a second, for this process; None sets no limit. Claimed deliveries belong to this process for
    `lease` seconds; a lease is renewed when a third of it is over.
    """

    def __init__(self, channel: str, send: Send, calls: int, rate: float | None = None, lease: float = 30.0) -> None:
        self.channel = channel
        self.lease = lease
        self.breaker = CircuitBreaker()
        self.commits: Gathering[Any] = Gathering()
        """Outcomes of the calls: those of several batches are committed together."""
        self._send = send
        self._calls = calls
        self._slots = calls + MAX_RESULTS_PER_COMMIT
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._gap = 1.0 / rate if rate else 0.0
        self._next_call_at = 0.0
        self._metrics: ProviderMetrics | None = None
        self._troubled: dict[str, None] = {}

    def measure(self, metrics: "ProviderMetrics") -> None:
        """Count calls from now on."""
        self._metrics = metrics
        metrics.circuit_open.labels(self.channel).set(0)
        metrics.configuration_rejected.labels(self.channel).set(0)
        for outcome in get_args(OutcomeKind):
            metrics.calls.labels(self.channel, outcome)
        metrics.seconds.labels(self.channel)

    def trace(self, tracer: Tracer) -> None:
        """Make a span of each call from now on."""
        self._send = traced(self._send, tracer, self.channel)

    async def acquire_slot(self, priority: int, recipient: str = "") -> None:
        """Wait for a free slot and call; the lowest `priority` goes first, then the order of asking.

        A recipient whose last call failed goes after all others.
        """
        if recipient in self._troubled:
            priority = LAST_PRIORITY
        if self._calls > 0 and self._slots > 0 and not self._waiting:
            self._calls -= 1
            self._slots -= 1
        else:
            ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (priority, next(self._order), ready))
            try:
                await ready
            except asyncio.CancelledError:
                if ready.done() and not ready.cancelled():
                    self._give_back()
                raise
        if self._gap:
            try:
                await self._pace()
            except asyncio.CancelledError:
                self._give_back()
                raise

    def end_call(self) -> None:
        """Allow another call; the outcome of this one is not committed yet."""
        self._calls += 1
        self._wake()

    def release_slots(self, outcomes: int) -> None:
        """Release slots whose outcomes have been committed, or never will be."""
        self._slots += outcomes
        self._wake()

    @property
    def configuration_problem(self) -> str | None:
        """The configuration that the provider rejects, in words for a task; None while the circuit is closed."""
        rejected = self.breaker.is_open and self.breaker.config_failures
        return self.describe_rejection(self.breaker.reason) if rejected else None

    def describe_rejection(self, reason: str) -> str:
        """Describe one such answer, long before the circuit opens."""
        return f"{self.channel}: the provider rejects our configuration ({reason}); every delivery is kept and retried"

    def seconds_until_available(self) -> float:
        """Return the seconds until the provider may be called; 0 for now."""
        return self.breaker.seconds_until_retry(asyncio.get_running_loop().time())

    async def call(self, notification: Mapping[str, Any], delivery: Mapping[str, Any]) -> Outcome:
        """Make one call; `withheld` while the circuit is open, then nothing was sent."""
        now = asyncio.get_running_loop().time
        admission = self.breaker.admit(now())
        if admission == "blocked":
            return Outcome("withheld", self.breaker.reason, retry_after=self.breaker.seconds_until_retry(now()))
        began = now()
        try:
            outcome = await self._send(notification, delivery)
        except BaseException:
            if admission == "probe":
                self.breaker.abandon_probe()
            raise
        recipient = delivery["address"]
        self._note_trouble(recipient, outcome)
        opened = self.breaker.record(
            outcome.kind, outcome.reason, outcome.retry_after, now(), admission=admission, recipient=recipient
        )
        if opened or admission == "probe":
            self._report(outcome)
        if self._metrics is not None:
            self._metrics.calls.labels(self.channel, outcome.kind).inc()
            self._metrics.seconds.labels(self.channel).observe(now() - began)
        return outcome

    def _note_trouble(self, recipient: str, outcome: Outcome) -> None:
        """Remember a recipient whose call failed, until one succeeds; of very many, only the latest."""
        self._troubled.pop(recipient, None)
        if outcome.kind in UNHEALTHY:
            self._troubled[recipient] = None
            if len(self._troubled) > MAX_TROUBLED:
                del self._troubled[next(iter(self._troubled))]

    def _report(self, outcome: Outcome) -> None:
        """Log and export the circuit's state: a rejected configuration needs an operator."""
        facts = {"channel": self.channel, "reason": outcome.reason, "pause": round(self.seconds_until_available(), 1)}
        rejected = self.breaker.is_open and outcome.kind == "config"
        if not self.breaker.is_open:
            log.info("provider.circuit_closed", channel=self.channel)
        elif rejected:
            log.error("provider.configuration_rejected", **facts)
        else:
            log.warning("provider.circuit_open", kind=outcome.kind, **facts)
        if self._metrics is not None:
            self._metrics.circuit_open.labels(self.channel).set(self.breaker.is_open)
            self._metrics.configuration_rejected.labels(self.channel).set(rejected)

    def _give_back(self) -> None:
        self.end_call()
        self.release_slots(1)

    def _wake(self) -> None:
        while self._waiting and self._calls > 0 and self._slots > 0:
            _, _, ready = heapq.heappop(self._waiting)
            if not ready.done():
                self._calls -= 1
                self._slots -= 1
                ready.set_result(None)

    async def _pace(self) -> None:
        now = asyncio.get_running_loop().time()
        self._next_call_at = max(now, self._next_call_at) + self._gap
        await asyncio.sleep(self._next_call_at - self._gap - now)


class ProviderMetrics:
    """Metrics of all providers; labels are few and never personal."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.calls = Counter(
            "schoolconnect_provider_calls_total",
            "Calls to providers, by outcome",
            ["channel", "outcome"],
            registry=registry,
        )
        self.seconds = Histogram(
            "schoolconnect_provider_call_seconds",
            "Seconds from a call of a provider to its answer",
            ["channel"],
            registry=registry,
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
        )
        self.circuit_open = Gauge(
            "schoolconnect_provider_circuit_open",
            "1 while the circuit of a provider is open: it is not called",
            ["channel"],
            registry=registry,
        )
        self.configuration_rejected = Gauge(
            "schoolconnect_provider_configuration_rejected",
            "1 while a provider rejects our credentials, sender or project",
            ["channel"],
            registry=registry,
        )
