"""Finds differences between the declared tables and the migrated schema, for tests and as a start of a migration.

Alembic compares tables, columns, types, defaults and indexes. It does not compare checks, names of keys or conditions
of indexes: for these the declared tables are created in a schema of their own, and PostgreSQL's definitions are
compared.
"""

import io
from collections.abc import Collection, Iterator
from typing import Any

from alembic.autogenerate import compare_metadata, produce_migrations
from alembic.migration import MigrationContext
from alembic.operations import MigrateOperation, Operations
from alembic.operations.ops import OpContainer
from sqlalchemy import Connection, MetaData, create_engine, make_url, text

VERSIONS = frozenset({"alembic_version", "alembic_version_shared"})
SCRATCH = "declared"
# Constraints and indexes as PostgreSQL would print them for a dump, names of other schemas left out.
DEFINITIONS = text("""
SELECT c.relname || ': ' || n.conname || ' ' || pg_get_constraintdef(n.oid) AS definition
FROM pg_constraint n JOIN pg_class c ON c.oid = n.conrelid
WHERE n.connamespace = to_regnamespace(:schema) AND n.contype <> 'n' AND c.relname = ANY(:tables)
UNION ALL
SELECT c.relname || ': ' || pg_get_indexdef(i.indexrelid, 0, true)
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
WHERE c.relnamespace = to_regnamespace(:schema) AND c.relname = ANY(:tables)
""")
UNPROTECTED = text("""
SELECT relname FROM pg_class
WHERE relnamespace = to_regnamespace(:schema) AND relname = ANY(:tables) AND NOT relforcerowsecurity ORDER BY relname
""")


def drift(admin_url: str, schema: str, metadata: MetaData, beside: Collection[str] = ()) -> list[str]:
    """Return the differences between a schema's tables and their declarations.

    The first lines are SQL that would change the schema to the declarations. `beside` names tables of the schema that
    are declared elsewhere.
    """
    engine = create_engine(make_url(admin_url).set(drivername="postgresql+psycopg"))
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f'SET search_path = "{schema}"')
            connection.dialect.default_schema_name = schema
            return [
                *_statements(connection, metadata, VERSIONS | {*beside}),
                *_definitions(connection, schema, metadata),
            ]
    finally:
        engine.dispose()


def unprotected(admin_url: str, schema: str, metadata: MetaData) -> list[str]:
    """Return the tables with a school column that do not force row-level security."""
    tables = [name for name, table in metadata.tables.items() if "school_id" in table.columns]
    engine = create_engine(make_url(admin_url).set(drivername="postgresql+psycopg"))
    try:
        with engine.connect() as connection:
            return list(connection.scalars(UNPROTECTED, {"schema": schema, "tables": tables}))
    finally:
        engine.dispose()


def _statements(connection: Connection, metadata: MetaData, elsewhere: Collection[str]) -> list[str]:
    def included(name: str | None, kind: str, _: Any) -> bool:
        return kind != "table" or name not in elsewhere

    options = {"compare_type": True, "compare_server_default": True, "include_name": included}
    context = MigrationContext.configure(connection, opts=options)
    if not compare_metadata(context, metadata):
        return []
    written = io.StringIO()
    offline = Operations(
        MigrationContext.configure(dialect=connection.dialect, opts={"as_sql": True, "output_buffer": written})
    )
    upgrade = produce_migrations(context, metadata).upgrade_ops
    assert upgrade is not None
    for each in _flat(upgrade):
        offline.invoke(each)
    return [statement.strip() for statement in written.getvalue().split(";\n") if statement.strip()]


def _flat(operations: OpContainer) -> Iterator[MigrateOperation]:
    for each in operations.ops:
        if isinstance(each, OpContainer):
            yield from _flat(each)
        else:
            yield each


def _definitions(connection: Connection, schema: str, metadata: MetaData) -> list[str]:
    tables = list(metadata.tables)
    migrated = _of(connection, schema, tables)
    connection.exec_driver_sql(f"CREATE SCHEMA {SCRATCH}")
    connection.exec_driver_sql(f'SET search_path = {SCRATCH}, "{schema}"')
    metadata.create_all(connection, checkfirst=False)
    declared = _of(connection, SCRATCH, tables)
    connection.rollback()
    return [
        *(f"-- only migrated: {each}" for each in sorted(migrated - declared)),
        *(f"-- only declared: {each}" for each in sorted(declared - migrated)),
    ]


def _of(connection: Connection, schema: str, tables: list[str]) -> set[str]:
    connection.exec_driver_sql(f'SET search_path = "{schema}"')
    return {row.definition for row in connection.execute(DEFINITIONS, {"schema": schema, "tables": tables})}
