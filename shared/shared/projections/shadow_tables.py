"""Shadow tables: empty copies of a service's tables in a schema beside its own, and statements that copy rows back.

The migration step makes the schema, and the service's workers may create tables in it and nowhere else. Tables are
emptied when a replay ends, not dropped: a reader that still runs must find them before the live ones.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import psycopg
import structlog
from psycopg import sql
from psycopg.rows import dict_row

from shared.errors import Refused
from shared.persistence.database import Connection, Database
from shared.transactions.unit_of_work import UnitOfWork

log = structlog.get_logger()

OUTGOING_TABLES = ("log_offset", "inbox", "outbox")
"""Tables of every service that are always a replay's own, so that it publishes nothing and moves no offset."""
POSITION_TABLE = "directory_seen"
"""Which versions of the directory were applied: a rebuild counts them from the start."""
BUSY_SECONDS = 1.0

# Become the only replay of a service. The lock ends with its connection.
TRY_LOCK_SHADOW = "SELECT pg_try_advisory_lock(hashtext(%s)) AS got"
# Find which replay the tables belong to.
SELECT_OWNER = "SELECT task_id, tables FROM {shadow}.replay_of"
# Find a table, if there is one.
SELECT_TABLE = "SELECT to_regclass(%(table)s) IS NOT NULL AS found"
# Find the tables of a schema.
SELECT_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = %(schema)s ORDER BY 1"
# Find the name of the shadow of this schema.
SELECT_SHADOW_NAME = "SELECT current_schema() || '_shadow' AS name"
# Find the columns of a table, and whether they belong to its primary key.
SELECT_COLUMNS = """
SELECT a.attname AS name, coalesce(a.attnum = ANY (i.indkey), false) AS key
FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = to_regclass(%(table)s) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
ORDER BY a.attnum
"""
# Delete live rows that the shadow does not have. Rows are compared as sets, so that equal rows are never written.
DELETE_SURPLUS_ROWS = """
DELETE FROM {live} l USING (SELECT {key} FROM {live} EXCEPT SELECT {key} FROM {shadow}) gone WHERE {same}
"""
# Insert or update the live rows that differ from the shadow.
UPSERT_CHANGED_ROWS = """
INSERT INTO {live} ({columns}) OVERRIDING SYSTEM VALUE
SELECT {columns} FROM (SELECT {columns} FROM {shadow} EXCEPT SELECT {columns} FROM {live}) new
ON CONFLICT ({key}) DO {update}
"""


@asynccontextmanager
async def opened(database: Database, tables: Sequence[str], owner: UUID) -> AsyncIterator[str]:
    """Provide the shadow schema with copies of `tables` for one replay; returns its name.

    A replay that was interrupted finds its own tables as it left them; those of another are replaced. Waits while
    another replay of the service runs. Raises Refused if the migration step has not made the schema.
    """
    name = f"{database.schema}_shadow"
    connecting = psycopg.AsyncConnection.connect(database.worker_conninfo, autocommit=True, row_factory=dict_row)
    async with await connecting as connection:
        while not (await (await connection.execute(TRY_LOCK_SHADOW, (name,))).fetchone() or {"got": False})["got"]:
            log.info("replay.waiting_for_another", schema=name)
            await asyncio.sleep(BUSY_SECONDS)
        wanted = list(dict.fromkeys((*OUTGOING_TABLES, *tables)))
        async with connection.transaction():
            if not await _belong_to(connection, name, wanted, owner):
                await _make(connection, database.schema, name, wanted, owner)
        yield name


async def _belong_to(connection: Connection, name: str, tables: list[str], owner: UUID) -> bool:
    found = await (await connection.execute(SELECT_TABLE, {"table": f'"{name}".replay_of'})).fetchone()
    if found is None or not found["found"]:
        return False
    statement = sql.SQL(SELECT_OWNER).format(shadow=sql.Identifier(name))
    row = await (await connection.execute(statement)).fetchone()
    return row is not None and row["task_id"] == owner and row["tables"] == tables


async def _make(connection: Connection, service: str, name: str, tables: list[str], owner: UUID) -> None:
    """Replace all tables of the shadow in the caller's transaction, so that no reader ever finds one missing."""
    shadow = sql.Identifier(name)
    old = await (await connection.execute(SELECT_TABLES, {"schema": name})).fetchall()
    try:
        for row in old:
            await connection.execute(sql.SQL("DROP TABLE {} CASCADE").format(sql.Identifier(name, row["tablename"])))
        for table in tables:
            copy = sql.SQL("CREATE UNLOGGED TABLE {} (LIKE {} INCLUDING ALL)")
            await connection.execute(copy.format(sql.Identifier(name, table), sql.Identifier(service, table)))
        for text in (
            "CREATE UNLOGGED TABLE {shadow}.replay_of (task_id uuid, tables text[])",
            "CREATE UNLOGGED TABLE {shadow}.unapplied (stream text, position bigint, type text)",
        ):
            await connection.execute(sql.SQL(text).format(shadow=shadow))
    except (psycopg.errors.InvalidSchemaName, psycopg.errors.InsufficientPrivilege) as problem:
        raise Refused(
            f"the schema {name} is not there for workers: run the migration step of this release"
        ) from problem
    add = sql.SQL("INSERT INTO {}.replay_of VALUES (%(owner)s, %(tables)s)").format(shadow)
    await connection.execute(add, {"owner": owner, "tables": tables})


async def empty(tx: UnitOfWork, owner: UUID) -> None:
    """Empty the shadow tables if they belong to this replay, in the commit of its end."""
    named = await tx.row(SELECT_SHADOW_NAME)
    assert named is not None
    name = named["name"]
    found = await tx.row(SELECT_TABLE, {"table": f'"{name}".replay_of'})
    if found is None or not found["found"]:
        return
    row = await tx.row(sql.SQL(SELECT_OWNER).format(shadow=sql.Identifier(name)))
    if row is None or row["task_id"] != owner:
        return
    tables = await tx.rows(SELECT_TABLES, {"schema": name})
    names = sql.SQL(", ").join(sql.Identifier(name, each["tablename"]) for each in tables)
    await tx.execute(sql.SQL("TRUNCATE {}").format(names))


async def replace_rows(tx: UnitOfWork, service: str, name: str, table: str) -> int:
    """Make a live table equal to its shadow, in the caller's transaction; returns the number of changed rows."""
    live, copy = sql.Identifier(service, table), sql.Identifier(name, table)
    found = await tx.rows(SELECT_COLUMNS, {"table": f'"{service}"."{table}"'})
    columns = [sql.Identifier(row["name"]) for row in found]
    key = [sql.Identifier(row["name"]) for row in found if row["key"]]
    rest = [sql.Identifier(row["name"]) for row in found if not row["key"]]
    if not key:
        raise Refused(f"{service}.{table} has no primary key: it cannot be rebuilt")
    same = sql.SQL(" AND ").join(sql.SQL("l.{0} = gone.{0}").format(column) for column in key)
    comma = sql.SQL(", ")
    update: sql.Composable = sql.SQL("NOTHING")
    if rest:
        pairs = comma.join(sql.SQL("{0} = excluded.{0}").format(column) for column in rest)
        update = sql.SQL("UPDATE SET {}").format(pairs)
    names = {"live": live, "shadow": copy, "key": comma.join(key), "columns": comma.join(columns)}
    gone = await tx.execute(sql.SQL(DELETE_SURPLUS_ROWS).format(**names, same=same))
    new = await tx.execute(sql.SQL(UPSERT_CHANGED_ROWS).format(**names, update=update))
    return gone.rowcount + new.rowcount
