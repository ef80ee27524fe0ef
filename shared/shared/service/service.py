"""A service: its reactions, projections, work, periodic tasks and routes, as one ASGI application.

`build()` of a service registers plain functions. Queues, retries, inbox, dead letters, metrics, health and the topology
follow from these registrations.
"""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog
from fastapi import APIRouter, FastAPI
from prometheus_client import Histogram

from shared.consumers.dead_letters import DeadLetterConsumer, StoreDeadLetter
from shared.consumers.final_failure import OnFinalFailure
from shared.errors import UnknownMajor
from shared.events.consumers import ConsumersOrdered
from shared.events.envelope import Envelope
from shared.events.event import Event
from shared.messaging import topology
from shared.messaging.broadcast_listener import BroadcastListener
from shared.messaging.serialization import parse
from shared.projections.projection_runner import ProjectionRunner
from shared.projections.projector import Handler, LoggedEvent, Projection, newest_states, park_in_queue
from shared.service.application import build_application
from shared.service.components import Components
from shared.service.consumer_orders import DRAINS, DRAINS_DAYS, ConsumerOrders, store_order
from shared.service.heartbeat import HeartbeatListener
from shared.service.invariants import InvariantChecker
from shared.service.loop_watchdog import LoopWatchdog
from shared.service.outbox_backlog import OutboxBacklog
from shared.service.periodic import PeriodicTask
from shared.service.personal_data import PersonalData
from shared.service.personal_data import router as personal_data_router
from shared.service.queue_consumers import QueueConsumers
from shared.service.retention import Policy, of_every_service, prune
from shared.service.runtime import Runtime
from shared.settings import ServiceSettings
from shared.transactions.outbox import WorkPermit
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

log = structlog.get_logger()

P = ParamSpec("P")
E = TypeVar("E", bound=Event)
W = TypeVar("W", bound=WorkPermit)

DEAD_LETTERS_AT_ONCE = 10
PRUNE_SECONDS = 900.0
KEY_SECONDS = 30.0
"""Between looks for keys whose time in the cache is over."""


