"""Applies events for a replay: through the projection's own handler, with an outbox that is never published."""

from typing import Any

from psycopg import sql

from shared.messaging.stream_reader import StreamMessage
from shared.messaging.topology import stream_of
from shared.projections.projector import Projection, Projector
from shared.service.service import Service
from shared.telemetry import Metrics
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

POOL = 4
"""Connections of a replay besides those of the service."""

# Note an event that cannot be applied.
INSERT_UNAPPLIED = "INSERT INTO {shadow}.unapplied VALUES (%(stream)s, %(position)s, %(type)s)"
# Find the events that could not be applied.
SELECT_UNAPPLIED = "SELECT DISTINCT stream, position, type FROM {shadow}.unapplied ORDER BY stream, position"
# Count the messages that handlers emitted and that stay unpublished.
COUNT_HELD = "SELECT count(*) AS held FROM {shadow}.outbox"


def shadow_projector(service: Service, found: Projection, transactions: UnitOfWorkFactory, name: str) -> Projector:
    """Return a projector whose transactions find the tables of the shadow first, and which notes what fails."""
    insert = sql.SQL(INSERT_UNAPPLIED).format(shadow=sql.Identifier(name))

    async def note(read: StreamMessage) -> None:
        stream = stream_of(read.type) if read.type else ""
        async with transactions.begin() as tx:
            await tx.execute(insert, {"stream": stream, "position": read.offset, "type": read.type})

    # Metrics of its own: a replay is no traffic.
    return found.projector(transactions, service.vault, Metrics(), note)


async def failures(tx: UnitOfWork, name: str) -> list[dict[str, Any]]:
    """Return the events that could not be applied: stream, position and type."""
    return await tx.rows(sql.SQL(SELECT_UNAPPLIED).format(shadow=sql.Identifier(name)))


async def count_held(tx: UnitOfWork, name: str) -> int:
    """Return how many messages the handlers emitted; none is published."""
    row = await tx.row(sql.SQL(COUNT_HELD).format(shadow=sql.Identifier(name)))
    assert row is not None
    return int(row["held"])
