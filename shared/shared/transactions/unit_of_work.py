"""Units of work: inbox row, the handler's rows and outbox rows in one commit. No other module commits."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Any, ParamSpec
from uuid import UUID

import psycopg
from psycopg import AsyncCursor, sql
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow

from shared.errors import LeaseLost, NoSchool
from shared.events.envelope import Envelope
from shared.events.event import Event
from shared.persistence.database import Connection, Database, bind_literals
from shared.transactions.buffered_transaction import BufferedTransaction, Values
from shared.transactions.outbox import OutboxEntry, WorkPermit, event_row, permit_row

P = ParamSpec("P")

# Note that a consumer handles these messages; returns the ids of new ones. Sorted, so that two batches cannot deadlock.
INSERT_INBOX_ROWS = """
INSERT INTO inbox (message_id, consumer)
SELECT unnest(%(ids)s::uuid[]), %(consumer)s ORDER BY 1 ON CONFLICT DO NOTHING RETURNING message_id
"""
# Remove the inbox rows of messages that were not handled.
DELETE_SKIPPED_INBOX_ROWS = "DELETE FROM inbox WHERE message_id = ANY(%(ids)s) AND consumer = %(consumer)s"

# Move the offset of a projection, unless another reader has moved it.
MOVE_LOG_OFFSET = """
UPDATE log_offset SET position = %(to)s, mark = %(mark)s, moved_at = clock_timestamp()
WHERE projection = %(projection)s AND stream = %(stream)s AND position = %(since)s RETURNING position
"""

NO_SCHOOL = "SC001"
"""SQLSTATE of `bound_school()` where no school is bound."""

# Bind the school that row-level security shows to a request, until the end of its transaction.
BIND_SCHOOL = "SELECT set_config('app.school_id', %(school)s, true)"

# The same for a single statement without a transaction: `set_config(…, true)` ends with its own statement.
WITH_BOUND_SCHOOL = (
    "WITH bound AS MATERIALIZED (SELECT set_config('app.school_id', %(school)s, true)::uuid AS school_id)"
)


class Duplicate(Exception):
    """The consumer has handled this message before; there is nothing to do."""


class UnitOfWork:
    """An open transaction: statements, events to `emit` and `permit`s. All of it commits or nothing."""

    def __init__(
        self, buffered: BufferedTransaction, service: str, cause: Envelope | None, context: Context | None = None
    ) -> None:
        self.cause = cause
        self.began: float | None = None
        """When the handler of a reaction began, by the monotonic clock."""
        self.buffered = buffered
        """For the code that runs handlers, not for handlers."""
        self._service = service
        self._context = context

    def caused_by(self, cause: Envelope, context: Context) -> "UnitOfWork":
        """Return the part of this transaction that publishes for another cause, in the trace of its `context`."""
        return UnitOfWork(self.buffered, self._service, cause, context)

    @property
    def outgoing(self) -> list[OutboxEntry]:
        """The outbox rows of the commit."""
        return self.buffered.outgoing

    async def execute(
        self, query: str | sql.Composed, values: Values | None = None, *, prepare: bool | None = None
    ) -> AsyncCursor[DictRow]:
        """Execute one statement now; with `prepare` False it is planned for its values each time."""
        return await self.buffered.execute(query, values, prepare=prepare)

    async def rows(
        self, query: str | sql.Composed, values: Values | None = None, *, prepare: bool | None = None
    ) -> list[DictRow]:
        """Return all rows of a statement; `prepare` as for `execute`."""
        return await (await self.execute(query, values, prepare=prepare)).fetchall()

    async def row(self, query: str | sql.Composed, values: Values | None = None) -> DictRow | None:
        """Return the first row of a statement, or None."""
        return await (await self.execute(query, values)).fetchone()

    def write(self, query: str, values: dict[str, Any]) -> None:
        """Buffer a statement whose result is not needed: it runs at the commit, or before the next `execute`.

        If it fails, the commit fails. Handlers of several messages share the round trip of equal statements.
        """
        self.buffered.writes.append((query, values))

    def emit(self, event: Event) -> None:
        """Publish an event after this transaction has committed."""
        self.outgoing.append(self._in_context(event_row, event, self._service, self.cause, self.began))

    def permit(self, work: WorkPermit, lane: str) -> None:
        """Send a permit to this service's own workers after this transaction has committed."""
        self.outgoing.append(self._in_context(permit_row, work, self._service, lane, self.cause))

    def _in_context(self, make: Callable[P, OutboxEntry], *args: P.args, **options: P.kwargs) -> OutboxEntry:
        return make(*args, **options) if self._context is None else self._context.run(make, *args, **options)