class Service:
    """Collects the parts of a service. `app()` runs them, `topology()` lists what they need on the broker."""

    def __init__(self, name: str, settings: ServiceSettings, *, creates_keys: bool = False) -> None:
        self.components = parts = Components.of(name, settings, creates_keys=creates_keys)
        self.name = name
        self.settings = settings
        self.metrics = parts.metrics
        self.database = parts.database
        self.transactions = parts.transactions
        self.vault = parts.vault
        self.invariant_checker = InvariantChecker(self.transactions, self.metrics, settings.reconcile)
        self.runtime = Runtime(parts, self.topology)
        self.runtime.background(self.invariant_checker.run)
        self.backlog = OutboxBacklog(self.database, self.metrics)
        self.runtime.background(self.backlog.run)
        self.prune(*of_every_service(settings.inbox_days))
        self.runtime.background(PeriodicTask("forget_keys", KEY_SECONDS, self._forget_keys, self.metrics).run)
        self.runtime.background(LoopWatchdog(self.metrics.registry).run)
        if parts.tracing is not None:
            self.runtime.on_close(parts.tracing.close)
        self._url = settings.amqp_url.get_secret_value()
        self._topology = topology.spine() | topology.retry_topology(name, settings.retry_tiers)
        self._routers: list[APIRouter] = []
        self._provided: list[object] = []
        self.reads: dict[str, str] = {}
        """Topic → how this service consumes it, `reaction` or `projection`; for the documentation."""
        self.projections: dict[str, Projection] = {}
        self._consumers = QueueConsumers(parts, self.runtime)
        self.resyncs: dict[str, Callable[[UnitOfWorkFactory], Awaitable[int]]] = {}

    def on(
        self,
        event: type[E],
        handler: Callable[Concatenate[E, UnitOfWork, P], Awaitable[None]],
        *args: P.args,
        **dependencies: P.kwargs,
    ) -> None:
        """React to an event, from a queue of this service: once, with its effects and its inbox row in one commit.

        Waiting events are handled one after the other and commit together; one that fails does not affect the others.
        """
        self.on_queue(topology.reaction_queue(self.name, event.topic), event, handler, *args, **dependencies)

    def on_queue(
        self,
        queue: topology.Queue,
        event: type[E],
        handler: Callable[Concatenate[E, UnitOfWork, P], Awaitable[None]],
        *args: P.args,
        **dependencies: P.kwargs,
    ) -> None:
        """As `on`, from a given queue: one with other routing keys, or one that only a previous version fills."""
        self._topology |= topology.Topology(queues=(queue,))
        if event.topic:
            self.reads[event.topic] = "reaction"

        async def take(fact: Event, tx: UnitOfWork) -> None:
            if not isinstance(fact, event):
                raise UnknownMajor(f"{self.name} reacts to {event.__name__}, not to {type(fact).__name__}")
            await handler(fact, tx, *args, **dependencies)

        self._consumers.react(queue.name, take)

    def on_final_failure(self, message: type[Event] | type[WorkPermit], report: OnFinalFailure) -> None:
        """Call `report` before a message of this type becomes a dead letter, so that what was asked for has an end."""
        self._consumers.final_failures[message.topic if issubclass(message, Event) else message.name] = report

    def project(
        self,
        name: str,
        events: Sequence[type[Event]],
        handler: Callable[Concatenate[Sequence[Event], UnitOfWork, P], Awaitable[None]],
        *args: P.args,
        **dependencies: P.kwargs,
    ) -> None:
        """Project events of the log into tables of this service: in order, only the newest state of each aggregate.

        `name` is stored: it names the projection's queue on the broker and its offset in the database, and operators
        type it. Changing it starts the projection from the beginning and leaves its queue behind.
        Events that the handler cannot apply go to a queue of the projection: retries, then the dead letters.
        """

        async def apply(facts: Sequence[LoggedEvent], tx: UnitOfWork) -> None:
            await handler(newest_states([each.event for each in facts]), tx, *args, **dependencies)

        self._project(name, events, apply)

    def project_history(
        self,
        name: str,
        events: Sequence[type[Event]],
        handler: Callable[Concatenate[Sequence[LoggedEvent], UnitOfWork, P], Awaitable[None]],
        *args: P.args,
        **dependencies: P.kwargs,
    ) -> None:
        """As `project`, with every state of each aggregate, its offset and its time: for facts that are only added."""

        async def apply(facts: Sequence[LoggedEvent], tx: UnitOfWork) -> None:
            await handler(facts, tx, *args, **dependencies)

        self._project(name, events, apply)

    def _project(self, name: str, events: Sequence[type[Event]], apply: Handler) -> None:
        aside = topology.projection_retry_queue(self.name, name)
        projection = Projection(name, tuple(events), apply)
        projector = projection.projector(
            self.transactions, self.vault, self.metrics, park_in_queue(aside.name, self.components.publisher)
        )
        self.projections[name] = projection
        self.reads |= dict.fromkeys((event.topic for event in events), "projection")
        self._topology |= topology.Topology(queues=(aside,))
        self._consumers.react(aside.name, projector.apply_parked)
        for stream in projection.streams:
            self.runtime.background(ProjectionRunner(self._url, stream, self.transactions, projector).run)

    def rebuilds(self, name: str, tables: Sequence[str]) -> None:
        """Allow a rebuild of a projection from the log: its handler writes these tables and reads no other."""
        self.projections[name] = replace(self.projections[name], tables=tuple(tables))

    def resync(self, name: str, tell: Callable[[UnitOfWorkFactory], Awaitable[int]]) -> None:
        """Register a function that publishes the present state of `name` again, for a log that starts too late."""
        self.resyncs[name] = tell

    def work(
        self,
        permit: type[W],
        handler: Callable[Concatenate[W, Envelope, UnitOfWorkFactory, P], Awaitable[None]],
        lanes: Sequence[str],
        *args: P.args,
        **dependencies: P.kwargs,
    ) -> None:
        """Do work that this service permitted itself; the handler claims, performs and records by itself."""

        async def permit_of(_: Envelope, body: bytes) -> W:
            return permit.model_validate(parse(body))

        async def handle(envelope: Envelope, permitted: W, *, seconds: Histogram) -> None:
            with seconds.time():
                await handler(permitted, envelope, self.transactions, *args, **dependencies)

        for name in lanes:
            queue = topology.lane_queue(self.name, name)
            self._topology |= topology.Topology(queues=(queue,))
            measured = partial(handle, seconds=self.metrics.seconds.labels(queue.name))
            self._consumers.consume(queue.name, permit_of, measured, prefetch=permit.concurrency)

    def follow_orders(self) -> None:
        """Let operators pause queues of this service and drain its workers."""
        queue = topology.reaction_queue(self.name, ConsumersOrdered.topic).name
        self.on(ConsumersOrdered, store_order, self.name)
        self.runtime.orders = orders = ConsumerOrders(
            self.components.subscriber, self.transactions, self.metrics, self.runtime.worker, queue
        )
        self.runtime.background(orders.run)
        self.prune(Policy("consumer_order", DRAINS, DRAINS_DAYS))

    def store_dead_letters(self, keep: StoreDeadLetter) -> None:
        """Keep the dead letters of every service; one service of the system does."""
        letters = DeadLetterConsumer(keep, self.transactions, self.components.pause_switch)
        subscribe = self.components.subscriber.subscribe
        subscribe(topology.DEAD, letters.decode, letters.handle, letters.process, prefetch=DEAD_LETTERS_AT_ONCE)

    def on_heartbeat(self, on_beat: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        """Call `on_beat` with the heartbeat of each worker."""
        listener = HeartbeatListener(self._url, on_beat)
        self.runtime.background(listener.run)

    def on_broadcast(
        self,
        events: Sequence[type[Event]],
        on_event: Callable[[Event, Envelope], Awaitable[None]],
        interrupted: Callable[[], None] = lambda: None,
    ) -> None:
        """Call `on_event` with events as they are published, in each instance, for live updates; nothing is stored.

        `interrupted` is called when events may have been missed.
        """
        self.runtime.background(BroadcastListener(self._url, events, self.vault, on_event, interrupted).run)

    def on_stop(self, stop: Callable[[], None]) -> None:
        """Call `stop` when the process begins to stop, while requests are still being answered."""
        self.runtime.on_stop(stop)

    def sweep(
        self,
        seconds: float,
        task: Callable[Concatenate[UnitOfWorkFactory, P], Awaitable[object]],
        *args: P.args,
        **dependencies: P.kwargs,
    ) -> None:
        """Run `task` about every `seconds`, in each replica; it must lock the rows that it changes."""

        async def run() -> None:
            await task(self.transactions, *args, **dependencies)

        self.runtime.background(PeriodicTask(getattr(task, "__name__", "sweep"), seconds, run, self.metrics).run)

    def prune(self, *policies: Policy) -> None:
        """Delete rows that have served their time, about every quarter of an hour."""
        for policy in policies:
            run = partial(prune, self.transactions, (policy,))
            self.runtime.background(PeriodicTask(f"prune_{policy.table}", PRUNE_SECONDS, run, self.metrics).run)

    def export(self, data: PersonalData) -> None:
        """Answer the gateway what this service stores about a person."""
        self.provide(data)
        self.include_router(personal_data_router)

    def check_invariant(self, name: str, statement: str) -> None:
        """Count and export violations of an invariant: `statement` returns one row, whose `violations` must be 0."""
        self.invariant_checker.invariants[name] = statement

    def pause_until(self, probe: Callable[[], Awaitable[None]]) -> None:
        """Resume paused consumers only once `probe` succeeds, too: for a store that they need besides the database."""
        self.components.pause_switch.add_probe(probe)

    def background(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a coroutine while the service runs."""
        self.runtime.background(run)

    def on_close(self, close: Callable[[], Awaitable[None]]) -> None:
        """Call `close` after all parts of the service have stopped."""
        self.runtime.on_close(close)

    def include_router(self, router: APIRouter) -> None:
        """Add routes."""
        self._routers.append(router)

    def provide(self, *objects: object) -> None:
        """Give the routes objects, each by its type: see `shared.http.provided`."""
        self._provided += objects

    async def _forget_keys(self) -> None:
        self.vault.forget_expired()

    async def attention(self) -> list[str]:
        """Return what an operator should know: why the service is not ready, and what waits in its outbox."""
        return await self.runtime.not_ready() + self.backlog.notes()

    def topology(self) -> topology.Topology:
        """Return what must exist on the broker for this service."""
        return self._topology

    def app(self) -> FastAPI:
        """Return the ASGI application; its lifespan runs the service."""
        rows = self.transactions.for_requests()
        own = (self.settings, rows, self.components.verifier, self.metrics, self.runtime, self.backlog)
        tracing = self.components.tracing
        return build_application(
            self.name,
            self.settings,
            self.runtime,
            self._routers,
            provided=[*own, *self._provided],
            telemetry=tracing.requests if tracing is not None else {},
        )
