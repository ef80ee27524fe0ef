"""Applies the missing revisions of one history."""

from itertools import groupby, takewhile

import psycopg
import structlog
from alembic import command
from alembic.migration import MigrationContext
from alembic.runtime.migration import MigrationInfo
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from shared.errors import Refused
from shared.persistence.revision_chains import Chain, configuration

log = structlog.get_logger()

WAIT_FOR_TABLES = "10s"
"""How long a revision waits for a table that requests are using: those that come later wait behind it."""


def upgrade(engine: Engine, chain: Chain) -> int:
    """Apply the missing revisions as the owner of the schema; returns their number.

    One transaction has all of them, unless one says `CONCURRENTLY = True`: its statements have no transaction, so that
    indexes are built while requests write. After an interruption it runs again from its first statement.
    """
    applied = 0
    try:
        for concurrently, to in _steps(engine, chain):
            source = engine.execution_options(isolation_level="AUTOCOMMIT") if concurrently else engine
            with source.begin() as connection:
                _become_owner(connection, chain)
                applied += _apply(connection, chain, to)
    except OperationalError as problem:
        if not isinstance(problem.orig, psycopg.errors.LockNotAvailable):
            raise
        raise Refused(
            f"a table of {chain.schema} was in use for {WAIT_FOR_TABLES}; nothing is half done, try again"
        ) from problem
    return applied


def _steps(engine: Engine, chain: Chain) -> list[tuple[bool, str]]:
    """Return the last revision of each step, and whether the step has no transaction."""
    options = {"version_table": chain.table, "version_table_schema": chain.schema}
    with engine.begin() as connection:
        _become_owner(connection, chain)
        have = set(MigrationContext.configure(connection, opts=options).get_current_heads())
    revisions = list(ScriptDirectory.from_config(configuration(chain)).walk_revisions())
    _refuse_newer(have - {each.revision for each in revisions}, chain)
    missing = takewhile(lambda each: each.revision not in have, revisions)
    steps = groupby(reversed(list(missing)), lambda each: getattr(each.module, "CONCURRENTLY", False))
    # Without a step too: a history that has no revision yet gets its table.
    return [(concurrently, list(members)[-1].revision) for concurrently, members in steps] or [(False, "heads")]


def _become_owner(connection: Connection, chain: Chain) -> None:
    """Act as the owner of the schema until the connection closes."""
    connection.execute(text(f'SET ROLE "{chain.schema}_owner"'))
    connection.execute(text(f'SET search_path = "{chain.schema}"'))
    connection.execute(text(f"SET lock_timeout = '{WAIT_FOR_TABLES}'"))


def _apply(connection: Connection, chain: Chain, to: str) -> int:
    """Apply the revisions up to one; returns their number."""
    applied: list[str] = []

    def note(*, step: MigrationInfo, **_: object) -> None:
        applied.append(str(step.up_revision_id))
        log.info("migration.applied", schema=chain.schema, revision=step.up_revision_id)

    config = configuration(chain)
    config.attributes.update({"connection": connection, "chain": chain, "applied": note})
    command.upgrade(config, to)
    return len(applied)


def _refuse_newer(unknown: set[str], chain: Chain) -> None:
    if unknown:
        raise Refused(
            f"the data of {chain.schema} is newer than this code (revision {', '.join(sorted(unknown))}); "
            "run the newer release, or `make reset` to remove the data"
        )
