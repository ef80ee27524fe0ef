"""Reads the log's streams into projections: in order, each event once, the offset in the same commit.

In a loop of our own: a robust consumer would come back at its original offset. One active reader per (projection,
stream) by advisory lock, made safe by a compare-and-swap of the offset; streams know no exclusivity.
"""

import asyncio

import psycopg
import structlog
from psycopg import AsyncConnection

from shared.errors import InfrastructureDown, LeaseLost, Undeliverable
from shared.messaging.connection import CONNECTION_PROBLEMS, Connection, connected
from shared.messaging.stream_reader import Read, last_offset, reading
from shared.persistence.database_errors import is_contention, is_database_down
from shared.projections.projector import Projector
from shared.transactions.unit_of_work import UnitOfWorkFactory

log = structlog.get_logger()

HELD_SECONDS = 1.0
"""How long an offset is held back while nothing that is read is wanted: a commit for nothing costs as much as any."""

INSERT_LOG_OFFSET = """
INSERT INTO log_offset (projection, stream, position) VALUES (%(projection)s, %(stream)s, -1)
ON CONFLICT DO NOTHING
"""
SELECT_LOG_OFFSET = "SELECT position, mark FROM log_offset WHERE projection = %(projection)s AND stream = %(stream)s"
RESET_LOG_OFFSET = """
UPDATE log_offset SET position = -1, mark = NULL WHERE projection = %(projection)s AND stream = %(stream)s
"""
UPDATE_LOG_GAP = "UPDATE log_offset SET gap = %(gap)s WHERE projection = %(projection)s AND stream = %(stream)s"
TRY_LOCK_READER = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0)) AS got"


class ProjectionRunner:
    """One projection's reader of one stream; run it in every replica, one of them reads."""

    def __init__(self, url: str, stream: str, transactions: UnitOfWorkFactory, projector: Projector) -> None:
        self._url = url
        self._transactions = transactions
        self._projector = projector
        self.stream = stream

    @property
    def _key(self) -> dict[str, str]:
        return {"projection": self._projector.name, "stream": self.stream}

    async def run(self) -> None:
        """Read until cancelled, through every loss of broker, database or leadership."""
        while True:
            try:
                await self._lead()
            except (LeaseLost, InfrastructureDown, Undeliverable, *CONNECTION_PROBLEMS) as problem:
                log.warning("log.reader_interrupted", error=type(problem).__name__, **self._key)
            except psycopg.Error as problem:
                if not is_database_down(problem) and not is_contention(problem):
                    raise
                log.warning("log.reader_interrupted", error=type(problem).__name__, **self._key)
            await asyncio.sleep(0.5)

    async def _lead(self) -> None:
        """Become the one reader, then read."""
        info = self._transactions.database.worker_conninfo
        async with await AsyncConnection.connect(info, autocommit=True) as leader:
            name = f"{self._transactions.database.path}/{self._projector.name}/{self.stream}"
            while not (await (await leader.execute(TRY_LOCK_READER, (name,))).fetchone() or (False,))[0]:
                await asyncio.sleep(1.0)
            async with self._transactions.database.worker() as database:
                await database.execute(INSERT_LOG_OFFSET, self._key)
            async with connected(self._url, name) as connection:
                position, mark = await self._position(connection)
                await self._read(connection, position, mark)

    async def _position(self, connection: Connection) -> tuple[int, str | None]:
        """Where to go on from, and what lies there. A stream that ends before that was deleted and made again."""
        async with self._transactions.database.worker() as database:
            row = await (await database.execute(SELECT_LOG_OFFSET, self._key)).fetchone()
        position, mark = (int(row["position"]), row["mark"]) if row else (-1, None)
        if position < 0:
            return position, mark
        end = await last_offset(connection, self.stream, enough=position)
        if position > end:
            await self._start_over(
                f"the stream ended at {end}, before {position}, which had been read: it was made anew"
            )
            return -1, None
        return position, mark

    async def _read(self, connection: Connection, position: int, mark: str | None) -> None:
        now = asyncio.get_running_loop().time
        first, until = True, 0.0
        held: list[Read] = []
        # The message that was read last comes once more, to be recognised.
        async with reading(connection, self.stream, position if position >= 0 else "first") as incoming:
            while True:
                messages = await incoming.batch(HELD_SECONDS if held else None)
                if first:
                    await self._check_history(position, mark, messages[0])
                    first = False
                reads = held + [message for message in messages if message.offset > position]
                if self._projector.wants(reads) or (held and now() >= until):
                    await self._projector.apply(self.stream, position, reads)
                    position, held = reads[-1].offset, []
                elif reads:
                    until = until if held else now() + HELD_SECONDS
                    held = reads[-1:]
                if messages:
                    await incoming.ack()

    async def _check_history(self, position: int, mark: str | None, first: Read) -> None:
        """Whether the log goes on where this projection stopped. A segment's own chunk takes one offset."""
        offset = first.offset
        if offset == position and mark is not None and mark != first.mark:
            await self._start_over(f"another message lies at {position} than the one that was read: it was made anew")
            raise LeaseLost("the stream is read from its start again")
        if offset > position + 2:
            await self._note_gap(f"offsets {position + 1} to {offset - 1} were no longer kept")

    async def _start_over(self, gap: str) -> None:
        async with self._transactions.database.worker() as database:
            await database.execute(RESET_LOG_OFFSET, self._key)
        await self._note_gap(gap)

    async def _note_gap(self, gap: str) -> None:
        """History is missing: what came by in it is not known here. The owner's `resync`, then a rebuild, mend it."""
        log.error("log.history_missing", gap=gap, **self._key)
        async with self._transactions.database.worker() as database:
            await database.execute(UPDATE_LOG_GAP, self._key | {"gap": gap})
