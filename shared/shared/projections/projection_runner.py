"""Reads streams of the event log into projections: in order, each event once, with the offset in the same commit.

It reconnects in a loop of its own, because aio-pika's robust consumer would restart at its first offset. An advisory
lock selects one active reader per projection and stream, because streams have no exclusive consumers. A
compare-and-swap of the offset keeps this safe if two readers are active.
"""

import asyncio

import psycopg
import structlog
from psycopg import AsyncConnection

from shared.errors import InfrastructureDown, LeaseLost, Undeliverable
from shared.messaging.connection import CONNECTION_PROBLEMS, Connection, connected
from shared.messaging.stream_reader import BATCH, StreamMessage, last_offset, read_stream
from shared.persistence.database_errors import is_contention, is_database_down
from shared.projections.projector import Projector
from shared.transactions.unit_of_work import UnitOfWorkFactory

log = structlog.get_logger()

HELD_SECONDS = 1.0
"""How long the offset of unwanted messages is kept back, because a commit without changes is not cheaper."""

# Create the offset of a projection if missing.
INSERT_LOG_OFFSET = """
INSERT INTO log_offset (projection, stream, position) VALUES (%(projection)s, %(stream)s, -1)
ON CONFLICT DO NOTHING
"""
# Find the offset to continue from, and the id of the message there.
SELECT_LOG_OFFSET = "SELECT position, mark FROM log_offset WHERE projection = %(projection)s AND stream = %(stream)s"
# Start again at the beginning of the stream.
RESET_LOG_OFFSET = """
UPDATE log_offset SET position = -1, mark = NULL WHERE projection = %(projection)s AND stream = %(stream)s
"""
# Note which part of the history is missing, for an invariant and for the rebuild.
UPDATE_LOG_GAP = "UPDATE log_offset SET gap = %(gap)s WHERE projection = %(projection)s AND stream = %(stream)s"
# Become the only reader of a projection and stream, if no other process is.
TRY_LOCK_READER = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0)) AS got"


class ProjectionRunner:
    """Reads one stream into one projection. Run it in every replica; one replica reads, the others wait."""

    def __init__(
        self, url: str, stream: str, transactions: UnitOfWorkFactory, projector: Projector, most: int = BATCH
    ) -> None:
        """`most`: messages that are received, decoded and committed together."""
        self._most = most
        self._url = url
        self._transactions = transactions
        self._projector = projector
        self.stream = stream

    @property
    def _key(self) -> dict[str, str]:
        return {"projection": self._projector.name, "stream": self.stream}

    async def run(self) -> None:
        """Read until cancelled; continues after each loss of the broker, the database or the lock."""
        while True:
            try:
                await self._lead()
            except (LeaseLost, InfrastructureDown, Undeliverable, *CONNECTION_PROBLEMS) as problem:
                log.warning("projection.reader_interrupted", error=type(problem).__name__, **self._key)
            except psycopg.Error as problem:
                if not is_database_down(problem) and not is_contention(problem):
                    raise
                log.warning("projection.reader_interrupted", error=type(problem).__name__, **self._key)
            await asyncio.sleep(0.5)

    async def _lead(self) -> None:
        """Wait for the lock, then read."""
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
        """Return the offset to continue from and its message id. If the stream ends before it, it was recreated."""
        async with self._transactions.database.worker() as database:
            row = await (await database.execute(SELECT_LOG_OFFSET, self._key)).fetchone()
        position, mark = (int(row["position"]), row["mark"]) if row else (-1, None)
        if position < 0:
            return position, mark
        end = await last_offset(connection, self.stream, enough=position)
        if position > end:
            await self._start_over(
                f"the stream ends at {end}, before the read offset {position}: it was deleted and recreated"
            )
            return -1, None
        return position, mark

    async def _read(self, connection: Connection, position: int, mark: str | None) -> None:
        now = asyncio.get_running_loop().time
        first, until = True, 0.0
        held: list[StreamMessage] = []
        # Read the last message again, to check that it is still the same.
        start = position if position >= 0 else "first"
        async with read_stream(connection, self.stream, start, prefetch=self._most) as incoming:
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

    async def _check_history(self, position: int, mark: str | None, first: StreamMessage) -> None:
        """Check that the log continues where this projection stopped. The header of a segment takes one offset."""
        offset = first.offset
        if offset == position and mark is not None and mark != first.identity:
            await self._start_over(
                f"the message at offset {position} is not the one that was read: the stream was deleted and recreated"
            )
            raise LeaseLost("the stream is read again from its start")
        if offset > position + 2:
            await self._note_gap(f"offsets {position + 1} to {offset - 1} have been removed by retention")

    async def _start_over(self, gap: str) -> None:
        async with self._transactions.database.worker() as database:
            await database.execute(RESET_LOG_OFFSET, self._key)
        await self._note_gap(gap)

    async def _note_gap(self, gap: str) -> None:
        """Note that events are missing. To repair it, run `resync` on the owning service, then rebuild."""
        log.error("log.history_missing", gap=gap, **self._key)
        async with self._transactions.database.worker() as database:
            await database.execute(UPDATE_LOG_GAP, self._key | {"gap": gap})
