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
from uuid_utils.compat import uuid7

from shared.errors import HistoryMissing, Refused
from shared.messaging.connection import connected
from shared.messaging.stream_reader import first_offset, last_offset
from shared.persistence.database import Database
from shared.projections import shadow_tables
from shared.projections.projection_runner import ProjectionRunner
from shared.projections.projector import Projection
from shared.replays.shadow import POOL, failures, shadow_projector
from shared.replays.watcher import Unattended, Watcher
from shared.service.service import Service
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

log = structlog.get_logger()

READ_AT_ONCE = 150
"""Messages that a rebuild reads together: with more, live events of the process wait longer for their turn."""
LOOK_SECONDS = 0.2
SWAP_LOOK_SECONDS = 0.02
# Find how far the running service has read.
SELECT_LIVE_OFFSETS = "SELECT stream, position FROM {schema}.log_offset WHERE projection = %(projection)s"
# Lock the offsets of the running service, so that its reader waits for the copy.
LOCK_LIVE_OFFSETS = SELECT_LIVE_OFFSETS + " ORDER BY stream FOR UPDATE"
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


async def rebuild(service: Service, projection: str, *, force: bool = False, watcher: Watcher | None = None) -> Rebuilt:
    """Rebuild one projection of a service from the log, while the service runs. The service's database is open.

    `force` accepts a log that starts too late, and events that cannot be applied. Raises Refused for an unknown
    projection, and HistoryMissing.
    """
    watcher = watcher or Unattended(service.transactions, uuid7())
    found = _rebuildable(service, projection)
    covers = _covers_directory(service, found)
    sizes = await _sizes(service.settings.amqp_url.get_secret_value(), found, late=force or covers)
    positions = (shadow_tables.POSITION_TABLE,)
    shadow = (*found.tables, *(positions if found.has_directory_versions else ()))
    async with shadow_tables.opened(service.database, shadow, watcher.task_id) as name:
        swapped = (*found.tables, *(positions if covers else ()))
        rebuilding = _Rebuild(service, found, swapped, name, force=force)
        async with rebuilding.reading() as readers:
            await rebuilding.catch_up(readers, watcher, sizes)
            async with watcher.commit() as tx:
                done = await rebuilding.swap(tx, readers)
                await watcher.finish(tx, {"changed": done.changed, "failed": done.failed})
    log.info("projection.rebuilt", projection=projection, changed=done.changed, failed=done.failed)
    return done


async def rewind(service: Service, projection: str) -> None:
    """Let the running service read the whole log again into the existing rows; newer versions stay.

    Use it for a projection that shares its tables with other writers. Raises Refused and HistoryMissing.
    """
    found = service.projections.get(projection)
    if found is None:
        raise Refused(f"{service.name} has {', '.join(service.projections) or 'no projection'}")
    if late := await _late(service.settings.amqp_url.get_secret_value(), found):
        raise HistoryMissing(f"{', '.join(late)} no longer have their first events: {found.name} cannot be read again")
    async with service.database.worker() as connection:
        await connection.execute(RESET_OFFSETS, {"projection": projection})


def _rebuildable(service: Service, projection: str) -> Projection:
    found = service.projections.get(projection)
    if found is None or not found.tables:
        names = ", ".join(each.name for each in service.projections.values() if each.tables)
        raise Refused(f"{service.name} can rebuild {names or 'no projection'}")
    return found


def _covers_directory(service: Service, found: Projection) -> bool:
    """Whether the applied versions of the directory are those of this projection alone, and rebuilt with it."""
    return [each for each in service.projections.values() if each.has_directory_versions] == [found]


async def _late(url: str, found: Projection) -> list[str]:
    """Return the streams whose first message has been removed. An empty stream starts at its first message."""
    async with connected(url, "starts") as connection:
        starts = {stream: await first_offset(connection, stream) for stream in found.streams}
    return [stream for stream, start in starts.items() if start > 0]


async def _sizes(url: str, found: Projection, *, late: bool) -> dict[str, int]:
    """Return the number of events of each stream; raises HistoryMissing if one starts late, unless it may."""
    if not late and (gone := await _late(url, found)):
        raise HistoryMissing(f"{', '.join(gone)} no longer have their first events: {found.name} cannot be rebuilt")
    async with connected(url, "ends") as connection:
        return {stream: await last_offset(connection, stream) + 1 for stream in found.streams}


