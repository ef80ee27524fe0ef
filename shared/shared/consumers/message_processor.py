"""Processes one queue's messages: each is handled, or goes to a retry tier or to the dead letters."""

import asyncio
import datetime as dt
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from shared.consumers.pause_switch import PauseSwitch
from shared.consumers.quarantine import ExclusiveSection
from shared.consumers.retry_policy import RetryAfter, decide
from shared.error_report import describe, fingerprint
from shared.errors import InfrastructureDown, LeaseLost, Undeliverable, Unwritable
from shared.events.headers import ATTEMPT, copy_headers, read_count
from shared.messaging.publisher import Publisher
from shared.messaging.subscriber import Message
from shared.messaging.topology import DEAD, retry_name
from shared.persistence.database_errors import is_unavailable
from shared.telemetry import Metrics
from shared.transactions.unit_of_work import Duplicate

log = structlog.get_logger()

SUSPICIOUS_DELIVERIES = 2
"""A message that was in hand this often when its consumer died is handled alone."""

SUSPICIOUS_PAUSE = 0.25

MessageHandler = Callable[[Message], Awaitable[object]]
"""Decodes a message and runs its handler."""


class MessageProcessor:
    """Settles one queue's messages: the innermost step around decoder and handler."""

    def __init__(
        self,
        service: str,
        queue: str,
        *,
        publisher: Publisher,
        gate: PauseSwitch,
        turnstile: ExclusiveSection,
        metrics: Metrics,
        tiers: tuple[int, ...],
    ) -> None:
        self.service = service
        self.queue = queue
        self._publisher = publisher
        self._gate = gate
        self._turnstile = turnstile
        self._metrics = metrics
        self._tiers = tiers

    async def __call__(self, handle: MessageHandler, message: Message) -> None:
        """Return when the message may be acknowledged; raise what neither it nor the infrastructure is the cause of.

        A message whose processing is cancelled (shutdown, a lost channel) stays with the broker.
        """
        started = time.perf_counter()
        alone = read_count(message.headers, "x-delivery-count") >= SUSPICIOUS_DELIVERIES
        if alone:
            # In no order: else those that lie behind the one that kills would never be handled before it kills again.
            await asyncio.sleep(random.uniform(0, SUSPICIOUS_PAUSE))  # noqa: S311  # no secret
        await self._turnstile.enter(alone=alone)
        try:
            outcome = await self._process(handle, message)
        finally:
            await self._turnstile.leave(alone=alone)
        self._metrics.handled.labels(self.queue, outcome).inc()
        self._metrics.seconds.labels(self.queue).observe(time.perf_counter() - started)

    async def _process(self, handle: MessageHandler, message: Message) -> str:
        """Try until the infrastructure is there; FastStream decodes a message once, however often it is tried."""
        while True:
            await self._gate.wait_open()
            try:
                return await self._try(handle, message)
            except Exception as problem:
                if not is_unavailable(problem):
                    raise
                if self._publisher.ready.is_set():
                    self._gate.close(problem)
                else:
                    # Perhaps this one only has to be passed on: whoever has nothing to publish goes on.
                    await self._publisher.ready.wait()

    async def _try(self, handle: MessageHandler, message: Message) -> str:
        """Handle once; a failure that is the message's own is passed on to a tier or the dead letters."""
        try:
            await handle(message)
        except Duplicate:
            return "duplicate"
        except LeaseLost:
            return "superseded"
        except Exception as problem:
            if is_unavailable(problem):
                raise
            return await self._retry_or_dead_letter(message, problem)
        return "done"

    async def _retry_or_dead_letter(self, message: Message, problem: Exception) -> str:
        attempts = read_count(message.headers, ATTEMPT) + 1
        now = dt.datetime.now(dt.UTC).isoformat()
        headers: dict[str, Any] = copy_headers(message.headers)
        headers |= {
            ATTEMPT: attempts,
            "sc-queue": self.queue,
            "sc-error": describe(problem)[:500],
            "sc-fingerprint": fingerprint(self.queue, problem),
            "sc-first-failed": headers.get("sc-first-failed", now),
            "sc-last-failed": now,
        }
        decision = decide(problem, attempts, self._tiers)
        facts = {"error": headers["sc-error"], "fingerprint": headers["sc-fingerprint"], "attempt": attempts}
        try:
            if isinstance(decision, RetryAfter):
                log.warning("message.retried", after=decision.seconds, **facts)
                exchange = retry_name(self.service, decision.seconds)
                await self._publisher.publish(exchange, self.queue, message.body, headers)
                return "retried"
            log.error("message.dead", exc_info=problem, **facts)
            await self._publisher.publish(DEAD, self.queue, message.body, headers)
        except Unwritable:
            raise  # it is requeued until the broker's delivery limit
        except Undeliverable as refusal:
            raise InfrastructureDown(f"cannot pass a failed message on: {refusal}") from refusal
        return "dead"
