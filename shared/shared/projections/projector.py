"""Applies a batch of stream messages to a projection: one call of its handler, one commit."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from shared.error_report import describe
from shared.errors import LeaseLost, Unwritable
from shared.events.envelope import Envelope
from shared.events.event import DirectoryEvent, Event, StateEvent
from shared.events.headers import LOG_OFFSET, copy_headers
from shared.messaging.publisher import Publisher
from shared.messaging.serialization import decrypt_bodies, event_type
from shared.messaging.stream_reader import StreamMessage
from shared.messaging.topology import stream_of
from shared.persistence.database_errors import is_contention, is_database_down
from shared.persistence.encryption import SubjectKeyStore
from shared.telemetry import Metrics
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event, its offset in its stream, and the time of its commit as the publisher's clock had it."""

    event: Event
    offset: int
    at: dt.datetime


Handler = Callable[[Sequence[LoggedEvent], UnitOfWork], Awaitable[None]]

Park = Callable[[StreamMessage], Awaitable[None]]

# Note the directory versions that were applied.
ADD_DIRECTORY_VERSIONS = """
INSERT INTO directory_seen (school_id, versions)
SELECT school_id, range_agg(int8range(version, version, '[]'))
FROM unnest(%(schools)s::uuid[], %(versions)s::bigint[]) AS new(school_id, version) GROUP BY school_id
ON CONFLICT (school_id) DO UPDATE SET versions = directory_seen.versions + excluded.versions
"""

# A complete re-publication (resync) that was applied from its first to its last version covers all earlier versions.
ADD_RESYNCED_VERSIONS = """
UPDATE directory_seen s SET versions = s.versions + int8multirange(int8range(1, r.first))
FROM unnest(%(schools)s::uuid[], %(firsts)s::bigint[], %(lasts)s::bigint[]) AS r(school_id, first, last)
WHERE s.school_id = r.school_id AND s.versions @> int8range(r.first, r.last, '[]')
"""

CONTENTION_TRIES = 5
CONTENTION_PAUSE = 0.3
DECODED_AT_ONCE = 40
"""Events that are decoded before other work of the process has its turn: a rebuild decodes all the time."""


class Projector:
    """Applies the events of one projection to its tables."""

    def __init__(
        self,
        name: str,
        events: Sequence[type[Event]],
        handler: Handler,
        *,
        transactions: UnitOfWorkFactory,
        vault: SubjectKeyStore,
        metrics: Metrics,
        park: Park,
    ) -> None:
        self.name = name
        self.topics = frozenset(event.topic for event in events)
        self.metrics = metrics
        self._handler = handler
        self._transactions = transactions
        self._vault = vault
        self._park = park

    def wants(self, reads: Sequence[StreamMessage]) -> bool:
        """Whether any of these messages has a topic of the projection."""
        return any(read.type in self.topics for read in reads)

    async def apply(self, stream: str, since: int, reads: Sequence[StreamMessage]) -> None:
        """Commit a batch with its offset. After an error, apply the messages one by one, and park those that fail."""
        try:
            await self._commit(stream, since, reads)
        except LeaseLost:
            raise
        except Exception as problem:
            if is_database_down(problem):
                raise
            if len(reads) > 1:
                log.warning("projection.batch_failed", projection=self.name, error=describe(problem))
                for read in reads:
                    await self.apply(stream, since, [read])
                    since = read.offset
                return
            await self._retry_or_park(stream, since, reads[0], problem)

    async def _retry_or_park(self, stream: str, since: int, read: StreamMessage, problem: Exception) -> None:
        """Try a failed message again after contention; park it after another error, so that it blocks no others."""
        for _ in range(CONTENTION_TRIES if is_contention(problem) else 0):
            await asyncio.sleep(CONTENTION_PAUSE)
            try:
                await self._commit(stream, since, [read])
            except LeaseLost:
                raise
            except Exception as next_problem:  # noqa: BLE001  # classified below
                problem = next_problem
                if not is_contention(problem):
                    break
            else:
                return
        if is_database_down(problem):
            raise problem
        log.error("projection.event_parked", projection=self.name, offset=read.offset, exc_info=problem)
        await self._park(read)
        async with self._transactions.project_batch(self.name, stream, since, read.offset, read.identity):
            pass

    async def _commit(self, stream: str, since: int, reads: Sequence[StreamMessage]) -> None:
        wanted = [read for read in reads if read.type in self.topics]
        events = await self._decode(wanted)
        last = reads[-1]
        async with self._transactions.project_batch(self.name, stream, since, last.offset, last.identity) as tx:
            await self._take(tx, events)
        self.metrics.projected.labels(self.name).inc(len(wanted))

    async def apply_parked(self, event: Event, tx: UnitOfWork) -> None:
        """Apply a parked event. Versions keep the order right; the inbox prevents a second application."""
        assert tx.cause is not None
        await self._take(tx, [LoggedEvent(event, tx.cause.log_offset, tx.cause.time)])

    async def _take(self, tx: UnitOfWork, events: Sequence[LoggedEvent]) -> None:
        await _remember_positions(tx, [each.event for each in events])
        if events:
            await self._handler(events, tx)

    async def _decode(self, reads: Sequence[StreamMessage]) -> list[LoggedEvent]:
        plain = await decrypt_bodies([read.body for read in reads], self._vault)
        found = []
        for read, body in zip(reads, plain, strict=True):
            envelope = Envelope.read(read.headers)
            found.append(LoggedEvent(event_type(envelope).model_validate(body), read.offset, envelope.time))
            if len(found) % DECODED_AT_ONCE == 0:
                await asyncio.sleep(0)
        return found


