"""One commit: inbox, the handler's rows, outbox. The only place that commits."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncCursor, sql
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow

from shared.db import Connection, Database, literal
from shared.errors import LeaseLost, NoSchool
from shared.events.base import Envelope, Event
from shared.outbox import PUT, Outgoing, Work, of_event, of_work, parameters

INBOX = """
INSERT INTO inbox (message_id, consumer) VALUES (%(message_id)s, %(consumer)s) ON CONFLICT DO NOTHING
"""

ADVANCE = """
UPDATE log_offset SET position = %(to)s, mark = %(mark)s, moved_at = clock_timestamp()
WHERE projection = %(projection)s AND stream = %(stream)s AND position = %(since)s
"""


BEGIN = "BEGIN"
BEGIN_BOUND = "BEGIN;SELECT set_config('app.school_id', %(school)s, true)"

# `set_config(…, true)` does not outlive a statement of its own: it has to be part of the one that it is for.
BOUND = "WITH bound AS MATERIALIZED (SELECT set_config('app.school_id', %(school)s, true)::uuid AS school_id)"


class Duplicate(Exception):
    """This consumer has handled this message before; there is nothing to do."""


class Transaction:
    """An open transaction: statements, facts to `emit`, `permit`s to give; all of it commits or none."""

    def __init__(self, connection: Connection, service: str, cause: Envelope | None = None) -> None:
        self.connection = connection
        self.cause = cause
        self.outgoing: list[Outgoing] = []
        self._service = service

    async def execute(self, query: str, values: dict[str, Any] | Sequence[Any] | None = None) -> AsyncCursor[DictRow]:
        """Run one statement."""
        return await self.connection.execute(query, values)

    async def rows(self, query: str, values: dict[str, Any] | Sequence[Any] | None = None) -> list[DictRow]:
        """All rows of a statement."""
        return await (await self.execute(query, values)).fetchall()

    async def row(self, query: str, values: dict[str, Any] | Sequence[Any] | None = None) -> DictRow | None:
        """The first row of a statement, or None."""
        return await (await self.execute(query, values)).fetchone()

    def emit(self, event: Event) -> None:
        """Publish a fact once this transaction has committed."""
        self.outgoing.append(of_event(event, self._service, self.cause))

    def permit(self, work: Work, lane: str) -> None:
        """Let this service's own workers go on with something, once this transaction has committed."""
        self.outgoing.append(of_work(work, self._service, lane, self.cause))


class Transactions:
    """Opens transactions for one service and wakes its relay after those that left something to publish."""

    def __init__(self, database: Database, service: str) -> None:
        self.database = database
        self.service = service
        self.left_outgoing = asyncio.Event()

    @asynccontextmanager
    async def begin(self, cause: Envelope | None = None) -> AsyncIterator[Transaction]:
        """A worker's transaction without an inbox row: sweeps, claims, outcomes."""
        async with (
            self.database.worker() as connection,
            self._run(connection, "BEGIN", None, cause) as transaction,
        ):
            yield transaction

    @asynccontextmanager
    async def handle(self, consumer: str, cause: Envelope) -> AsyncIterator[Transaction]:
        """A handler's transaction; raises Duplicate when `consumer` has committed this message before."""
        values = {"message_id": cause.id, "consumer": consumer}
        async with (
            self.database.worker() as connection,
            self._run(connection, "BEGIN;" + INBOX, values, cause) as transaction,
        ):
            yield transaction

    @asynccontextmanager
    async def advance(
        self, projection: str, stream: str, since: int, to: int, mark: str | None
    ) -> AsyncIterator[Transaction]:
        """A projection's transaction; raises LeaseLost when another reader has moved the offset.

        `mark` is the id of the message at the new offset, by which a stream that was made anew is told apart.
        """
        values = {"projection": projection, "stream": stream, "since": since, "to": to, "mark": mark}
        async with (
            self.database.worker() as connection,
            self._run(connection, "BEGIN;" + ADVANCE, values, None) as transaction,
        ):
            yield transaction

    @asynccontextmanager
    async def request(self, school: UUID | None, cause: Envelope | None = None) -> AsyncIterator[Transaction]:
        """An HTTP request's transaction: it sees one school; a tenant's table without one raises NoSchool."""
        try:
            async with (
                self.database.requests.connection() as connection,
                self._run(connection, *_bound(school), cause) as transaction,
            ):
                yield transaction
        except psycopg.errors.RaiseException as problem:
            if "app.school_id" in str(problem):
                raise NoSchool(str(problem).splitlines()[0]) from problem
            raise

    async def at_once(self, school: UUID, query: str, values: dict[str, Any]) -> list[DictRow]:
        """A request's whole transaction as one statement, outbox rows included; returns what it returns.

        `query` goes on from BOUND: it takes everything from `bound`, so that no tenant's table is read before it. It
        does all that a returned row stands for or nothing of it.
        """
        async with self.database.requests.connection() as connection:
            found = await (await connection.execute(BOUND + query, {"school": str(school), **values})).fetchall()
        if found:
            self.left_outgoing.set()
        return found

    @asynccontextmanager
    async def _run(
        self, connection: Connection, start: str, values: dict[str, Any] | None, cause: Envelope | None
    ) -> AsyncIterator[Transaction]:
        """One round trip to begin, one to commit; whatever goes wrong in between rolls back."""
        transaction = Transaction(connection, self.service, cause)
        try:
            began = await connection.execute(literal(connection, start, values))
            _check_began(began, start)
            yield transaction
            await _commit(connection, transaction.outgoing)
        except BaseException:
            if connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
                await connection.execute("ROLLBACK")
            raise
        if transaction.outgoing:
            self.left_outgoing.set()


async def _commit(connection: Connection, outgoing: list[Outgoing]) -> None:
    """The outbox rows share a round trip with COMMIT, unless some are about a person.

    Statements that share one hold their values as text, and PostgreSQL writes the text of what fails into its log.
    """
    if any(row.sealed_for for row in outgoing):
        await connection.execute(PUT, parameters(outgoing))
        await connection.execute("COMMIT")
    elif outgoing:
        await connection.execute(literal(connection, PUT, parameters(outgoing)) + sql.SQL(";COMMIT"))
    else:
        await connection.execute("COMMIT")


def _bound(school: UUID | None) -> tuple[str, dict[str, Any] | None]:
    """How a request's transaction begins: with its school bound in the same round trip."""
    return (BEGIN, None) if school is None else (BEGIN_BOUND, {"school": str(school)})


def _check_began(began: AsyncCursor[DictRow], start: str) -> None:
    """The guard that shared the round trip with BEGIN must have touched its row."""
    if start in (BEGIN, BEGIN_BOUND):
        return
    began.nextset()
    if began.rowcount == 0:
        raise Duplicate if INBOX in start else LeaseLost("another reader has moved the offset")
