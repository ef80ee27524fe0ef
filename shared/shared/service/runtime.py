"""Runs the parts of a service: connections, relay, consumers, readers, periodic tasks; and stops them in order."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import structlog

from shared.consumers.dead_letters import DeadLetterConsumer, StoreDeadLetter
from shared.consumers.message_processor import MessageProcessor
from shared.consumers.pause_switch import PauseSwitch
from shared.consumers.quarantine import ExclusiveSection
from shared.errors import InfrastructureDown
from shared.events.envelope import Envelope
from shared.messaging import topology, topology_admin
from shared.messaging.connection import CONNECTION_PROBLEMS, Connection, connected
from shared.messaging.publisher import Publisher
from shared.messaging.subscriber import Handle, Message, Subscriber
from shared.projections.projection_runner import ProjectionRunner
from shared.projections.projector import Projector
from shared.service.heartbeat import Heartbeat
from shared.telemetry import CURRENT_MESSAGE
from shared.transactions.relay import Relay

if TYPE_CHECKING:
    from shared.service.service import Service

log = structlog.get_logger()

Read = Callable[[Envelope, bytes], Awaitable[Any]]
"""Reads a body; raises NotUnderstood."""

WATCH_SECONDS = 5.0
LOOK_SECONDS = 0.5
STOP_SECONDS = 1.0
STOP_ATTEMPTS = 3
RELAYS = 2
"""Batches in progress at the same time: one is leased while the other waits for confirms."""


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait for a limited time; repeat, because a client library may ignore one cancellation."""
    for attempt in range(STOP_ATTEMPTS):
        for task in tasks:
            task.cancel()
        _, stuck = await asyncio.wait(tasks, timeout=STOP_SECONDS)
        if not stuck:
            return
        log.warning("background_task.not_stopping", tasks=[task.get_name() for task in stuck], attempt=attempt + 1)
        tasks = list(stuck)


