"""Rebuilds a projection from the event log: into shadow tables beside the live ones, then copied in one commit.

The handler runs unchanged: its connections find the shadow tables before the live ones (`search_path`), and the
messages that it emits stay in the shadow outbox and are never published. The copy writes only the rows that differ:
readers see the old or the new state, and a correct projection is not changed. A log that starts too late is refused
(`HistoryMissing`), unless the missing state has been published again (`resync`).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from psycopg import sql

from shared.errors import HistoryMissing, Refused
from shared.messaging.connection import connected
from shared.messaging.stream_reader import StreamMessage, first_offset
from shared.persistence.database import Database
from shared.projections import shadow_tables
from shared.projections.projection_runner import ProjectionRunner
from shared.projections.projector import Projection
from shared.service.service import Service
from shared.telemetry import Metrics
from shared.transactions.unit_of_work import UnitOfWorkFactory

log = structlog.get_logger()

LOOK_SECONDS = 0.2
# Lock the offsets of the running service, so that its reader waits for the copy.
LOCK_LIVE_OFFSETS = """
SELECT stream, position FROM {schema}.log_offset WHERE projection = %(projection)s ORDER BY stream FOR UPDATE
"""
# Find how far the shadow has been filled.
SELECT_SHADOW_OFFSETS = "SELECT stream, position, mark FROM {shadow}.log_offset WHERE projection = %(projection)s"
# Let the running service continue where the shadow ended.
UPDATE_LIVE_OFFSET = """
UPDATE {schema}.log_offset SET position = %(position)s, mark = %(mark)s, gap = NULL, moved_at = clock_timestamp()
WHERE projection = %(projection)s AND stream = %(stream)s
"""
# Let the running service read all streams from their start.
RESET_OFFSETS = "UPDATE log_offset SET position = -1, mark = NULL WHERE projection = %(projection)s"
# Find schools whose directory versions the log does not have completely.
SELECT_UNCOVERED_SCHOOLS = """
SELECT l.school_id FROM {schema}.directory_seen l LEFT JOIN {shadow}.directory_seen s USING (school_id)
WHERE NOT coalesce(s.versions @> int8range(1, upper(l.versions)), false) ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The result of a rebuild: `changed` rows per table (missing, wrong or surplus), and events that failed."""

    changed: dict[str, int]
    failed: int


async def rebuild(
    service: Service, projection: str, admin_url: str, *, force: bool = False, patience: float = 3600.0
) -> Rebuilt:
    """Rebuild one projection of a service from the log, while the service runs.

    `admin_url` needs the right to create schemas. `force` accepts a log that starts too late, and events that cannot be
    applied. Raises Refused for an unknown projection, HistoryMissing, and TimeoutError after `patience` seconds.
    """
    found = service.projections.get(projection)
    if found is None or not found.tables:
        raise Refused(
            f"{service.name} can rebuild {', '.join(p.name for p in _rebuildable(service)) or 'no projection'}"
        )
    url = service.settings.amqp_url.get_secret_value()
    incomplete = await _starts_late(url, found)
    if incomplete and not force and not found.has_directory_versions:
        raise HistoryMissing(
            f"{', '.join(incomplete)} no longer have their first events: {found.name} cannot be rebuilt"
        )
    tables = (*found.tables, *(("directory_seen",) if found.has_directory_versions else ()))
    failed: list[StreamMessage] = []
    async with asyncio.timeout(patience), shadow_tables.schema(admin_url, service.name, tables) as name:
        database = Database(service.settings.database_url.get_secret_value(), service.name, workers=4, shadow=name)
        async with _reading(service, found, database, failed) as readers:
            while True:
                for reader in readers:
                    if reader.done():
                        reader.result()
                changed = await _swap(database, found, tables, name, failed, force=force)
                if changed is not None:
                    break
                await asyncio.sleep(LOOK_SECONDS)
    log.info("projection.rebuilt", projection=projection, changed=changed, failed=len(failed))
    return Rebuilt(changed, len(failed))


async def rewind(service: Service, projection: str) -> None:
    """Let the running service read the whole log again into the existing rows; newer versions stay.

    Use it for a projection that shares its tables with other writers. Raises Refused and HistoryMissing.
    """
    found = service.projections.get(projection)
    if found is None:
        raise Refused(f"{service.name} has {', '.join(service.projections) or 'no projection'}")
    if late := await _starts_late(service.settings.amqp_url.get_secret_value(), found):
        raise HistoryMissing(f"{', '.join(late)} no longer have their first events: {found.name} cannot be read again")
    async with service.database.worker() as connection:
        await connection.execute(RESET_OFFSETS, {"projection": projection})


def _rebuildable(service: Service) -> list[Projection]:
    return [found for found in service.projections.values() if found.tables]


async def _starts_late(url: str, found: Projection) -> list[str]:
    """Return the streams whose first message has been removed. An empty stream starts at its first message."""
    async with connected(url, "starts") as connection:
        starts = {stream: await first_offset(connection, stream) for stream in found.streams}
    return [stream for stream, start in starts.items() if start > 0]


@asynccontextmanager
async def _reading(
    service: Service, found: Projection, database: Database, failed: list[StreamMessage]
) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Run readers that fill the shadow until the body ends. A reader that ends earlier has failed."""

    async def note(read: StreamMessage) -> None:
        failed.append(read)

    transactions = UnitOfWorkFactory(database, service.name)
    projector = found.projector(transactions, service.vault, Metrics(), note)
    url = service.settings.amqp_url.get_secret_value()
    async with AsyncExitStack() as stack:
        await database.open()
        stack.push_async_callback(database.close)
        await service.database.open()
        stack.push_async_callback(service.database.close)
        readers = [
            asyncio.create_task(ProjectionRunner(url, stream, transactions, projector).run())
            for stream in found.streams
        ]
        try:
            yield readers
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)


