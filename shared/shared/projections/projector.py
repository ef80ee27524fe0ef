"""Turns what was read from a stream into one call of a projection's handler and one commit."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from shared.error_report import describe
from shared.errors import LeaseLost, Unwritable
from shared.events.envelope import Envelope
from shared.events.event import DirectoryEvent, Event, StateEvent
from shared.events.headers import carried
from shared.messaging.publisher import Publisher
from shared.messaging.serialization import decrypt_bodies, event_type
from shared.messaging.stream_reader import Read
from shared.messaging.topology import log_of
from shared.persistence.database_errors import is_contention, is_database_down
from shared.persistence.encryption import SubjectKeyStore
from shared.telemetry import Metrics
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

log = structlog.get_logger()

Handler = Callable[[Sequence[Event], UnitOfWork], Awaitable[None]]

Park = Callable[[Read], Awaitable[None]]

ADD_DIRECTORY_VERSIONS = """
INSERT INTO directory_seen (school_id, versions)
SELECT school_id, range_agg(int8range(version, version, '[]'))
FROM unnest(%(schools)s::uuid[], %(versions)s::bigint[]) AS new(school_id, version) GROUP BY school_id
ON CONFLICT (school_id) DO UPDATE SET versions = directory_seen.versions + excluded.versions
"""


# Who has applied a telling anew from its first to its last position has all that came before as well.
ADD_RESYNCED_VERSIONS = """
UPDATE directory_seen s SET versions = s.versions + int8multirange(int8range(1, r.first))
FROM unnest(%(schools)s::uuid[], %(firsts)s::bigint[], %(lasts)s::bigint[]) AS r(school_id, first, last)
WHERE s.school_id = r.school_id AND s.versions @> int8range(r.first, r.last, '[]')
"""

CONTENTION_TRIES = 5
CONTENTION_PAUSE = 0.3


class Projector:
    """One projection: what it reads, what it calls, and how a batch becomes a commit."""

    def __init__(
        self,
        name: str,
        events: Sequence[type[Event]],
        handler: Handler,
        *,
        transactions: UnitOfWorkFactory,
        vault: SubjectKeyStore,
        metrics: Metrics,
        set_aside: Park,
    ) -> None:
        self.name = name
        self.topics = frozenset(event.topic for event in events)
        self.metrics = metrics
        self._handler = handler
        self._transactions = transactions
        self._vault = vault
        self._set_aside = set_aside

    def wants(self, reads: Sequence[Read]) -> bool:
        """Whether any of this is to be projected."""
        return any(read.type in self.topics for read in reads)

    async def apply(self, stream: str, since: int, reads: Sequence[Read]) -> None:
        """Commit a batch with its offset; a batch that fails is redone one by one, what fails alone is set aside."""
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
            await self._again(stream, since, reads[0], problem)

    async def _again(self, stream: str, since: int, read: Read, problem: Exception) -> None:
        """Contention is not the event's fault; anything else takes it out of the others' way."""
        for _ in range(CONTENTION_TRIES if is_contention(problem) else 0):
            await asyncio.sleep(CONTENTION_PAUSE)
            try:
                await self._commit(stream, since, [read])
            except LeaseLost:
                raise
            except Exception as next_problem:  # noqa: BLE001  # weighed once more
                problem = next_problem
                if not is_contention(problem):
                    break
            else:
                return
        if is_database_down(problem):
            raise problem
        log.error("projection.event_set_aside", projection=self.name, offset=read.offset, exc_info=problem)
        await self._set_aside(read)
        async with self._transactions.project_batch(self.name, stream, since, read.offset, read.mark):
            pass

    async def _commit(self, stream: str, since: int, reads: Sequence[Read]) -> None:
        wanted = [read for read in reads if read.type in self.topics]
        events = await self._decode(wanted)
        last = reads[-1]
        async with self._transactions.project_batch(self.name, stream, since, last.offset, last.mark) as tx:
            await self._take(tx, events)
        self.metrics.projected.labels(self.name).inc(len(wanted))

    async def apply_parked(self, event: Event, tx: UnitOfWork) -> None:
        """Take an event that was set aside. Versions guard the order; the inbox guards against a second time."""
        await self._take(tx, [event])

    async def _take(self, tx: UnitOfWork, events: Sequence[Event]) -> None:
        await _remember_positions(tx, events)
        if newest := _newest(events):
            await self._handler(newest, tx)

    async def _decode(self, reads: Sequence[Read]) -> list[Event]:
        envelopes = [Envelope.read(read.headers) for read in reads]
        plain = await decrypt_bodies([read.body for read in reads], self._vault)
        found = []
        for envelope, body in zip(envelopes, plain, strict=True):
            found.append(event_type(envelope).model_validate(body))
        return found


@dataclass(frozen=True, slots=True)
class Projection:
    """What a service keeps from the log: its handler's name, the events it reads, and what takes them."""

    name: str
    events: tuple[type[Event], ...]
    handler: Handler
    tables: tuple[str, ...] = ()
    """What it writes, if a rebuild may write it anew from the log."""

    @property
    def has_directory_versions(self) -> bool:
        """Whether its events say which directory versions they bring."""
        return any(issubclass(event, DirectoryEvent) for event in self.events)

    @property
    def streams(self) -> list[str]:
        """The streams that hold its events."""
        return sorted({log_of(event.topic) for event in self.events})

    def projector(
        self, transactions: UnitOfWorkFactory, vault: SubjectKeyStore, metrics: Metrics, set_aside: Park
    ) -> Projector:
        """What turns its messages into commits."""
        return Projector(
            self.name,
            self.events,
            self.handler,
            transactions=transactions,
            vault=vault,
            metrics=metrics,
            set_aside=set_aside,
        )


def park_in_queue(queue: str, publisher: Publisher) -> Park:
    """Sets an event aside into a queue of its projection's: tried at once, after each tier, then a dead letter.

    An unknown major goes this way too: a newer replica may take it from there, and the events behind it do not wait.
    """

    async def set_aside(read: Read) -> None:
        try:
            await publisher.publish("", queue, read.body, carried(read.headers))
        except Unwritable:
            log.error("projection.event_left_in_the_log", queue=queue, offset=read.offset)  # noqa: TRY400

    return set_aside


def _newest(events: Sequence[Event]) -> list[Event]:
    """The newest state of each aggregate, in the order of the log; facts that carry no state all stay."""
    best: dict[tuple[str, str], StateEvent] = {}
    for event in events:
        if isinstance(event, StateEvent):
            key = (event.topic, event.subject)
            if key not in best or event.order > best[key].order:
                best[key] = event
    kept = {id(event) for event in best.values()}
    return [event for event in events if not isinstance(event, StateEvent) or id(event) in kept]


async def _remember_positions(tx: UnitOfWork, events: Sequence[Event]) -> None:
    """Note which directory versions of which schools have been applied, superseded states included."""
    pairs: list[tuple[UUID, int]] = [
        pair for event in events if isinstance(event, DirectoryEvent) for pair in event.positions.items()
    ]
    if pairs:
        schools, versions = zip(*pairs, strict=True)
        await tx.execute(ADD_DIRECTORY_VERSIONS, {"schools": list(schools), "versions": list(versions)})
    told = {
        (school, *span)
        for event in events
        if isinstance(event, DirectoryEvent)
        for school, span in event.resync.items()
    }
    if told:
        schools, firsts, lasts = zip(*told, strict=True)
        await tx.execute(
            ADD_RESYNCED_VERSIONS, {"schools": list(schools), "firsts": list(firsts), "lasts": list(lasts)}
        )
