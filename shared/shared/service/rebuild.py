"""Rebuilds a projection from the log: into shadow tables, beside the live ones, and swapped in by one commit.

The handler runs unchanged: its connections find the shadow's tables before the live ones (`search_path`), and what it
emits or permits stays in the shadow's outbox, unsent. The swap writes only the rows that differ, so that readers see
the old state or the new, and a projection that was right is not touched at all. A log that starts too late is refused
(`HistoryMissing`) unless what is missing has been told anew since (`resync`).
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
from shared.messaging.stream_reader import Read, first_offset
from shared.persistence.database import Database
from shared.projections import shadow_tables
from shared.projections.projection_runner import ProjectionRunner
from shared.projections.projector import Projection
from shared.service.service import Service
from shared.telemetry import Metrics
from shared.transactions.unit_of_work import UnitOfWorkFactory

log = structlog.get_logger()

LOOK_SECONDS = 0.2
LOCK_LIVE_OFFSETS = """
SELECT stream, position FROM {schema}.log_offset WHERE projection = %(projection)s ORDER BY stream FOR UPDATE
"""
SELECT_SHADOW_OFFSETS = "SELECT stream, position, mark FROM {shadow}.log_offset WHERE projection = %(projection)s"
UPDATE_LIVE_OFFSET = """
UPDATE {schema}.log_offset SET position = %(position)s, mark = %(mark)s, gap = NULL, moved_at = clock_timestamp()
WHERE projection = %(projection)s AND stream = %(stream)s
"""
RESET_OFFSETS = "UPDATE log_offset SET position = -1, mark = NULL WHERE projection = %(projection)s"
SELECT_UNCOVERED_SCHOOLS = """
SELECT l.school_id FROM {schema}.directory_seen l LEFT JOIN {shadow}.directory_seen s USING (school_id)
WHERE NOT coalesce(s.versions @> int8range(1, upper(l.versions)), false) ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild found. `changed`: table → rows that were missing, wrong or too many."""

    changed: dict[str, int]
    untaken: int


async def rebuild(
    service: Service, projection: str, admin_url: str, *, force: bool = False, patience: float = 3600.0
) -> Rebuilt:
    """Rebuild one projection of a service from the log, while the service runs.

    `admin_url` may create schemas. With `force` a log that starts too late, and events that cannot be taken, are
    accepted. Raises Refused for an unknown projection, HistoryMissing, and TimeoutError after `patience` seconds.
    """
    found = service.projections.get(projection)
    if found is None or not found.tables:
        raise Refused(f"{service.name} can rebuild {', '.join(p.name for p in _able(service)) or 'nothing'}")
    url = service.settings.amqp_url.get_secret_value()
    incomplete = await _starts_late(url, found)
    if incomplete and not force and not found.has_directory_versions:
        raise HistoryMissing(f"{', '.join(incomplete)} no longer hold their start: {found.name} cannot be rebuilt")
    tables = (*found.tables, *(("directory_seen",) if found.has_directory_versions else ()))
    untaken: list[Read] = []
    async with asyncio.timeout(patience), shadow_tables.schema(admin_url, service.name, tables) as name:
        database = Database(service.settings.database_url.get_secret_value(), service.name, workers=4, shadow=name)
        async with _reading(service, found, database, untaken) as readers:
            while True:
                for reader in readers:
                    if reader.done():
                        reader.result()
                changed = await _swap(database, found, tables, name, untaken, force=force)
                if changed is not None:
                    break
                await asyncio.sleep(LOOK_SECONDS)
    log.info("projection.rebuilt", projection=projection, changed=changed, untaken=len(untaken))
    return Rebuilt(changed, len(untaken))


async def rewind(service: Service, projection: str) -> None:
    """Let the running reader read all of the log again, into the rows that are there: newer versions stay.

    For a projection that shares its tables with other writers. Raises Refused and HistoryMissing.
    """
    found = service.projections.get(projection)
    if found is None:
        raise Refused(f"{service.name} projects {', '.join(service.projections) or 'nothing'}")
    if late := await _starts_late(service.settings.amqp_url.get_secret_value(), found):
        raise HistoryMissing(f"{', '.join(late)} no longer hold their start: {found.name} cannot be read again")
    async with service.database.worker() as connection:
        await connection.execute(RESET_OFFSETS, {"projection": projection})


def _able(service: Service) -> list[Projection]:
    return [found for found in service.projections.values() if found.tables]


async def _starts_late(url: str, found: Projection) -> list[str]:
    """Streams whose first message is gone. A stream that never had one starts at its first."""
    async with connected(url, "starts") as connection:
        starts = {stream: await first_offset(connection, stream) for stream in found.streams}
    return [stream for stream, start in starts.items() if start > 0]


@asynccontextmanager
async def _reading(
    service: Service, found: Projection, database: Database, untaken: list[Read]
) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Readers that fill the shadow until the body ends; one that ends before that has failed."""

    async def note(read: Read) -> None:
        untaken.append(read)

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
    database: Database, found: Projection, tables: tuple[str, ...], name: str, untaken: list[Read], *, force: bool
) -> dict[str, int] | None:
    """Take the shadow's rows over in one commit; None while it has not come as far as the live projection.

    The live reader waits at its offset's row. Afterwards that has moved, so its own commit fails and it reads on from
    where the shadow was.
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
        if untaken and not force:
            raise Refused(
                f"{len(untaken)} events cannot be taken, the first at offset {untaken[0].offset}; see its log"
            )
        if found.has_directory_versions and not force:
            missing = await (await connection.execute(statement(SELECT_UNCOVERED_SCHOOLS))).fetchall()
            if missing:
                schools = ", ".join(str(row["school_id"]) for row in missing[:5])
                raise HistoryMissing(
                    f"the log does not hold all of the directory of {len(missing)} schools ({schools}, …): "
                    "let the owner tell it anew (`resync gateway`), then rebuild again"
                )
        await connection.execute("SET LOCAL statement_timeout = '10min'")
        changed = {
            table: await shadow_tables.replace_rows(connection, database.schema, name, table) for table in tables
        }
        for stream, row in reached.items():
            values: dict[str, Any] = key | {"stream": stream, "position": row["position"], "mark": row["mark"]}
            await connection.execute(statement(UPDATE_LIVE_OFFSET), values)
    return changed
