"""Consumers of a service's queues: how a message is decoded, measured, handled and settled."""

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any

from shared.consumers.batch import ReactionHandler
from shared.consumers.batcher import MessageBatcher
from shared.consumers.final_failure import FinalFailureReporter, OnFinalFailure
from shared.consumers.message_processor import MessageHandler, MessageProcessor
from shared.events.envelope import Envelope
from shared.events.event import Event
from shared.messaging.serialization import deserialize
from shared.messaging.subscriber import Handle, Message
from shared.service.components import Components
from shared.service.held_messages import HeldMessages
from shared.service.runtime import Runtime
from shared.telemetry import CURRENT_MESSAGE
from shared.transactions.unit_of_work import UnitOfWork

ReadBody = Callable[[Envelope, bytes], Awaitable[Any]]
"""Reads a message's body; raises NotUnderstood."""


class QueueConsumers:
    """Subscribes to queues of one service."""

    def __init__(self, parts: Components, runtime: Runtime) -> None:
        self._parts = parts
        self._runtime = runtime
        self.final_failures: dict[str, OnFinalFailure] = {}
        """Topic, or name of a permit → what is called before such a message becomes a dead letter."""

    def react(self, queue: str, handler: ReactionHandler) -> None:
        """Handle the events of a declared queue in batches, each event with its effects in one commit."""
        parts = self._parts
        seconds = parts.metrics.seconds.labels(queue)

        async def timed(fact: Event, tx: UnitOfWork) -> None:
            with seconds.time():
                await handler(fact, tx)

        together = MessageBatcher(
            queue,
            timed,
            parts.transactions,
            parts.concurrency_limit,
            parts.pause_switch,
            most=parts.settings.prefetch // 2,
        )

        async def read(envelope: Envelope, body: bytes) -> Event:
            return await deserialize(envelope, body, parts.vault)

        self.consume(queue, read, together.handle, prefetch=parts.settings.prefetch)

    def consume(self, queue: str, read: ReadBody, handle: Handle, *, prefetch: int) -> None:
        """Consume from a declared queue; `handle` gets the envelope and what `read` returns."""
        parts = self._parts
        processor = MessageProcessor(
            parts.name,
            queue,
            publisher=parts.publisher,
            gate=parts.pause_switch,
            turnstile=parts.quarantine,
            metrics=parts.metrics,
            tiers=parts.settings.retry_tiers,
            on_final_failure=FinalFailureReporter(queue, read, parts.transactions, self.final_failures).report,
        )
        age, received = parts.metrics.age.labels(queue), parts.metrics.received.labels(queue)
        held = self._runtime.held[queue] = HeldMessages(prefetch)
        parts.metrics.in_progress.labels(queue).set_function(lambda: held.messages)
        parts.metrics.newest.labels(queue).set_function(held.newest_timestamp)

        async def process(handle: MessageHandler, message: Message) -> None:
            held.receive()
            received.inc()
            try:
                await processor(handle, message)
                held.finished += 1
            finally:
                held.messages -= 1

        async def decode(message: Message) -> tuple[Envelope, Any]:
            envelope = Envelope.read(message.headers)
            if envelope.attempt == 0:
                held.newest_at, held.age = envelope.time, (dt.datetime.now(dt.UTC) - envelope.time).total_seconds()
                age.observe(held.age)
            CURRENT_MESSAGE.set((envelope, queue))
            return envelope, await read(envelope, message.body)

        parts.subscriber.subscribe(queue, decode, handle, process, prefetch=prefetch)
