"""Receives events for live updates, in each instance: transient, without an inbox.

Each instance has its own queue, which is deleted with its connection. Events are missed while the broker is
unavailable: after each reconnect `interrupted` is called, so that clients read the rows again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from aio_pika.abc import AbstractIncomingMessage

from shared.errors import NotUnderstood
from shared.events.envelope import Envelope
from shared.events.event import Event
from shared.messaging.connection import CONNECTION_PROBLEMS, connected
from shared.messaging.serialization import decrypt_bodies, event_type
from shared.messaging.topology import EVENTS
from shared.persistence.database_errors import is_contention, is_database_down
from shared.persistence.encryption import SubjectKeyStore

log = structlog.get_logger()

PREFETCH = 200

OnEvent = Callable[[Event, Envelope], Awaitable[None]]


class BroadcastListener:
    """Calls `on_event` with each event of the given types, one at a time, in the order of their arrival."""

    def __init__(
        self,
        url: str,
        events: Sequence[type[Event]],
        vault: SubjectKeyStore,
        on_event: OnEvent,
        interrupted: Callable[[], None] = lambda: None,
    ) -> None:
        self._url = url
        self._topics = sorted({event.topic for event in events})
        self._vault = vault
        self._on_event = on_event
        self._interrupted = interrupted

    async def run(self) -> None:
        """Listen until cancelled; reconnects after each loss of the broker."""
        pause = 0.2
        while True:
            try:
                async with connected(self._url, "listener") as connection:
                    closed = asyncio.Event()
                    connection.close_callbacks.add(lambda *_, closed=closed: closed.set())
                    channel = await connection.channel(publisher_confirms=False)
                    channel.close_callbacks.add(lambda *_, closed=closed: closed.set())
                    await channel.set_qos(prefetch_count=PREFETCH)
                    queue = await channel.declare_queue(exclusive=True, auto_delete=True)
                    for topic in self._topics:
                        await queue.bind(EVENTS, topic)
                    await queue.consume(self._take)
                    self._interrupted()
                    log.info("listener.connected", topics=self._topics)
                    pause = 0.2
                    await closed.wait()
            except CONNECTION_PROBLEMS as problem:
                log.warning("listener.interrupted", error=type(problem).__name__, again_in=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)

    async def _take(self, message: AbstractIncomingMessage) -> None:
        """Handle one message. If it cannot be read or decrypted now, drop and log it; the rows have its state."""
        try:
            envelope = Envelope.read(message.headers)
            (body,) = await decrypt_bodies([message.body], self._vault)
            await self._on_event(event_type(envelope).model_validate(body), envelope)
        except (NotUnderstood, ValueError) as problem:
            log.warning("listener.dropped", error=type(problem).__name__)
        except Exception as problem:
            if not (is_database_down(problem) or is_contention(problem)):
                raise
            log.warning("listener.dropped", error=type(problem).__name__)
        finally:
            await message.ack()
