"""Says whether the tables of a service are those that its code knows, so that it starts on no others."""

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import psycopg
import structlog
from alembic.script import ScriptDirectory
from psycopg import sql

from shared.errors import Refused
from shared.persistence.database import Connection
from shared.persistence.revision_chains import Chain, chains, configuration

log = structlog.get_logger()

MISSING = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.InsufficientPrivilege,  # tables are created before the service may read them
)
# Read the current revisions of a history; {table} is its table in the service's schema.
SELECT_REVISIONS = "SELECT version_num FROM {table}"
# Read which releases run on a schema, as the migration step wrote it.
SELECT_NOTE = "SELECT obj_description(to_regnamespace(%(schema)s), 'pg_namespace') AS note"


@dataclass(frozen=True, slots=True)
class KnownRevisions:
    """The revisions of one history that this code has; `heads` are the last ones."""

    table: str
    heads: AbstractSet[str]
    all: AbstractSet[str]


def known_revisions(service: str) -> list[KnownRevisions]:
    """Return what this code knows of a service's own histories."""
    return [_known(chain) for chain in chains([service]) if chain.schema == service]


def _known(chain: Chain) -> KnownRevisions:
    script = ScriptDirectory.from_config(configuration(chain))
    every = frozenset(revision.revision for revision in script.walk_revisions())
    return KnownRevisions(chain.table, frozenset(script.get_heads()), every)


async def is_migrated(connection: Connection, service: str, release: str, known: list[KnownRevisions]) -> bool:
    """Return whether a service of this release can work on its tables; False if the migration step is still to come.

    Raises Refused if the tables are of a release so much newer that this one does not run on them.
    """
    current, newer = True, set[str]()
    for history in known:
        try:
            rows = await connection.execute(sql.SQL(SELECT_REVISIONS).format(table=sql.Identifier(history.table)))
        except MISSING:
            return False
        have = {row["version_num"] for row in await rows.fetchall()}
        newer |= have - history.all
        current &= bool(have - history.all) or history.heads <= have
    if newer:
        note = await (await connection.execute(SELECT_NOTE, {"schema": service})).fetchone()
        _check_release(service, release, str(note and note["note"]), sorted(newer))
    return current


def _check_release(service: str, release: str, note: str, newer: list[str]) -> None:
    needed = re.search(r"oldest release: (\d+(?:\.\d+)*)", note)
    if needed is None or _numbers(release) < _numbers(needed[1]):
        least = needed[1] if needed else "the one that migrated it"
        raise Refused(
            f"the data of {service} is newer than this release, {release} (revision {', '.join(newer)}); "
            f"run release {least} or newer"
        )
    log.warning("database.newer", schema=service, revisions=newer, release=release)


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(each) for each in re.findall(r"\d+", release))
