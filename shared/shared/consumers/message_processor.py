"""Takes messages from one queue and settles each: done, again later, or dead. Handlers never see any of it."""

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
from shared.events.envelope import Envelope
from shared.events.headers import ATTEMPT, copy_headers, read_count
from shared.messaging.publisher import Publisher
from shared.messaging.subscriber import Message
from shared.messaging.topology import DEAD, retry_name
from shared.persistence.database_errors import is_unavailable
from shared.telemetry import CURRENT_MESSAGE, Metrics
from shared.transactions.unit_of_work import Duplicate

log = structlog.get_logger()

SUSPICIOUS_DELIVERIES = 2
"""A message that was in hand this often when its consumer died is handled alone."""

SUSPICIOUS_PAUSE = 0.25

EnvelopeHandler = Callable[[Envelope, bytes], Awaitable[None]]


class MessageProcessor:
    """One queue's way of settling messages."""

    def __init__(
        self,
        service: str,
        queue: str,
        handle: EnvelopeHandler,
        *,
        publisher: Publisher,
        gate: PauseSwitch,
        turnstile: ExclusiveSection,
        metrics: Metrics,
        tiers: tuple[int, ...],
    ) -> None:
        self.service = service
        self.queue = queue
        self._handle = handle
        self._publisher = publisher
        self._gate = gate
        self._turnstile = turnstile
        self._metrics = metrics
        self._tiers = tiers

    async def __call__(self, message: Message) -> None:
        """Settle one message. Cancelled on the way (shutdown), it stays with the broker."""
        started = time.perf_counter()
        alone = read_count(message.headers, "x-delivery-count") >= SUSPICIOUS_DELIVERIES
        if alone:
            # In no order: else those that lie behind the one that kills would never be handled before it kills again.
            await asyncio.sleep(random.uniform(0, SUSPICIOUS_PAUSE))  # noqa: S311  # no secret
        await self._turnstile.enter(alone=alone)
        self._metrics.in_flight.inc()
        try:
            outcome = await self._settle(message)
        finally:
            self._metrics.in_flight.dec()
            await self._turnstile.leave(alone=alone)
        self._metrics.handled.labels(self.queue, outcome).inc()
        self._metrics.seconds.labels(self.queue).observe(time.perf_counter() - started)

    async def _settle(self, message: Message) -> str:
        while True:
            await self._gate.wait_open()
            try:
                outcome = await self._try(message)
                message.ack()
            except Exception as problem:
                if not is_unavailable(problem):
                    raise
                if self._publisher.ready.is_set():
                    self._gate.close(problem)
                else:
                    # Perhaps this one only has to be passed on: whoever has nothing to publish goes on.
                    await self._publisher.ready.wait()
            else:
                return outcome

    async def _try(self, message: Message) -> str:
        """Handle once; a failure that is the message's own is passed on to a tier or the dead letters."""
        try:
            envelope = Envelope.read(message.headers)
            CURRENT_MESSAGE.set((envelope, self.queue))
            await self._handle(envelope, message.body)
        except Duplicate:
            return "duplicate"
        except LeaseLost:
            return "superseded"
        except Exception as problem:
            if is_unavailable(problem):
                raise
            return await self._pass_on(message, problem)
        return "done"

    async def _pass_on(self, message: Message, problem: Exception) -> str:
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
            raise  # it goes back to its queue, and the broker gives it up
        except Undeliverable as refusal:
            raise InfrastructureDown(f"cannot pass a failed message on: {refusal}") from refusal
        return "dead"
