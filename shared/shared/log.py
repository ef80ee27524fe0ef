"""Reads the log's streams into projections: in order, each event once, the offset in the same commit.

Plain aio-pika with a loop of our own: a robust consumer would come back at its original offset. One active reader per
(projection, stream) by advisory lock, made safe by a compare-and-swap of the offset; streams know no exclusivity.
"""

import asyncio
from contextlib import suppress
from typing import Any

import aio_pika
import psycopg
import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from psycopg import AsyncConnection

from shared.db import contention, infrastructure
from shared.errors import InfrastructureDown, LeaseLost, Undeliverable
from shared.projection import Projector, Read
from shared.publisher import CONNECTION_PROBLEMS
from shared.transaction import Transactions

log = structlog.get_logger()

BATCH = 400
"""Messages in hand; more gains nothing (measured)."""
LINGER = 0.005
BUSY = 3
"""Wait LINGER for more only after a batch of at least this many: an idle stream is projected at once."""
PROBE = 0.5
PROBE_LONGEST = 10 * PROBE
HELD_SECONDS = 1.0
"""How long an offset is held back while nothing that is read is wanted: a commit for nothing costs as much as any."""

START = """
INSERT INTO log_offset (projection, stream, position) VALUES (%(projection)s, %(stream)s, -1)
ON CONFLICT DO NOTHING
"""
WHERE_TO = "SELECT position, mark FROM log_offset WHERE projection = %(projection)s AND stream = %(stream)s"
REWIND = """
UPDATE log_offset SET position = -1, mark = NULL WHERE projection = %(projection)s AND stream = %(stream)s
"""
MISSED = "UPDATE log_offset SET gap = %(gap)s WHERE projection = %(projection)s AND stream = %(stream)s"
LOCK = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0)) AS got"


class LogReader:
    """One projection's reader of one stream; run it in every replica, one of them reads."""

    def __init__(self, url: str, stream: str, transactions: Transactions, projector: Projector) -> None:
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
                if not infrastructure(problem) and not contention(problem):
                    raise
                log.warning("log.reader_interrupted", error=type(problem).__name__, **self._key)
            await asyncio.sleep(0.5)

    async def _lead(self) -> None:
        """Become the one reader, then read."""
        info = self._transactions.database.worker_info
        async with await AsyncConnection.connect(info, autocommit=True) as leader:
            name = f"{self._transactions.database.path}/{self._projector.name}/{self.stream}"
            while not (await (await leader.execute(LOCK, (name,))).fetchone() or (False,))[0]:
                await asyncio.sleep(1.0)
            async with self._transactions.database.worker() as connection:
                await connection.execute(START, self._key)
            async with await aio_pika.connect(
                self._url, timeout=5, client_properties={"connection_name": name}
            ) as connection_to_log:
                position, mark = await self._position(connection_to_log)
                channel = await connection_to_log.channel(publisher_confirms=False)
                await self._read(channel, position, mark)

    async def _position(self, connection: aio_pika.abc.AbstractConnection) -> tuple[int, str | None]:
        """Where to go on from, and what lies there. A stream that ends before that was deleted and made again."""
        async with self._transactions.database.worker() as database:
            row = await (await database.execute(WHERE_TO, self._key)).fetchone()
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

    async def _read(self, channel: AbstractChannel, position: int, mark: str | None) -> None:
        inbox: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue()
        channel.close_callbacks.add(lambda *_: inbox.put_nowait(None))
        await channel.set_qos(BATCH)
        queue = await channel.get_queue(self.stream, ensure=False)
        # The message that was read last comes once more, to be recognised.
        offset: Any = position if position >= 0 else "first"
        await queue.consume(inbox.put, arguments={"x-stream-offset": offset})
        now = asyncio.get_running_loop().time
        first, size, until = True, 0, 0.0
        held: list[Read] = []
        while True:
            messages = await _batch(inbox, linger=size >= BUSY, patience=HELD_SECONDS if held else None)
            size = len(messages)
            if first:
                await self._check_history(position, mark, messages[0])
                first = False
            reads = held + [Read(offset_of(m), dict(m.headers), m.body) for m in messages if offset_of(m) > position]
            if self._projector.wants(reads) or (held and now() >= until):
                await self._projector.apply(self.stream, position, reads)
                position, held = reads[-1].offset, []
            elif reads:
                until = until if held else now() + HELD_SECONDS
                held = reads[-1:]
            if messages:
                await messages[-1].ack(multiple=True)

    async def _check_history(self, position: int, mark: str | None, first: AbstractIncomingMessage) -> None:
        """Whether the log goes on where this projection stopped. A segment's own chunk takes one offset."""
        offset = offset_of(first)
        if offset == position and mark is not None and mark != first.headers.get("ce-id"):
            await self._start_over(f"another message lies at {position} than the one that was read: it was made anew")
            raise LeaseLost("the stream is read from its start again")
        if offset > position + 2:
            await self._note_gap(f"offsets {position + 1} to {offset - 1} were no longer kept")

    async def _start_over(self, gap: str) -> None:
        async with self._transactions.database.worker() as database:
            await database.execute(REWIND, self._key)
        await self._note_gap(gap)

    async def _note_gap(self, gap: str) -> None:
        """History is missing: what came by in it is not known here. The owner's `resync`, then a rebuild, mend it."""
        log.error("log.history_missing", gap=gap, **self._key)
        async with self._transactions.database.worker() as database:
            await database.execute(MISSED, self._key | {"gap": gap})


