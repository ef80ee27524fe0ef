"""One database transaction with buffered writes and outbox rows, and ways to undo a part of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

import psycopg
from psycopg import AsyncCursor, sql
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow

from shared.persistence.database import Connection, bind_literals
from shared.transactions.outbox import INSERT_OUTBOX_ROWS, OutboxEntry, insert_values

Values = dict[str, Any] | Sequence[Any]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A point in a transaction: executed statements, buffered writes, outbox rows."""

    ran: int
    writes: int
    outgoing: int


@dataclass(slots=True)
class BufferedTransaction:
    """An open database transaction for one message, or for several messages that commit together."""

    connection: Connection
    outgoing: list[OutboxEntry] = field(default_factory=list)
    writes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    writing: bool = False
    """Whether buffered writes are being executed; it stays set if one of them fails."""
    _ran: int = 0
    _saved: Checkpoint | None = None

    async def execute(
        self, query: str | sql.Composed, values: Values | None = None, *, prepare: bool | None = None
    ) -> AsyncCursor[DictRow]:
        """Execute the buffered writes, then a statement; `prepare` as psycopg has it."""
        await self.write()
        self._ran += 1
        return await self.connection.execute(query, values, prepare=prepare)

    async def write(self) -> None:
        """Execute the buffered writes; repetitions of one statement share a round trip."""
        if not self.writes:
            return
        writes, self.writes = self.writes, []
        self._ran += 1
        self.writing = True
        async with self.connection.cursor() as cursor:
            for query, repeats in groupby(writes, key=itemgetter(0)):
                values = [each for _, each in repeats]
                if len(values) == 1:
                    await cursor.execute(query, values[0])
                else:
                    await cursor.executemany(query, values)
        self.writing = False

    def checkpoint(self) -> Checkpoint:
        """Return the present point of the transaction."""
        return Checkpoint(self._ran, len(self.writes), len(self.outgoing))

    def discard_since(self, point: Checkpoint) -> bool:
        """Drop buffered writes and outbox rows since `point`; False if a statement has run since then."""
        if self._ran != point.ran:
            return False
        del self.writes[point.writes :], self.outgoing[point.outgoing :]
        return True

    @property
    def has_run_statements(self) -> bool:
        """Whether a statement has run since the savepoint, or since the start without one."""
        return self._ran != (self._saved.ran if self._saved else 0)

    async def set_savepoint(self) -> None:
        """Set the savepoint here, in place of an earlier one."""
        await self.write()
        await self.connection.execute("RELEASE SAVEPOINT here;SAVEPOINT here" if self._saved else "SAVEPOINT here")
        self._saved = self.checkpoint()

    async def roll_back_to_savepoint(self) -> bool:
        """Undo everything since the savepoint; False without one."""
        if self._saved is None:
            return False
        await self.connection.execute("ROLLBACK TO SAVEPOINT here")
        self.writes.clear()
        del self.outgoing[self._saved.outgoing :]
        self.writing = False
        return True

    def check(self) -> None:
        """Raise if a handler has caught the error of a failed statement: COMMIT would roll back without an error."""
        if self.connection.info.transaction_status is TransactionStatus.INERROR:
            raise psycopg.errors.InFailedSqlTransaction("a statement failed, and the handler continued")

    async def commit(self) -> None:
        """Insert the outbox rows and commit, in one round trip unless a row has personal fields.

        Statements that share a round trip contain their values as text, and PostgreSQL writes the text of a failed
        statement into its log.
        """
        await self.write()
        self.check()
        if any(row.sealed_for for row in self.outgoing):
            await self.connection.execute(INSERT_OUTBOX_ROWS, insert_values(self.outgoing))
            await self.connection.execute("COMMIT")
        elif self.outgoing:
            put = bind_literals(self.connection, INSERT_OUTBOX_ROWS, insert_values(self.outgoing))
            await self.connection.execute(put + sql.SQL(";COMMIT"))
        else:
            await self.connection.execute("COMMIT")
