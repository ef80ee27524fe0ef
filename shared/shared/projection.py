"""Turns what was read from a stream into one call of a projection's handler and one commit."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from shared.bus import DEAD
from shared.db import infrastructure
from shared.errors import LeaseLost
from shared.events.base import DirectoryEvent, Envelope, Event, StateEvent
from shared.messages import bodies, event_type
from shared.personal import Vault
from shared.publisher import Publisher
from shared.retries import describe, fingerprint
from shared.telemetry import Metrics
from shared.transaction import Transaction, Transactions

log = structlog.get_logger()

Handler = Callable[[Sequence[Event], Transaction], Awaitable[None]]

SEEN = """
INSERT INTO directory_seen (school_id, versions)
SELECT school_id, range_agg(int8range(version, version, '[]'))
FROM unnest(%(schools)s::uuid[], %(versions)s::bigint[]) AS new(school_id, version) GROUP BY school_id
ON CONFLICT (school_id) DO UPDATE SET versions = directory_seen.versions + excluded.versions
"""


@dataclass(frozen=True, slots=True)
class Read:
    """One message of a stream."""

    offset: int
    headers: dict[str, Any]
    body: bytes


class Projector:
    """One projection: what it reads, what it calls, and how a batch becomes a commit."""

    def __init__(
        self,
        name: str,
        events: Sequence[type[Event]],
        handler: Handler,
        *,
        transactions: Transactions,
        vault: Vault,
        publisher: Publisher,
        metrics: Metrics,
    ) -> None:
        self.name = name
        self.topics = frozenset(event.topic for event in events)
        self.metrics = metrics
        self._handler = handler
        self._transactions = transactions
        self._vault = vault
        self._publisher = publisher

    async def apply(self, stream: str, since: int, reads: Sequence[Read]) -> None:
        """Commit a batch with its offset; a batch that fails is redone one by one, and what fails alone is dead."""
        try:
            await self._commit(stream, since, reads)
        except LeaseLost:
            raise
        except Exception as problem:
            if infrastructure(problem):
                raise
            if len(reads) > 1:
                log.warning("projection.batch_failed", projection=self.name, error=describe(problem))
                for read in reads:
                    await self.apply(stream, since, [read])
                    since = read.offset
                return
            await self._bury(reads[0], problem)
            async with self._transactions.advance(self.name, stream, since, reads[0].offset):
                pass

    async def _commit(self, stream: str, since: int, reads: Sequence[Read]) -> None:
        wanted = [read for read in reads if read.headers.get("ce-type") in self.topics]
        events = await self._decode(wanted)
        async with self._transactions.advance(self.name, stream, since, reads[-1].offset) as tx:
            await _remember_positions(tx, events)
            if newest := _newest(events):
                await self._handler(newest, tx)
        self.metrics.projected.labels(self.name).inc(len(wanted))

    async def _decode(self, reads: Sequence[Read]) -> list[Event]:
        envelopes = [Envelope.read(read.headers) for read in reads]
        plain = await bodies([read.body for read in reads], self._vault)
        found = []
        for envelope, body in zip(envelopes, plain, strict=True):
            found.append(event_type(envelope).model_validate(body))
        return found

    async def _bury(self, read: Read, problem: Exception) -> None:
        """An event that this projection cannot take does not stop the others; it is kept and counted."""
        log.error("projection.event_dead", projection=self.name, offset=read.offset, exc_info=problem)
        headers = {name: value for name, value in read.headers.items() if not name.startswith("x-")} | {
            "sc-queue": f"{self._transactions.service}.log.{self.name}",
            "sc-error": describe(problem)[:500],
            "sc-fingerprint": fingerprint(self.name, problem),
        }
        await self._publisher.publish(DEAD, "", read.body, headers)
        self.metrics.violations.labels("projection_event_dead").inc()


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


async def _remember_positions(tx: Transaction, events: Sequence[Event]) -> None:
    """Note which directory versions of which schools have been applied, superseded states included."""
    pairs: list[tuple[UUID, int]] = [
        pair for event in events if isinstance(event, DirectoryEvent) for pair in event.positions.items()
    ]
    if pairs:
        schools, versions = zip(*pairs, strict=True)
        await tx.execute(SEEN, {"schools": list(schools), "versions": list(versions)})
