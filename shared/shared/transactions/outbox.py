"""The outbox: messages that are published after their transaction has committed."""

import time
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict

from shared.events.envelope import Envelope
from shared.events.event import Event
from shared.events.headers import HANDLER_ATTEMPT, HANDLER_MICROSECONDS
from shared.messaging.topology import EVENTS, lane_name
from shared.trace_context import trace_headers

if TYPE_CHECKING:
    from collections.abc import Sequence

# Store messages in the transaction that they belong to.
INSERT_OUTBOX_ROWS = """
INSERT INTO outbox (exchange, routing_key, headers, data, sealed_for)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(exchange text, routing_key text, headers text, data text,
                                                sealed_for uuid)
"""

# Lease the oldest free rows for one relay. Rows with a lease are skipped, so that replicas share the work and a slow
# broker keeps no transaction open. This statement and the next do not wait for the disk: if a crash of the database
# undoes them, a message is published twice with the same id, which consumers ignore.
LEASE_OUTBOX_ROWS = """
WITH unhurried AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
free AS MATERIALIZED (
    SELECT position FROM outbox WHERE leased_until < clock_timestamp()
    ORDER BY position LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE outbox o SET leased_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s), lease = %(lease)s
FROM unhurried, free WHERE o.position = free.position
RETURNING o.position, exchange, routing_key, headers, data, sealed_for, failures
"""

# Delete rows that the broker has confirmed.
DELETE_PUBLISHED_ROWS = """
WITH unhurried AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
DELETE FROM outbox USING unhurried WHERE position = ANY(%(positions)s)
"""

# Let rows that were not published wait before the next attempt: 0.5 s, doubled up to 30 s. Filtered by lease: a relay
# whose lease has expired must not shorten the lease of another.
POSTPONE_FAILED_ROWS = """
UPDATE outbox SET failures = failures + 1,
    leased_until = clock_timestamp() + make_interval(secs => least(30, 0.5 * 2 ^ least(failures, 6)))
WHERE position = ANY(%(positions)s) AND lease = %(lease)s
"""


class WorkPermit(BaseModel):
    """A permit to do some work: a private message of a service to its own workers, with ids and no other data.

    `concurrency`: how many permits of a lane one process handles at the same time.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    name: ClassVar[str] = ""
    concurrency: ClassVar[int] = 2

    @property
    @abstractmethod
    def subject(self) -> str:
        """The id of what the work is about."""


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """A row of the outbox that has not been inserted yet."""

    exchange: str
    routing_key: str
    headers: str
    """A JSON object."""
    data: str
    sealed_for: UUID | None = None


def event_row(
    event: Event,
    source: str,
    cause: Envelope | None,
    began: float | None = None,
    *,
    without: set[str] | None = None,
) -> OutboxEntry:
    """Make the outbox row of an event; raises LookupError for a topic that no stream keeps.

    `began`: when the handler of its cause began, by the monotonic clock. `without`: fields that the inserting statement
    adds to `data`, because only it knows their values.
    """
    envelope = Envelope.of(event, source, cause)
    sealed_for = event.sealed_for if event.personal else None
    more = trace_headers()
    if began is not None:
        more[HANDLER_MICROSECONDS] = str(int((time.monotonic() - began) * 1_000_000))
    if cause is not None and cause.attempt:
        more[HANDLER_ATTEMPT] = str(cause.attempt + 1)
    headers = envelope.json(**more)
    return OutboxEntry(EVENTS, event.routing_key, headers, event.model_dump_json(exclude=without), sealed_for)


def permit_row(work: WorkPermit, service: str, lane: str, cause: Envelope | None) -> OutboxEntry:
    """Make the outbox row of a permit for one of the service's own lanes."""
    envelope = Envelope.of_work(work.name, work.subject, service, cause)
    return OutboxEntry("", lane_name(service, lane), envelope.json(**trace_headers()), work.model_dump_json())


def insert_values(rows: "Sequence[OutboxEntry]") -> dict[str, str]:
    """Return the values of INSERT_OUTBOX_ROWS as one JSON text, which is much cheaper than arrays of texts."""
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
    return {"rows": json_text(values)}


def json_text(value: Any) -> str:
    """Serialize a value as JSON text for PostgreSQL."""
    return orjson.dumps(value).decode()
