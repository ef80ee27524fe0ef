"""Runs the parts of a service: connections, relay, consumers, readers, periodic tasks; and stops them in order."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

from shared.errors import InfrastructureDown, Refused, is_out_of_descriptors
from shared.messaging import topology, topology_admin
from shared.messaging.connection import CONNECTION_PROBLEMS, Connection, connected
from shared.service.components import Components
from shared.service.consumer_orders import ConsumerOrders
from shared.service.dependency_probe import DependencyProbe
from shared.service.heartbeat import Heartbeat
from shared.service.held_messages import HeldMessages
from shared.service.refusal import REFUSED, report_refusal
from shared.service.schema_gate import SchemaGate
from shared.transactions.relay import Relay

log = structlog.get_logger()

WATCH_SECONDS = 5.0
LOOK_SECONDS = 0.5
ROOM_SECONDS = 10.0
"""For how long the database counts as having room once a write has succeeded: the check itself writes."""
STOP_SECONDS = 1.0
STOP_ATTEMPTS = 3
PLACE_SECONDS = 1.0
"""Between attempts of a part that found no free descriptor."""
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

    def __init__(self, components: Components, required: Callable[[], topology.Topology]) -> None:
        """`required`: what must exist on the broker before messages are consumed."""
        self._components = components
        self._required = required
        self.worker = f"{components.name}@{socket.gethostname()}:{os.getpid()}"
        self.held: dict[str, HeldMessages] = {}
        """What this process has received from each queue."""
        self.orders: ConsumerOrders | None = None
        """What operators ordered of this process; None if it does not follow orders."""
        self._backgrounds: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self.facts: dict[str, Callable[[], Any]] = {"draining": self._is_draining, "queues": self._describe_queues}
        """What each heartbeat says besides the facts of every worker."""
        self._closing: list[Callable[[], Awaitable[None]]] = []
        self._stopping: list[Callable[[], None]] = []
        self._gate = SchemaGate(components.database, components.name)
        self._missing: list[str] | None = None
        self._consuming = False
        self.stopping = False
        self._room_until = 0.0
        self._started = False

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
        self.stopping = True
        for stop in self._stopping:
            stop()

    async def readiness(self) -> tuple[bool, list[str]]:
        """Return whether requests may come, and what keeps the service from its work.

        Requests may come from the first moment at which nothing did, until the service stops. What is away later is
        away for all replicas: without any of them, not even the outbox would accept requests (decision 0055).
        """
        reasons = await self.not_ready()
        self._started = self._started or not reasons
        return self._started and not self.stopping, ["service: stopping", *reasons] if self.stopping else reasons

    async def not_ready(self) -> list[str]:
        """Return the reasons why this service is not ready; empty if it is."""
        reasons = []
        try:
            async with asyncio.timeout(2):
                await self._check_database()
        except InfrastructureDown as problem:
            reasons.append(f"database: {problem}")
        except Exception as problem:  # noqa: BLE001  # any error is a reason
            reasons.append(f"database: {type(problem).__name__}")
        if self._gate.reason is not None:
            reasons.append(self._gate.reason)
        publisher = self._components.publisher
        if publisher.blocked:
            reasons.append("broker: a memory or disk alarm blocks publishing; free memory or disk on the broker")
        elif not publisher.ready.is_set():
            reasons.append("broker: away")
        elif self._missing is None:
            reasons.append("broker: not checked yet")
        elif self._missing:
            reasons.append(f"broker: queues are missing, run the topology step: {', '.join(self._missing)}")
        elif not self._consuming:
            reasons.append("consumers: not started yet")
        if self._components.pause_switch.closed:
            reasons.append("consumers: paused, the database is unavailable")
        return reasons

    async def _check_database(self) -> None:
        """Check that the database accepts writes, and now and then that it has room for them."""
        now = asyncio.get_running_loop().time()
        if now < self._room_until:
            await self._components.database.check_writable()
        else:
            await self._components.database.check_room()
            self._room_until = now + ROOM_SECONDS

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run all parts until the body ends; then finish the received messages and stop the parts."""
        components = self._components
        await components.database.open()
        publishing = self._start(components.publisher.run)
        others = [self._start(self._gate.run), *(self._start(run, self._gate.passed) for run in self._parts())]
        try:
            yield
        finally:
            self.stop_soon()
            await self._stop_consuming()
            await _end(others)
            await _end([publishing])  # last, because the others may be using its connection
            for close in self._closing:
                await close()
            await components.database.close()
            log.info("service.stopped")

    def _start(
        self, run: Callable[[], Coroutine[Any, Any, None]], after: Callable[[], Awaitable[None]] | None = None
    ) -> asyncio.Task[None]:
        return asyncio.create_task(self._guard(run, after), name=run.__qualname__)

    def _parts(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        """Everything that runs beside the publisher."""
        components, settings = self._components, self._components.settings
        relay = Relay(
            components.database,
            components.publisher,
            components.vault,
            components.transactions.outbox_filled,
            components.metrics,
            batch=settings.relay_batch,
            lease_seconds=settings.relay_lease,
            sweep_seconds=settings.relay_sweep,
        )
        heartbeat = Heartbeat(
            components.name, self.worker, components.publisher, components.metrics, settings.heartbeat, self.facts
        )
        return [
            components.pause_switch.run,
            self._watch,
            components.subscriber.run,
            heartbeat.run,
            DependencyProbe(components.database.check_writable, components.publisher.ready, components.metrics).run,
            *([relay.run] * RELAYS),
            *self._backgrounds,
        ]

    def _is_draining(self) -> bool:
        return self.orders is not None and self.orders.draining

    def _describe_queues(self) -> dict[str, Any]:
        """Return what the heartbeat says of this process's queues."""
        paused, now = self.orders.paused if self.orders else frozenset(), time.monotonic()
        return {
            queue: {"paused": queue in paused} | (self.held.get(queue) or HeldMessages()).describe(now)
            for queue in self._components.subscriber.queues
        }

    async def _guard(
        self, run: Callable[[], Coroutine[Any, Any, None]], after: Callable[[], Awaitable[None]] | None
    ) -> None:
        """End the process, without cleanup, if a part fails: a service with a missing part must not look healthy.

        A full table of descriptors is no failure of the part: it starts again until there is place.
        """
        if after is not None:
            await after()
        while True:
            try:
                return await run()
            except asyncio.CancelledError:
                raise
            except Refused as problem:
                report_refusal(problem)
                os._exit(REFUSED)
            except BaseException as problem:
                if not is_out_of_descriptors(problem):
                    log.exception("background_task.failed", task=run.__qualname__)
                    os._exit(70)
                log.error("background_task.no_descriptors", task=run.__qualname__)  # noqa: TRY400  # no bug of ours
            await asyncio.sleep(PLACE_SECONDS)

    async def _watch(self) -> None:
        """Start consuming when all queues exist, and keep checking them.

        It has a connection of its own, because an alarm of the broker blocks the publisher's connection.
        """
        url, name = self._components.settings.amqp_url.get_secret_value(), f"{self._components.name}-watch"
        while True:
            try:
                async with connected(url, name) as connection:
                    if not self._consuming:
                        topology_admin.check_broker(connection)
                    while not connection.is_closed:
                        await self._look(connection)
                        await asyncio.sleep(WATCH_SECONDS if self._consuming and not self._missing else LOOK_SECONDS)
            except CONNECTION_PROBLEMS as problem:
                log.warning("broker.unavailable", error=type(problem).__name__)
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self, connection: Connection) -> None:
        self._missing = await topology_admin.missing(connection, self._required())
        if self._missing:
            log.error("topology.missing", queues=self._missing)
        elif not self._consuming:
            self._components.subscriber.begin()
            self._consuming = True
            log.info("service.consuming", queues=len(self._components.subscriber.queues))

    async def _stop_consuming(self) -> None:
        if not self._consuming:
            return
        try:
            await self._components.subscriber.stop()
        except (TimeoutError, *CONNECTION_PROBLEMS) as problem:
            log.warning("shutdown.drain_incomplete", error=type(problem).__name__)
