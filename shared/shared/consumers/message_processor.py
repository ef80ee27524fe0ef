"""Processes one queue's messages: each is handled, or goes to a retry tier or to the dead letters."""

import asyncio
import datetime as dt
import random
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from shared.consumers.pause_switch import PauseSwitch
from shared.consumers.quarantine import ExclusiveSection
from shared.consumers.retry_policy import RetryAfter, decide
from shared.error_report import describe, fingerprint
from shared.errors import DeliveryLimit, InfrastructureDown, LeaseLost, Undeliverable, Unwritable
from shared.events.headers import (
    ATTEMPT,
    ERROR,
    FAILURE,
    FINGERPRINT,
    FIRST_FAILED,
    LAST_FAILED,
    OUTCOME,
    QUEUE,
    RETRY,
    copy_headers,
    read_count,
)
from shared.messaging.publisher import Publisher
from shared.messaging.subscriber import Message
from shared.messaging.topology import DEAD, DELIVERY_LIMIT, retry_name
from shared.persistence.database_errors import is_unavailable
from shared.telemetry import Metrics
from shared.transactions.unit_of_work import Duplicate

log = structlog.get_logger()

SUSPICIOUS_DELIVERIES = 2
"""A message that was delivered this often before is handled alone: it may have crashed its consumer."""

SUSPICIOUS_PAUSE = 0.25

OUTCOMES = ("done", "duplicate", "superseded", "retried", "dead")

REPORTED = ("ce-id", FAILURE, RETRY)
"""Headers of a returned dead letter that identify it in a report."""

MessageHandler = Callable[[Message], Awaitable[object]]
"""Decodes a message and runs its handler."""


class MessageProcessor:
    """Processes the messages of one queue: the innermost step around decoder and handler."""

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
        on_final_failure: Callable[[Message, BaseException], Awaitable[None]] | None = None,
    ) -> None:
        """`on_final_failure` is called before a message becomes a dead letter."""
        self.service = service
        self.queue = queue
        self._publisher = publisher
        self._gate = gate
        self._turnstile = turnstile
        self._handled = {outcome: metrics.handled.labels(queue, outcome) for outcome in OUTCOMES}
        self._tiers = tiers
        self._on_final_failure = on_final_failure

    async def __call__(self, handle: MessageHandler, message: Message) -> None:
        """Process a message; returns when it may be acknowledged. Raises an error that could not be settled.

        If the processing is cancelled (shutdown, a lost channel), the message stays with the broker.
        """
        alone = read_count(message.headers, "x-delivery-count") >= SUSPICIOUS_DELIVERIES
        if alone:
            # In random order: otherwise messages behind one that crashes the process would never be handled before it.
            await asyncio.sleep(random.uniform(0, SUSPICIOUS_PAUSE))  # noqa: S311  # no secret
        await self._turnstile.enter(alone=alone)
        try:
            outcome = await self._process(handle, message)
        finally:
            await self._turnstile.leave(alone=alone)
        self._handled[outcome].inc()

    async def _process(self, handle: MessageHandler, message: Message) -> str:
        """Try until database and broker are available. FastStream decodes a message only once for all attempts."""
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
                    # Wait only here, not at the gate: consumers that have nothing to publish continue.
                    await self._publisher.ready.wait()

    async def _try(self, handle: MessageHandler, message: Message) -> str:
        """Handle a message once; after an error of the message, send it to a retry tier or to the dead letters.

        The last delivery that the broker allows is not handled: if the process ended again, no code could report it.
        """
        outcome, returns = "done", read_count(message.headers, "x-delivery-count")
        if returns >= DELIVERY_LIMIT:
            return await self._retry_or_dead_letter(message, DeliveryLimit(returns))
        try:
            await handle(message)
        except Duplicate:
            outcome = "duplicate"
        except LeaseLost:
            outcome = "superseded"
        except Exception as problem:
            if is_unavailable(problem):
                raise
            return await self._retry_or_dead_letter(message, problem)
        if FAILURE in message.headers:
            await self._report(message, outcome)
        return outcome

    async def _report(self, message: Message, outcome: str) -> None:
        """Report that a returned dead letter was handled. After a crash before the acknowledgement it is repeated."""
        headers: dict[str, Any] = {name: message.headers[name] for name in REPORTED if name in message.headers}
        try:
            await self._publisher.publish(DEAD, self.queue, b"", headers | {QUEUE: self.queue, OUTCOME: outcome})
        except Undeliverable as refusal:
            raise InfrastructureDown(f"cannot report on a returned message: {refusal}") from refusal

    async def _retry_or_dead_letter(self, message: Message, problem: Exception) -> str:
        attempts = read_count(message.headers, ATTEMPT) + 1
        now = dt.datetime.now(dt.UTC).isoformat()
        headers: dict[str, Any] = copy_headers(message.headers)
        headers |= {
            ATTEMPT: attempts,
            QUEUE: self.queue,
            ERROR: describe(problem)[:500],
            FINGERPRINT: fingerprint(self.queue, problem),
            FIRST_FAILED: headers.get(FIRST_FAILED, now),
            LAST_FAILED: now,
        }
        decision = decide(problem, attempts, self._tiers, returned=FAILURE in message.headers)
        facts = {"error": headers[ERROR], "fingerprint": headers[FINGERPRINT], "attempt": attempts}
        try:
            if isinstance(decision, RetryAfter):
                log.warning("message.retried", after=decision.seconds, **facts)
                exchange = retry_name(self.service, decision.seconds)
                await self._publisher.publish(exchange, self.queue, message.body, headers)
                return "retried"
            log.error("message.dead", exc_info=problem, **facts)
            if self._on_final_failure is not None:
                await self._on_final_failure(message, problem)
            await self._publisher.publish(DEAD, self.queue, message.body, headers)
        except Unwritable:
            raise  # it is requeued until the broker's delivery limit
        except Undeliverable as refusal:
            raise InfrastructureDown(f"cannot pass a failed message on: {refusal}") from refusal
        return "dead"