def offset_of(message: AbstractIncomingMessage) -> int:
    """Where a message lies in its stream."""
    return int(str(message.headers["x-stream-offset"]))


async def _batch(
    inbox: asyncio.Queue[AbstractIncomingMessage | None], *, linger: bool, patience: float | None
) -> list[AbstractIncomingMessage]:
    """At least one message, or none after `patience` seconds; raises ConnectionError when the channel has closed."""
    messages: list[AbstractIncomingMessage] = []
    try:
        async with asyncio.timeout(patience):
            message = await inbox.get()
    except TimeoutError:
        return messages
    while message is not None:
        messages.append(message)
        if linger and inbox.empty():
            linger = False
            await asyncio.sleep(LINGER)
        if inbox.empty() or len(messages) == BATCH:
            return messages
        message = inbox.get_nowait()
    raise ConnectionError("the log's channel was closed")


async def first_offset(connection: aio_pika.abc.AbstractConnection, stream: str) -> int:
    """The lowest offset that a stream still holds, or -1 when it is empty."""
    found: asyncio.Queue[int] = asyncio.Queue()

    async def remember(message: AbstractIncomingMessage) -> None:
        found.put_nowait(offset_of(message))

    async with connection.channel(publisher_confirms=False) as channel:
        await channel.set_qos(1)
        queue = await channel.get_queue(stream, ensure=False)
        await queue.consume(remember, arguments={"x-stream-offset": "first"})
        try:
            async with asyncio.timeout(PROBE * 4):
                return await found.get()
        except TimeoutError:
            return -1


async def last_offset(connection: aio_pika.abc.AbstractConnection, stream: str, enough: int | None = None) -> int:
    """The highest offset of a stream, or -1 when it is empty; with `enough`, that or the first found at or above it.

    `last` gives the last chunk, which is read to its end, and what others publish meanwhile: PROBE seconds of silence
    end it, PROBE_LONGEST where there is none. With `enough` no silence is trusted: who is busy is silent too.
    """
    found: asyncio.Queue[int] = asyncio.Queue()

    async def remember(message: AbstractIncomingMessage) -> None:
        await message.ack()
        found.put_nowait(offset_of(message))

    highest = -1
    async with connection.channel(publisher_confirms=False) as channel:
        await channel.set_qos(BATCH)
        queue = await channel.declare_queue(stream, passive=True)
        silence = PROBE if enough is None else PROBE_LONGEST
        patience = PROBE_LONGEST if queue.declaration_result.message_count else silence
        await queue.consume(remember, arguments={"x-stream-offset": "last"})
        with suppress(TimeoutError):
            async with asyncio.timeout(PROBE_LONGEST):
                while enough is None or highest < enough:
                    async with asyncio.timeout(patience):
                        highest = max(highest, await found.get())
                    patience = silence
    return highest
