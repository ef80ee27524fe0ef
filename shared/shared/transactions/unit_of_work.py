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

from shared.errors import LeaseLost, NoSchool
from shared.events.envelope import Envelope
from shared.events.event import Event
from shared.persistence.database import Connection, Database, literal
from shared.transactions.buffered_transaction import Commit, Values
from shared.transactions.outbox import Outgoing, Work, of_event, of_work

INBOX = """
INSERT INTO inbox (message_id, consumer)
SELECT unnest(%(ids)s::uuid[]), %(consumer)s ORDER BY 1 ON CONFLICT DO NOTHING RETURNING message_id
"""
NOT_HANDLED = "DELETE FROM inbox WHERE message_id = ANY(%(ids)s) AND consumer = %(consumer)s"

ADVANCE = """
UPDATE log_offset SET position = %(to)s, mark = %(mark)s, moved_at = clock_timestamp()
WHERE projection = %(projection)s AND stream = %(stream)s AND position = %(since)s RETURNING position
"""

BIND = "SELECT set_config('app.school_id', %(school)s, true)"

# `set_config(…, true)` does not outlive a statement of its own: it has to be part of the one that it is for.
BOUND = "WITH bound AS MATERIALIZED (SELECT set_config('app.school_id', %(school)s, true)::uuid AS school_id)"


class Duplicate(Exception):
    """This consumer has handled this message before; there is nothing to do."""


class Transaction:
    """An open transaction: statements, facts to `emit`, `permit`s to give; all of it commits or none."""

    def __init__(self, commit: Commit, service: str, cause: Envelope | None) -> None:
        self.cause = cause
        self.part_of = commit
        """For whoever runs handlers, not for them."""
        self._service = service

    @property
    def outgoing(self) -> list[Outgoing]:
        """What the commit leaves in the outbox."""
        return self.part_of.outgoing

    async def execute(self, query: str | sql.Composed, values: Values | None = None) -> AsyncCursor[DictRow]:
        """Run one statement now."""
        return await self.part_of.execute(query, values)

    async def rows(self, query: str, values: Values | None = None) -> list[DictRow]:
        """All rows of a statement."""
        return await (await self.execute(query, values)).fetchall()

    async def row(self, query: str, values: Values | None = None) -> DictRow | None:
        """The first row of a statement, or None."""
        return await (await self.execute(query, values)).fetchone()

    def write(self, query: str, values: dict[str, Any]) -> None:
        """Run a statement whose result nobody asks for: with the commit, or before the next `execute`.

        If it fails, so does the commit. Handlers of many messages that only write share its round trip.
        """
        self.part_of.writes.append((query, values))

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
        async with self.database.worker() as connection, self._run(connection) as (_, commit):
            yield Transaction(commit, self.service, cause)

    @asynccontextmanager
    async def handle(self, consumer: str, causes: Sequence[Envelope]) -> AsyncIterator[dict[UUID, Transaction]]:
        """Handlers' transactions by message id, in one commit; none for what `consumer` has committed before.

        Whoever handles a message takes it out of the dict: what is left there at the end counts as not handled.
        """
        values = {"ids": [cause.id for cause in causes], "consumer": consumer}
        async with self.database.worker() as connection, self._run(connection, INBOX, values) as (new, commit):
            ids = {row["message_id"] for row in new}
            left = {c.id: Transaction(commit, self.service, c) for c in causes if c.id in ids}
            yield left
            if left:
                await connection.execute(NOT_HANDLED, {"ids": list(left), "consumer": consumer})

    @asynccontextmanager
    async def advance(
        self, projection: str, stream: str, since: int, to: int, mark: str | None
    ) -> AsyncIterator[Transaction]:
        """A projection's transaction; raises LeaseLost when another reader has moved the offset.

        `mark` is the id of the message at the new offset, by which a stream that was made anew is told apart.
        """
        values = {"projection": projection, "stream": stream, "since": since, "to": to, "mark": mark}
        async with self.database.worker() as connection, self._run(connection, ADVANCE, values) as (moved, commit):
            if not moved:
                raise LeaseLost("another reader has moved the offset")
            yield Transaction(commit, self.service, None)

    @asynccontextmanager
    async def request(self, school: UUID | None, cause: Envelope | None = None) -> AsyncIterator[Transaction]:
        """An HTTP request's transaction: it sees one school; a tenant's table without one raises NoSchool."""
        bound = (BIND, {"school": str(school)}) if school is not None else ()
        try:
            async with (
                self.database.requests.connection() as connection,
                self._run(connection, *bound) as (_, commit),
            ):
                yield Transaction(commit, self.service, cause)
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
        self, connection: Connection, first: str | None = None, values: dict[str, Any] | None = None
    ) -> AsyncIterator[tuple[list[DictRow], Commit]]:
        """One round trip to begin, `first` included, one to commit; whatever goes wrong in between rolls back."""
        commit = Commit(connection)
        try:
            yield await _begin(connection, first, values), commit
            await commit.finish()
        except BaseException:
            if connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
                await connection.execute("ROLLBACK")
            raise
        if commit.outgoing:
            self.left_outgoing.set()


async def _begin(connection: Connection, first: str | None, values: dict[str, Any] | None) -> list[DictRow]:
    """What the first statement found; it shares the round trip."""
    if first is None:
        await connection.execute("BEGIN")
        return []
    began = await connection.execute(literal(connection, f"BEGIN;{first}", values))
    began.nextset()
    return await began.fetchall()