@dataclass(frozen=True, slots=True)
class Projection:
    """A projection of a service: its durable name, its events and its handler."""

    name: str
    events: tuple[type[Event], ...]
    handler: Handler
    tables: tuple[str, ...] = ()
    """The tables that it writes, if a rebuild can create them from the log alone."""

    @property
    def has_directory_versions(self) -> bool:
        """Whether its events have directory versions."""
        return any(issubclass(event, DirectoryEvent) for event in self.events)

    @property
    def streams(self) -> list[str]:
        """The streams with its events."""
        return sorted({stream_of(event.topic) for event in self.events})

    def projector(
        self, transactions: UnitOfWorkFactory, vault: SubjectKeyStore, metrics: Metrics, park: Park
    ) -> Projector:
        """Make the object that applies its events."""
        return Projector(
            self.name,
            self.events,
            self.handler,
            transactions=transactions,
            vault=vault,
            metrics=metrics,
            park=park,
        )


def park_in_queue(queue: str, publisher: Publisher) -> Park:
    """Return a function that parks an event in the projection's retry queue: retries, then the dead letters.

    An event with an unknown major version is parked too: a newer replica may apply it, and later events do not wait.
    """

    async def park(read: StreamMessage) -> None:
        try:
            headers = copy_headers(read.headers) | {LOG_OFFSET: str(read.offset)}
            await publisher.publish("", queue, read.body, headers)
        except Unwritable:
            log.error("projection.event_not_parked", queue=queue, offset=read.offset)  # noqa: TRY400

    return park


def newest_states(events: Sequence[Event]) -> list[Event]:
    """Keep the newest state of each aggregate, in the order of the log, and all events without state."""
    best: dict[tuple[str, str], StateEvent] = {}
    for event in events:
        if isinstance(event, StateEvent):
            key = (event.topic, event.subject)
            if key not in best or event.order > best[key].order:
                best[key] = event
    kept = {id(event) for event in best.values()}
    return [event for event in events if not isinstance(event, StateEvent) or id(event) in kept]


async def _remember_positions(tx: UnitOfWork, events: Sequence[Event]) -> None:
    """Note the applied directory versions of each school, superseded states included."""
    pairs: list[tuple[UUID, int]] = [
        pair for event in events if isinstance(event, DirectoryEvent) for pair in event.positions.items()
    ]
    if pairs:
        schools, versions = zip(*pairs, strict=True)
        await tx.execute(ADD_DIRECTORY_VERSIONS, {"schools": list(schools), "versions": list(versions)})
    resynced = {
        (school, *span)
        for event in events
        if isinstance(event, DirectoryEvent)
        for school, span in event.resync.items()
    }
    if resynced:
        schools, firsts, lasts = zip(*resynced, strict=True)
        await tx.execute(
            ADD_RESYNCED_VERSIONS, {"schools": list(schools), "firsts": list(firsts), "lasts": list(lasts)}
        )
