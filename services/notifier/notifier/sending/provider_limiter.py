"""The way out of one channel: how many calls at once, how many a second, whose turn it is, and whether to call at all.

Each provider has a line of its own, so that a slow one holds up nobody else's messages.
"""

import asyncio
import heapq
import itertools
from collections.abc import Mapping
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from notifier.content.message_builder import Send
from notifier.domain.circuit_breaker import Breaker
from notifier.providers import Outcome

log = structlog.get_logger()

FLUSH_RESULTS = 50


class Line:
    """At most `calls` calls at once, and `calls` + FLUSH_RESULTS deliveries without a recorded outcome.

    That is what a kill can repeat: a place is given back when the outcome is committed, not when the answer came.
    Whoever has been served least goes next, urgent ones before all: a big send cannot hold up a small one. `rate` in
    calls a second, for this process; None: as the provider takes them. What is claimed is this process's for `lease`
    seconds, and again when these are a third over.
    """

    def __init__(self, channel: str, send: Send, calls: int, rate: float | None = None, lease: float = 30.0) -> None:
        self.channel = channel
        self.lease = lease
        self.breaker = Breaker()
        self._send = send
        self._calls = calls
        self._places = calls + FLUSH_RESULTS
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._gap = 1.0 / rate if rate else 0.0
        self._next = 0.0
        self._metrics: Metrics | None = None

    def measure(self, metrics: "Metrics") -> None:
        """Count what happens from now on."""
        self._metrics = metrics
        metrics.breaker.labels(self.channel).set(0)

    async def place(self, turn: int) -> None:
        """Wait for a place and for a call's turn; the lowest `turn` goes first, then the order of asking."""
        if self._calls > 0 and self._places > 0 and not self._waiting:
            self._calls -= 1
            self._places -= 1
        else:
            ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (turn, next(self._order), ready))
            try:
                await ready
            except asyncio.CancelledError:
                if ready.done() and not ready.cancelled():
                    self.called()
                    self.recorded(1)
                raise
        if self._gap:
            try:
                await self._pace()
            except asyncio.CancelledError:
                self.called()
                self.recorded(1)
                raise

    def called(self) -> None:
        """The call is over; its outcome is not recorded yet."""
        self._calls += 1
        self._wake()

    def recorded(self, outcomes: int) -> None:
        """So many outcomes have been committed, or will never be."""
        self._places += outcomes
        self._wake()

    @property
    def refused(self) -> str | None:
        """What the provider refuses us for, in words for whoever looks at a task; None unless it does."""
        return self.refusal(self.breaker.reason) if self.breaker.is_open and self.breaker.config else None

    def refusal(self, reason: str) -> str:
        """The same of one answer, long before it is certain that every call would be answered so."""
        return f"{self.channel}: the provider refuses our configuration ({reason}); nothing is lost"

    def waits(self) -> float:
        """Seconds for which the provider is left alone; 0 when it may be called."""
        return self.breaker.waits(asyncio.get_running_loop().time())

    async def call(self, notification: Mapping[str, Any], delivery: Mapping[str, Any]) -> Outcome:
        """One call; `withheld` when the provider is being left alone, then nothing was sent."""
        now = asyncio.get_running_loop().time
        admitted = self.breaker.admit(now())
        if admitted == "closed":
            return Outcome("withheld", self.breaker.reason, retry_after=self.breaker.waits(now()))
        try:
            outcome = await self._send(notification, delivery)
        except BaseException:
            if admitted == "probe":
                self.breaker.abandon()
            raise
        opened = self.breaker.record(outcome.kind, outcome.reason, outcome.retry_after, now(), admitted=admitted)
        if opened or admitted == "probe":
            self._tell(outcome)
        if self._metrics is not None:
            self._metrics.calls.labels(self.channel, outcome.kind).inc()
        return outcome

    def _tell(self, outcome: Outcome) -> None:
        """Somebody has to know: above all that our own configuration is refused, which no waiting mends."""
        facts = {"channel": self.channel, "reason": outcome.reason, "pause": round(self.waits(), 1)}
        if not self.breaker.is_open:
            log.info("provider.back", channel=self.channel)
        elif outcome.kind == "config":
            log.error("provider.refuses_us", **facts)
        else:
            log.warning("provider.left_alone", kind=outcome.kind, **facts)
        if self._metrics is not None:
            self._metrics.breaker.labels(self.channel).set(self.breaker.is_open)
            self._metrics.refused.labels(self.channel).set(self.breaker.is_open and outcome.kind == "config")

    def _wake(self) -> None:
        while self._waiting and self._calls > 0 and self._places > 0:
            _, _, ready = heapq.heappop(self._waiting)
            if not ready.done():
                self._calls -= 1
                self._places -= 1
                ready.set_result(None)

    async def _pace(self) -> None:
        now = asyncio.get_running_loop().time()
        self._next = max(now, self._next) + self._gap
        await asyncio.sleep(self._next - self._gap - now)


class Metrics:
    """What the notifier counts of its providers; labels are few and never personal."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.calls = Counter(
            "schoolconnect_provider_calls_total",
            "Calls to providers by what came of them",
            ["channel", "outcome"],
            registry=registry,
        )
        self.breaker = Gauge(
            "schoolconnect_provider_left_alone",
            "1 while a provider is not called because it is unwell",
            ["channel"],
            registry=registry,
        )
        self.refused = Gauge(
            "schoolconnect_provider_refuses_us",
            "1 while a provider refuses our credentials, sender or project",
            ["channel"],
            registry=registry,
        )
