"""The outbox: what a commit promises to publish, and the statements on its rows."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict

from shared.events.envelope import Envelope
from shared.events.event import Event
from shared.messaging.topology import EVENTS, lane_name

if TYPE_CHECKING:
    from collections.abc import Sequence

PUT = """
INSERT INTO outbox (exchange, routing_key, headers, data, sealed_for)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(exchange text, routing_key text, headers text, data text,
                                                sealed_for uuid)
"""

# Leased rows are skipped, so that replicas share the work and a stalled broker holds no transaction open.
# Nobody is told of a lease, nor of a row that is gone: these two need not wait for the disk. What a crash of the
# database undoes is a row that travels once more under the same id, which changes nothing.
LEASE = """
WITH unhurried AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
free AS MATERIALIZED (
    SELECT position FROM outbox WHERE leased_until < clock_timestamp()
    ORDER BY position LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE outbox o SET leased_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s), lease = %(lease)s
FROM unhurried, free WHERE o.position = free.position
RETURNING o.position, exchange, routing_key, headers, data, sealed_for, failures
"""

DONE = """
WITH unhurried AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
DELETE FROM outbox USING unhurried WHERE position = ANY(%(positions)s)
"""

# Filtered by lease: a relay whose lease has run out must not shorten another's.
FAILED = """
UPDATE outbox SET failures = failures + 1,
    leased_until = clock_timestamp() + make_interval(secs => least(30, 0.5 * 2 ^ least(failures, 6)))
WHERE position = ANY(%(positions)s) AND lease = %(lease)s
"""


class Work(BaseModel):
    """A permit to go on with something; private to its service, carries ids and nothing else.

    `at_once`: how many a process performs at the same time, for each lane.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    name: ClassVar[str] = ""
    at_once: ClassVar[int] = 2

    @property
    @abstractmethod
    def subject(self) -> str:
        """What may go on."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One outbox row before it has a position."""

    exchange: str
    routing_key: str
    headers: str
    """A JSON object."""
    data: str
    sealed_for: UUID | None = None


def of_event(event: Event, source: str, cause: Envelope | None, *, without: set[str] | None = None) -> Outgoing:
    """The row that publishes an event; raises LookupError for a topic that no stream keeps.

    `without`: fields that only the statement knows which inserts the row; it adds them to `data`.
    """
    envelope = Envelope.of(event, source, cause)
    sealed_for = event.sealed_for if event.personal else None
    return Outgoing(EVENTS, event.topic, envelope.json(), event.model_dump_json(exclude=without), sealed_for)


def of_work(work: Work, service: str, lane: str, cause: Envelope | None) -> Outgoing:
    """The row that publishes a permit to one of the service's own lanes."""
    envelope = Envelope.of_work(work.name, work.subject, service, cause)
    return Outgoing("", lane_name(service, lane), envelope.json(), work.model_dump_json())


def parameters(rows: "Sequence[Outgoing]") -> dict[str, str]:
    """Values for PUT: one JSON text, because escaping arrays of texts costs more than all the rest of a big commit."""
    values = [
        {
            "exchange": row.exchange,
            "routing_key": row.routing_key,
            "headers": row.headers,
            "data": row.data,
            "sealed_for": row.sealed_for,
        }
        for row in rows
    ]
    return {"rows": as_text(values)}


def as_text(value: Any) -> str:
    """JSON as PostgreSQL takes it."""
    return orjson.dumps(value).decode()
