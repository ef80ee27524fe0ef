"""What one commit holds: statements that have run, writes that are put off, outbox rows; and the way back."""

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
    """How far a commit had come."""

    ran: int
    writes: int
    outgoing: int


@dataclass(slots=True)
class BufferedTransaction:
    """An open transaction of the database, of one message or of several that commit together."""

    connection: Connection
    outgoing: list[OutboxEntry] = field(default_factory=list)
    writes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    writing: bool = False
    """Whether what had been put off is being run; it stays set if that fails."""
    _ran: int = 0
    _saved: Checkpoint | None = None

    async def execute(self, query: str | sql.Composed, values: Values | None = None) -> AsyncCursor[DictRow]:
        """Run a statement, after what has been put off."""
        await self.write()
        self._ran += 1
        return await self.connection.execute(query, values)

    async def write(self) -> None:
        """Run what has been put off; repeats of one statement share a round trip."""
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

    def mark(self) -> Checkpoint:
        """Where it is now."""
        return Checkpoint(self._ran, len(self.writes), len(self.outgoing))

    def discard_since(self, mark: Checkpoint) -> bool:
        """Forget what has been put off since `mark`; False if a statement has run since then."""
        if self._ran != mark.ran:
            return False
        del self.writes[mark.writes :], self.outgoing[mark.outgoing :]
        return True

    @property
    def has_run_statements(self) -> bool:
        """Whether a statement has run since the savepoint, or at all where there is none."""
        return self._ran != (self._saved.ran if self._saved else 0)

    async def save(self) -> None:
        """Set the savepoint here: there is one at most."""
        await self.write()
        await self.connection.execute("RELEASE SAVEPOINT here;SAVEPOINT here" if self._saved else "SAVEPOINT here")
        self._saved = self.mark()

    async def back(self) -> bool:
        """Undo everything since the savepoint; False if there is none."""
        if self._saved is None:
            return False
        await self.connection.execute("ROLLBACK TO SAVEPOINT here")
        self.writes.clear()
        del self.outgoing[self._saved.outgoing :]
        self.writing = False
        return True

    def check(self) -> None:
        """Raise if a statement has failed and whoever ran it went on: COMMIT would roll back and say nothing."""
        if self.connection.info.transaction_status is TransactionStatus.INERROR:
            raise psycopg.errors.InFailedSqlTransaction("a statement failed, and whoever ran it went on")

    async def finish(self) -> None:
        """Commit, with the outbox rows in the same round trip unless some are about a person.

        Statements that share one hold their values as text, and PostgreSQL writes the text of what fails into its log.
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