class UnitOfWorkFactory:
    """Opens units of work for one service, and wakes its relay after each commit with outbox rows."""

    def __init__(self, database: Database, service: str) -> None:
        self.database = database
        self.service = service
        self.outbox_filled = asyncio.Event()

    def for_requests(self) -> "UnitOfWorkFactory":
        """Return one that waits less long for a connection; it wakes the same relay."""
        other = UnitOfWorkFactory(self.database.for_requests(), self.service)
        other.outbox_filled = self.outbox_filled
        return other

    @asynccontextmanager
    async def begin(self, cause: Envelope | None = None) -> AsyncIterator[UnitOfWork]:
        """Open a worker's transaction without an inbox row, for periodic tasks, claims and outcomes."""
        async with self.database.worker() as connection, self._run(connection) as (_, buffered):
            yield UnitOfWork(buffered, self.service, cause)

    @asynccontextmanager
    async def handle(self, consumer: str, causes: Sequence[Envelope]) -> AsyncIterator[dict[UUID, UnitOfWork]]:
        """Open a unit of work per message id, all in one commit. A message that `consumer` handled before has none.

        The caller removes each handled message from the dict. A message that remains counts as not handled.
        """
        values = {"ids": [cause.id for cause in causes], "consumer": consumer}
        async with (
            self.database.worker() as connection,
            self._run(connection, INSERT_INBOX_ROWS, values) as (new, buffered),
        ):
            ids = {row["message_id"] for row in new}
            left = {c.id: UnitOfWork(buffered, self.service, c) for c in causes if c.id in ids}
            yield left
            if left:
                await connection.execute(DELETE_SKIPPED_INBOX_ROWS, {"ids": list(left), "consumer": consumer})

    @asynccontextmanager
    async def project_batch(
        self, projection: str, stream: str, since: int, to: int, mark: str | None
    ) -> AsyncIterator[UnitOfWork]:
        """Open a projection's transaction, which moves its offset; raises LeaseLost if another reader has moved it.

        `mark` is the id of the message at the new offset. It shows later whether the stream was deleted and recreated.
        """
        values = {"projection": projection, "stream": stream, "since": since, "to": to, "mark": mark}
        async with (
            self.database.worker() as connection,
            self._run(connection, MOVE_LOG_OFFSET, values) as (moved, buffered),
        ):
            if not moved:
                raise LeaseLost("another reader has moved the offset")
            yield UnitOfWork(buffered, self.service, None)

    @asynccontextmanager
    async def request(self, school: UUID | None, cause: Envelope | None = None) -> AsyncIterator[UnitOfWork]:
        """Open a transaction of an HTTP request, which sees one school.

        Raises NoSchool if the request uses a tenant's table without a school.
        """
        bound = (BIND_SCHOOL, {"school": str(school)}) if school is not None else ()
        try:
            async with (
                self.database.requests.connection() as connection,
                self._run(connection, *bound) as (_, buffered),
            ):
                yield UnitOfWork(buffered, self.service, cause)
        except psycopg.DatabaseError as problem:
            if problem.sqlstate == NO_SCHOOL:
                raise NoSchool(problem.diag.message_primary or "") from problem
            raise

    async def run_alone(self, query: str, values: dict[str, Any]) -> list[DictRow]:
        """Run one statement of a worker as a whole transaction, in one round trip; returns its rows.

        The server commits it without another message of this process, so its locks never wait for us.
        """
        async with self.database.worker() as connection:
            return await (await connection.execute(query, values)).fetchall()

    async def run_single_statement(self, school: UUID, query: str, values: dict[str, Any]) -> list[DictRow]:
        """Run the whole transaction of a request as one statement with its outbox rows; returns its rows.

        `query` continues WITH_BOUND_SCHOOL. It must read from `bound` first, so that the school is bound before a
        tenant's table is read. A returned row means that all its effects were committed, no row means none.
        """
        async with self.database.requests.connection() as connection:
            found = await (
                await connection.execute(WITH_BOUND_SCHOOL + query, {"school": str(school), **values})
            ).fetchall()
        if found:
            self.outbox_filled.set()
        return found

    @asynccontextmanager
    async def _run(
        self, connection: Connection, first: str | None = None, values: dict[str, Any] | None = None
    ) -> AsyncIterator[tuple[list[DictRow], BufferedTransaction]]:
        """Begin with `first` in one round trip, commit in another; roll back after any error in between."""
        buffered = BufferedTransaction(connection)
        try:
            yield await _begin(connection, first, values), buffered
            await buffered.commit()
        except BaseException:
            if connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
                await connection.execute("ROLLBACK")
            raise
        if buffered.outgoing:
            self.outbox_filled.set()


async def _begin(connection: Connection, first: str | None, values: dict[str, Any] | None) -> list[DictRow]:
    """Begin a transaction and run its first statement in the same round trip; returns the rows."""
    if first is None:
        await connection.execute("BEGIN")
        return []
    began = await connection.execute(bind_literals(connection, f"BEGIN;{first}", values))
    began.nextset()
    return await began.fetchall()
