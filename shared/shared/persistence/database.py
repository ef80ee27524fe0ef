"""PostgreSQL connections of a service: two pools, two roles, one schema, a limit on each wait.

Worker connections see all schools (handlers, relay, periodic tasks). Request connections see one school at a time:
row-level security is forced, and a request without a school raises an error instead of finding nothing.
"""

import copy
import secrets
import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncClientCursor, AsyncConnection, sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from shared.errors import InfrastructureDown

Connection = AsyncConnection[DictRow]
Pool = AsyncConnectionPool[Connection]


PROBE_BYTES = 16 * 1024
REQUEST_PATIENCE = 10.0
"""Seconds that a request waits for a connection of a worker: then its client gets a 503 and asks again."""
# Write a row that is rolled back.
INSERT_PROBE = "INSERT INTO outbox (exchange, routing_key, headers, data) VALUES ('', '', '{}', %(data)s)"


def replace_nul(value: object) -> str:
    """Return a text from another system with NUL replaced, because PostgreSQL texts cannot hold NUL."""
    return str(value).replace("\0", "\N{SYMBOL FOR NULL}")


def conninfo(url: str, schema: str, role: str, statement_timeout_ms: int, path: str | None = None) -> str:
    """Return a connection string that acts as `role` in `schema`, with a time limit on each wait.

    `tcp_user_timeout` and keepalives end a connection whose packets are lost without an error.
    """
    options = " ".join(
        f"-c {name}={value}"
        for name, value in {
            "role": role,
            "search_path": path or schema,
            "statement_timeout": statement_timeout_ms,
            "lock_timeout": 10_000,
            "idle_in_transaction_session_timeout": 60_000,
            "timezone": "UTC",
            "log_parameter_max_length_on_error": 0,
        }.items()
    )
    return make_conninfo(
        url,
        options=options,
        application_name=role,
        connect_timeout=5,
        tcp_user_timeout=10_000,
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
    )


class Database:
    """The connection pools of one service, open while the service runs."""

    def __init__(
        self, url: str, schema: str, *, workers: int = 8, requests: int = 8, shadow: str | None = None
    ) -> None:
        self.schema = schema
        self.path = f"{shadow},{schema}" if shadow else schema
        """The `search_path` of workers: tables in `shadow` hide the tables of the schema."""
        self.worker_conninfo = conninfo(url, schema, f"{schema}_worker", 30_000, self.path)
        self.workers = _pool(self.worker_conninfo, workers, f"{schema}-worker", 30)
        self.requests = _pool(conninfo(url, schema, f"{schema}_app", 10_000), requests, f"{schema}-app", 3)
        self.patience: float | None = None
        """Seconds to wait for a connection of a worker, if not those of the pool."""

    def for_requests(self) -> "Database":
        """Return one with the same pools, for requests: they wait less long for a connection of a worker."""
        other = copy.copy(self)
        other.patience = REQUEST_PATIENCE
        return other

    async def open(self) -> None:
        """Start to connect in the background; the first use waits for a connection."""
        await self.workers.open(wait=False)
        await self.requests.open(wait=False)

    async def close(self) -> None:
        """Close both pools; a connection in use is closed when it is returned."""
        await self.requests.close()
        await self.workers.close()

    async def check_writable(self) -> None:
        """Raise InfrastructureDown if the server accepts no writes, and psycopg's errors if it does not answer."""
        async with self.worker() as connection:
            row = await (await connection.execute("SHOW transaction_read_only")).fetchone()
        if row is None or row["transaction_read_only"] != "off":
            raise InfrastructureDown("the server is read-only: a standby, or its disk is full")

    async def check_room(self) -> None:
        """Raise as `check_writable`, or psycopg's error if there is no room for a row of the outbox; it is rolled back.

        Its random text fits into no free space of the table's pages, so that the server needs room on its disk.
        """
        await self.check_writable()
        async with self.worker() as connection, connection.transaction(force_rollback=True):
            await connection.execute(INSERT_PROBE, {"data": secrets.token_hex(PROBE_BYTES // 2)})

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Connection]:
        """Provide an autocommit connection that sees all schools."""
        async with self.workers.connection(self.patience) as connection:
            yield connection


def bind_literals(connection: Connection, query: str, values: dict[str, Any] | None = None) -> sql.SQL:
    """Return `query` with values bound by the client, so that several statements can share one round trip.

    Never pass personal data: PostgreSQL writes the text of a failed or slow statement into its log.
    """
    cursor: AsyncClientCursor[DictRow] = AsyncClientCursor(connection)
    return sql.SQL(cursor.mogrify(query, values))


async def check_alive(connection: Connection) -> None:
    """Raise OperationalError for a connection that the server has closed, as after a restart.

    An idle connection has nothing to read; only one that has is asked, so a healthy one costs no round trip.
    """
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
    if waiting.poll(0):
        await AsyncConnectionPool.check_connection(connection)


def _pool(info: str, size: int, name: str, patience: float) -> Pool:
    return AsyncConnectionPool(
        info,
        connection_class=AsyncConnection[DictRow],
        min_size=1,
        max_size=size,
        open=False,
        name=name,
        timeout=patience,
        check=check_alive,
        reconnect_timeout=5,
        kwargs={"autocommit": True, "row_factory": dict_row},
    )