class _Rebuild:
    """One projection that is read into the shadow, then swapped in."""

    def __init__(self, service: Service, found: Projection, tables: tuple[str, ...], name: str, *, force: bool) -> None:
        self._service = service
        self._found = found
        self._tables = tables
        self._name = name
        self._force = force
        self._key = {"projection": found.name}

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[list[asyncio.Task[None]]]:
        """Run readers that fill the shadow until the body ends. A reader that ends earlier has failed."""
        service, found = self._service, self._found
        url = service.settings.database_url.get_secret_value()
        database = Database(url, service.name, workers=POOL, shadow=self._name)
        transactions = UnitOfWorkFactory(database, service.name)
        projector = shadow_projector(service, found, transactions, self._name)
        broker = service.settings.amqp_url.get_secret_value()
        async with AsyncExitStack() as stack:
            await database.open()
            stack.push_async_callback(database.close)
            readers = [
                asyncio.create_task(ProjectionRunner(broker, stream, transactions, projector, READ_AT_ONCE).run())
                for stream in found.streams
            ]
            try:
                yield readers
            finally:
                await _stop(readers)

    async def catch_up(self, readers: list[asyncio.Task[None]], watcher: Watcher, sizes: dict[str, int]) -> None:
        """Wait until the shadow has read as far as the running service, and show the progress meanwhile."""
        while True:
            _check(readers)
            async with self._service.transactions.begin() as tx:
                live, reached = await self._live(tx, SELECT_LIVE_OFFSETS), await self._reached(tx)
            done = sum(min(row["position"] + 1, sizes[stream]) for stream, row in reached.items())
            await watcher.progress(done, sum(sizes.values()))
            if _has_reached(live, reached):
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _live(self, tx: UnitOfWork, query: str) -> dict[str, int]:
        return {row["stream"]: row["position"] for row in await tx.rows(self._statement(query), self._key)}

    async def _reached(self, tx: UnitOfWork) -> dict[str, dict[str, Any]]:
        return {row["stream"]: row for row in await tx.rows(self._statement(SELECT_SHADOW_OFFSETS), self._key)}

    def _statement(self, text: str) -> sql.Composed:
        names = {"schema": sql.Identifier(self._service.name), "shadow": sql.Identifier(self._name)}
        return sql.SQL(text).format(**names)

    async def swap(self, tx: UnitOfWork, readers: list[asyncio.Task[None]]) -> Rebuilt:
        """Copy the shadow's rows in this commit.

        The live reader waits for the row of its offset, so the shadow reaches it, and its readers end. After the copy
        the offset has moved: the commit of the live reader fails, and it continues where the shadow ended.
        """
        live = await self._live(tx, LOCK_LIVE_OFFSETS)
        while not _has_reached(live, reached := await self._reached(tx)):
            _check(readers)
            await asyncio.sleep(SWAP_LOOK_SECONDS)
        await _stop(readers)
        reached = await self._reached(tx)
        failed = await failures(tx, self._name)
        if failed and not self._force:
            first = failed[0]
            raise Refused(
                f"{len(failed)} events cannot be applied, the first at offset {first['position']} of "
                f"{first['stream']}; see the log of the service"
            )
        await self._check_directory(tx)
        await tx.execute("SET LOCAL statement_timeout = '10min'")
        schema = self._service.name
        changed = {table: await shadow_tables.replace_rows(tx, schema, self._name, table) for table in self._tables}
        for stream, row in reached.items():
            values = self._key | {"stream": stream, "position": row["position"], "mark": row["mark"]}
            await tx.execute(self._statement(UPDATE_LIVE_OFFSET), values)
        return Rebuilt(changed, len(failed))

    async def _check_directory(self, tx: UnitOfWork) -> None:
        if shadow_tables.POSITION_TABLE not in self._tables or self._force:
            return
        if missing := await tx.rows(self._statement(SELECT_UNCOVERED_SCHOOLS)):
            schools = ", ".join(str(row["school_id"]) for row in missing[:5])
            raise HistoryMissing(
                f"the log does not have the whole directory of {len(missing)} schools ({schools}, …): "
                "publish it again (`resync gateway`), then rebuild again"
            )


def _check(readers: list[asyncio.Task[None]]) -> None:
    """Raise the error of a reader that has ended."""
    for reader in readers:
        if reader.done():
            reader.result()


async def _stop(readers: list[asyncio.Task[None]]) -> None:
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)


def _has_reached(live: dict[str, int], reached: dict[str, dict[str, Any]]) -> bool:
    return all(stream in reached and reached[stream]["position"] >= position for stream, position in live.items())
