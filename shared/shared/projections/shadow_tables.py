"""Shadow tables: a schema of empty copies for a rebuild, and statements that copy their rows to the live tables."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import psycopg
from psycopg import sql

from shared.errors import Refused
from shared.persistence.database import Connection

SPINE_TABLES = ("log_offset", "directory_seen", "inbox", "outbox")
"""Tables of every service that a projection writes. The shadow has its own, so that a rebuild publishes nothing."""

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
async def schema(admin_url: str, service: str, tables: Sequence[str]) -> AsyncIterator[str]:
    """Create a schema with empty copies of `tables` for the service's workers; drop it before and afterwards."""
    name = f"{service}_shadow"
    owner, worker = sql.Identifier(f"{service}_owner"), sql.Identifier(f"{service}_worker")
    statements = [
        sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(name)),
        sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(sql.Identifier(name), owner),
        *(
            sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(
                sql.Identifier(name, table), sql.Identifier(service, table)
            )
            for table in dict.fromkeys((*SPINE_TABLES, *tables))
        ),
        sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(sql.Identifier(name), worker),
        sql.SQL("GRANT ALL ON ALL TABLES IN SCHEMA {} TO {}").format(sql.Identifier(name), worker),
    ]
    async with await psycopg.AsyncConnection.connect(admin_url, autocommit=True, connect_timeout=10) as admin:
        # One rebuild of a service at a time: the lock ends with the connection.
        taken = await (await admin.execute("SELECT pg_try_advisory_lock(hashtext(%s))", (name,))).fetchone()
        if not (taken and taken[0]):
            raise Refused(f"a rebuild of {service} is running already")
        for statement in statements:
            await admin.execute(statement)
        try:
            yield name
        finally:
            await admin.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(name)))


async def replace_rows(connection: Connection, service: str, name: str, table: str) -> int:
    """Make a live table equal to its shadow, in the caller's transaction; returns the number of changed rows."""
    live, copy = sql.Identifier(service, table), sql.Identifier(name, table)
    found = await (await connection.execute(SELECT_COLUMNS, {"table": f'"{service}"."{table}"'})).fetchall()
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
    gone = await connection.execute(sql.SQL(DELETE_SURPLUS_ROWS).format(**names, same=same))
    new = await connection.execute(sql.SQL(UPSERT_CHANGED_ROWS).format(**names, update=update))
    return gone.rowcount + new.rowcount