async def _swap(
    database: Database,
    found: Projection,
    tables: tuple[str, ...],
    name: str,
    failed: list[StreamMessage],
    *,
    force: bool,
) -> dict[str, int] | None:
    """Copy the shadow's rows in one commit; None while the shadow is behind the live projection.

    The live reader waits for the row of its offset. After the copy the offset has moved: its own commit fails, and it
    continues where the shadow ended.
    """
    names = {"schema": sql.Identifier(database.schema), "shadow": sql.Identifier(name)}

    def statement(text: str) -> sql.Composed:
        return sql.SQL(text).format(**names)

    key = {"projection": found.name}
    async with database.worker() as connection, connection.transaction():
        live = await (await connection.execute(statement(LOCK_LIVE_OFFSETS), key)).fetchall()
        reached = {
            row["stream"]: row
            for row in await (await connection.execute(statement(SELECT_SHADOW_OFFSETS), key)).fetchall()
        }
        if any(row["stream"] not in reached or reached[row["stream"]]["position"] < row["position"] for row in live):
            return None
        if failed and not force:
            raise Refused(
                f"{len(failed)} events cannot be applied, the first at offset {failed[0].offset}; see the log"
            )
        if found.has_directory_versions and not force:
            missing = await (await connection.execute(statement(SELECT_UNCOVERED_SCHOOLS))).fetchall()
            if missing:
                schools = ", ".join(str(row["school_id"]) for row in missing[:5])
                raise HistoryMissing(
                    f"the log does not have the whole directory of {len(missing)} schools ({schools}, …): "
                    "publish it again (`resync gateway`), then rebuild again"
                )
        await connection.execute("SET LOCAL statement_timeout = '10min'")
        changed = {
            table: await shadow_tables.replace_rows(connection, database.schema, name, table) for table in tables
        }
        for stream, row in reached.items():
            values: dict[str, Any] = key | {"stream": stream, "position": row["position"], "mark": row["mark"]}
            await connection.execute(statement(UPDATE_LIVE_OFFSET), values)
    return changed