class Runtime:
    """The running parts of a service. Only `Service` adds parts."""

    def __init__(self, service: "Service") -> None:
        settings = service.settings
        self.service = service
        self.worker = f"{service.name}@{socket.gethostname()}:{os.getpid()}"
        self._url = settings.amqp_url.get_secret_value()
        self.publisher = Publisher(
            self._url, service.name, topology.LOGS, settings.publish_timeout, service.metrics.blocked.set
        )
        self.gate = PauseSwitch(self._database_answers, service.metrics)
        self._turnstile = ExclusiveSection()
        self.concurrency_limit = asyncio.Semaphore(settings.database_pool)
        """A handler holds a database connection throughout: no more run at once than there are."""
        self.subscriber = Subscriber(self._url, service.name, service.metrics.registry, drain=settings.drain)
        self._backgrounds: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._closing: list[Callable[[], Awaitable[None]]] = []
        self._stopping: list[Callable[[], None]] = []
        self._missing: list[str] | None = None
        self._consuming = False

    def consume(self, queue: str, read: Read, handle: Handle, *, prefetch: int) -> None:
        """Take messages from a queue that the topology step has made; `handle` gets the envelope and what was read."""
        service = self.service
        processor = MessageProcessor(
            service.name,
            queue,
            publisher=self.publisher,
            gate=self.gate,
            turnstile=self._turnstile,
            metrics=service.metrics,
            tiers=service.settings.retry_tiers,
        )

        async def decode(message: Message) -> tuple[Envelope, Any]:
            envelope = Envelope.read(message.headers)
            CURRENT_MESSAGE.set((envelope, queue))
            return envelope, await read(envelope, message.body)

        self.subscriber.subscribe(queue, decode, handle, processor, prefetch=prefetch)

    def store_dead_letters(self, keep: StoreDeadLetter) -> None:
        """Take the dead letters of every service."""
        letters = DeadLetterConsumer(keep, self.service.transactions, self.gate)
        self.subscriber.subscribe(topology.DEAD, letters.decode, letters.handle, letters.process, prefetch=10)

    def read(self, stream: str, projector: Projector) -> None:
        """Read a stream into a projection."""
        self._backgrounds.append(ProjectionRunner(self._url, stream, self.service.transactions, projector).run)

    def background(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run while the service runs."""
        self._backgrounds.append(run)

    def on_close(self, close: Callable[[], Awaitable[None]]) -> None:
        """Call `close` after all parts have stopped."""
        self._closing.append(close)

    def on_stop(self, stop: Callable[[], None]) -> None:
        """Call `stop` when the process begins to stop."""
        self._stopping.append(stop)

    def stop_soon(self) -> None:
        """Announce the stop of the process, so that endless responses end."""
        for stop in self._stopping:
            stop()

    async def not_ready(self) -> list[str]:
        """Return the reasons why this service is not ready; empty if it is."""
        reasons = []
        try:
            async with asyncio.timeout(2):
                await self._database_answers()
        except InfrastructureDown as problem:
            reasons.append(f"database: {problem}")
        except Exception as problem:  # noqa: BLE001  # any error is a reason
            reasons.append(f"database: {type(problem).__name__}")
        if self.publisher.blocked:
            reasons.append("broker: a memory or disk alarm blocks publishing; free memory or disk on the broker")
        elif not self.publisher.ready.is_set():
            reasons.append("broker: away")
        elif self._missing is None:
            reasons.append("broker: not checked yet")
        elif self._missing:
            reasons.append(f"broker: queues are missing, run the topology step: {', '.join(self._missing)}")
        elif not self._consuming:
            reasons.append("consumers: not started yet")
        if self.gate.closed:
            reasons.append("consumers: paused, the database is unavailable")
        return reasons

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run all parts until the body ends; then finish the received messages and stop the parts."""
        service = self.service
        await service.database.open()
        tasks = [asyncio.create_task(self._guard(run), name=run.__qualname__) for run in self._everything()]
        try:
            yield
        finally:
            self.stop_soon()
            await self._stop_consuming()
            # The publisher stops last, because other parts may be using its connection.
            await _end(tasks[1:])
            await _end(tasks[:1])
            for close in self._closing:
                await close()
            await service.database.close()
            log.info("service.stopped")

    def _everything(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        service, settings = self.service, self.service.settings
        relay = Relay(
            service.database,
            self.publisher,
            service.vault,
            service.transactions.outbox_filled,
            service.metrics,
            batch=settings.relay_batch,
            lease_seconds=settings.relay_lease,
            sweep_seconds=settings.relay_sweep,
        )
        heartbeat = Heartbeat(service.name, self.worker, self.publisher, service.metrics, settings.heartbeat)
        return [
            self.publisher.run,
            self.gate.run,
            self._watch,
            self.subscriber.run,
            heartbeat.run,
            *([relay.run] * RELAYS),
            *self._backgrounds,
        ]

    async def _guard(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """End the process, without cleanup, if a part fails: a service with a missing part must not look healthy."""
        try:
            await run()
        except asyncio.CancelledError:
            raise
        except BaseException:
            log.exception("background_task.failed", task=run.__qualname__)
            os._exit(70)

    async def _watch(self) -> None:
        """Start consuming when all queues exist, and keep checking them.

        It has a connection of its own, because an alarm of the broker blocks the publisher's connection.
        """
        name = f"{self.service.name}-watch"
        while True:
            try:
                async with connected(self._url, name) as connection:
                    while not connection.is_closed:
                        await self._look(connection)
                        await asyncio.sleep(WATCH_SECONDS if self._consuming and not self._missing else LOOK_SECONDS)
            except CONNECTION_PROBLEMS as problem:
                log.warning("broker.unavailable", error=type(problem).__name__)
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self, connection: Connection) -> None:
        self._missing = await topology_admin.missing(connection, self.service.topology())
        if self._missing:
            log.error("topology.missing", queues=self._missing)
        elif not self._consuming:
            topology_admin.check_broker(connection)
            self.subscriber.begin()
            self._consuming = True
            log.info("service.consuming", queues=len(self.subscriber.queues))

    async def _stop_consuming(self) -> None:
        if not self._consuming:
            return
        try:
            await self.subscriber.stop()
        except (TimeoutError, *CONNECTION_PROBLEMS) as problem:
            log.warning("shutdown.drain_incomplete", error=type(problem).__name__)

    async def _database_answers(self) -> None:
        async with self.service.database.worker() as connection:
            row = await (await connection.execute("SHOW transaction_read_only")).fetchone()
        if row is None or row["transaction_read_only"] != "off":
            raise InfrastructureDown("the server is read-only: a standby, or its disk is full")
