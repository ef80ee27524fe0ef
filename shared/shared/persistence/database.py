"""PostgreSQL as a service sees it: two pools, two roles, one schema, bounded waits.

`worker` connections see every school (handlers, relay, sweeps). `request` connections see one school at a time:
row-level security is forced, and a request that names no school raises instead of finding nothing.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncClientCursor, AsyncConnection, sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

Connection = AsyncConnection[DictRow]
Pool = AsyncConnectionPool[Connection]


def storable(value: object) -> str:
    """A text that came from elsewhere: PostgreSQL's hold no NUL."""
    return str(value).replace("\0", "\N{SYMBOL FOR NULL}")


def conninfo(url: str, schema: str, role: str, statement_timeout_ms: int, path: str | None = None) -> str:
    """Connection string that acts as `role` in `schema`, with every wait bounded on both sides.

    `tcp_user_timeout` and keepalives end a black-holed connection, which no client-side timeout outlives.
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
    """The pools of one service; open it for as long as the service lives."""

    def __init__(
        self, url: str, schema: str, *, workers: int = 8, requests: int = 8, shadow: str | None = None
    ) -> None:
        self.schema = schema
        self.path = f"{shadow},{schema}" if shadow else schema
        """Where workers look for tables: those in `shadow` hide the schema's own."""
        self.worker_info = conninfo(url, schema, f"{schema}_worker", 30_000, self.path)
        self.workers = _pool(self.worker_info, workers, f"{schema}-worker", 30)
        self.requests = _pool(conninfo(url, schema, f"{schema}_app", 10_000), requests, f"{schema}-app", 3)

    async def open(self) -> None:
        """Start connecting in the background; the first use waits for a connection."""
        await self.workers.open(wait=False)
        await self.requests.open(wait=False)

    async def close(self) -> None:
        """Close both pools; connections in use are closed when they come back."""
        await self.requests.close()
        await self.workers.close()

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Connection]:
        """An autocommit connection that sees every school."""
        async with self.workers.connection() as connection:
            yield connection


def literal(connection: Connection, query: str, values: dict[str, Any] | None = None) -> sql.SQL:
    """`query` with values bound on the client, so that several statements can share one round trip.

    Never with what is personal: PostgreSQL writes the text of a statement that fails or is slow into its log.
    """
    cursor: AsyncClientCursor[DictRow] = AsyncClientCursor(connection)
    return sql.SQL(cursor.mogrify(query, values))


def _pool(info: str, size: int, name: str, patience: float) -> Pool:
    return AsyncConnectionPool(
        info,
        connection_class=AsyncConnection[DictRow],
        min_size=1,
        max_size=size,
        open=False,
        name=name,
        timeout=patience,
        reconnect_timeout=5,
        kwargs={"autocommit": True, "row_factory": dict_row},
    )
