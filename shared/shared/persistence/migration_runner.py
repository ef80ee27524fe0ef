"""Creates and migrates schemas, roles and tables. A separate step runs it, never a running service.

Alembic keeps two histories per schema: first the tables of every service, then the service's own. Revisions are only
added: a release expands the schema, a later one contracts it, so that the previous release runs on the new schema.
"""

import random
import time
from functools import partial

import psycopg
import structlog
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import NullPool, create_engine

from shared.errors import Refused
from shared.persistence.revision_chains import chains
from shared.persistence.upgrade import upgrade

log = structlog.get_logger()

OLDEST = 15
"""The oldest major version of PostgreSQL that is tested."""
ROLES = ("owner", "app", "worker")
OLDEST_RELEASE = "0.1.0"
"""The oldest release whose code runs on these schemas. A revision that removes what a release uses raises it."""
LOCK = 0x5CC0_11
"""Key of an advisory lock, so that two migrations of one database never run at the same time."""
WAIT_FOR_OTHERS = "60s"
"""How long a migration waits for another one."""
CLASHES = (psycopg.errors.UniqueViolation, psycopg.errors.DuplicateObject, psycopg.errors.InternalError_)
"""Errors when two sessions create, change or grant one role ("tuple concurrently updated" is an internal error)."""
TRIES = 20
OWNER_POLICY = "migrations"
# Find tables with forced row-level security that have no policy for their owner yet.
SELECT_FORCED_TABLES = """
SELECT c.relname FROM pg_class c WHERE c.relnamespace = to_regnamespace(%s) AND c.relforcerowsecurity
  AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = %s)
ORDER BY c.relname
"""


def migrate(admin_url: str, services: dict[str, str]) -> int:
    """Migrate all schemas; returns the number of applied revisions.

    `services` maps each name to the DATABASE_URL of the service. Its user is created if missing, and may act as the
    service's `_app` and `_worker` roles, never as its owner. Its password is set each time, unless it is a superuser.
    Raises Refused if the data is newer than the code, or if the server or the database does not meet the requirements.
    """
    with _connect(admin_url) as connection:
        _check_server(connection)
        _wait_for_others(connection)
        _create_roles(connection, services)
        for service in services:
            _allow_owner(connection, service)
        # SQLAlchemy reads no address of several hosts; libpq does.
        engine = create_engine("postgresql+psycopg://", creator=partial(psycopg.connect, admin_url), poolclass=NullPool)
        try:
            applied = 0
            for chain in chains(list(services)):
                applied += upgrade(engine, chain)
        finally:
            engine.dispose()
        for service in services:
            _allow_owner(connection, service)
            _grants(connection, service)
            _shadow(connection, service)
            _note_release(connection, service)
        _warn(connection)
    log.info("database.migrated", revisions=applied, schemas=len(services) + 1)
    return applied


def _connect(admin_url: str) -> psycopg.Connection:
    try:
        return psycopg.connect(admin_url, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as problem:
        raise Refused(f"the database at MIGRATION_DATABASE_URL does not answer: {problem}") from problem


def _wait_for_others(connection: psycopg.Connection) -> None:
    """Wait for another migration of this database, for a limited time."""
    connection.execute("SELECT set_config('lock_timeout', %s, false)", (WAIT_FOR_OTHERS,))
    try:
        connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
    except psycopg.errors.LockNotAvailable as problem:
        raise Refused(
            f"another migration of this database has run for {WAIT_FOR_OTHERS}; wait until it has ended, then try again"
        ) from problem


def _check_server(connection: psycopg.Connection) -> None:
    version = connection.info.server_version // 10_000
    if version < OLDEST:
        raise Refused(f"PostgreSQL {OLDEST} or newer is needed; this server is {version}")
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise Refused(
            f"the database has the encoding {encoding}, which cannot hold every name; create it with ENCODING 'UTF8'"
        )


def _warn(connection: psycopg.Connection) -> None:
    """Warn of server settings that write personal fields into the server's log; its administrator can change them."""
    wanted = {"log_parameter_max_length": "0", "log_error_verbosity": "terse"}
    found = connection.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", (list(wanted),)).fetchall()
    if unset := [f"{name} = {wanted[name]}" for name, setting in found if setting != wanted[name]]:
        log.warning("database.may_log_personal_fields", set_on_the_server=unset)


def _create_roles(connection: psycopg.Connection, services: dict[str, str]) -> None:
    """Create all roles. They belong to the server, so a migration of another database may create them meanwhile."""
    for turn in range(1, TRIES + 1):
        try:
            for schema in ("vault", *services):
                _roles(connection, schema)
            for service, url in services.items():
                _login(connection, service, url)
        except CLASHES as clash:
            if turn == TRIES:
                raise
            log.info("migration.roles_retried", error=type(clash).__name__)
            time.sleep(random.uniform(0, 0.2))  # noqa: S311  # no secret
        else:
            return


def _roles(connection: psycopg.Connection, schema: str) -> None:
    for kind in ROLES:
        name = f"{schema}_{kind}"
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone():
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name)))
    owner = sql.Identifier(f"{schema}_owner")
    connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(owner))
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}").format(sql.Identifier(schema), owner))


def _shadow(connection: psycopg.Connection, service: str) -> None:
    """Give the workers of a service a schema in which a rebuild makes its tables. They may create nowhere else."""
    schema, worker = sql.Identifier(f"{service}_shadow"), sql.Identifier(f"{service}_worker")
    owner = sql.Identifier(f"{service}_owner")
    for statement in (
        "CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {owner}",
        "GRANT USAGE, CREATE ON SCHEMA {schema} TO {worker}",
    ):
        connection.execute(sql.SQL(statement).format(schema=schema, owner=owner, worker=worker))


def _allow_owner(connection: psycopg.Connection, schema: str) -> None:
    """Let the owner see all rows of tables with forced row-level security, because migrations change them.

    Call it before an upgrade for the existing tables, and after it for the new ones.
    """
    for (table,) in connection.execute(SELECT_FORCED_TABLES, (schema, OWNER_POLICY)).fetchall():
        statement = sql.SQL("CREATE POLICY {} ON {} TO {} USING (true)")
        owner = sql.Identifier(f"{schema}_owner")
        connection.execute(statement.format(sql.Identifier(OWNER_POLICY), sql.Identifier(schema, table), owner))


def _login(connection: psycopg.Connection, service: str, url: str) -> None:
    given = conninfo_to_dict(url)
    login, password = str(given.get("user", "")), str(given.get("password", ""))
    row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = %s", (login,)).fetchone()
    if row is None or not row[0]:
        # An existing role too: the password may have changed in the environment of the services.
        verb = sql.SQL("CREATE" if row is None else "ALTER")
        statement = sql.SQL("{} ROLE {} LOGIN PASSWORD {}")
        # Hashed by the client (RFC 5803), as psql's \password does: many servers log such statements.
        hashed = connection.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256").decode()
        connection.execute(statement.format(verb, sql.Identifier(login), sql.Literal(hashed)))
        for kind in ("app", "worker"):
            grant = sql.SQL("GRANT {} TO {}")
            connection.execute(grant.format(sql.Identifier(f"{service}_{kind}"), sql.Identifier(login)))


def _note_release(connection: psycopg.Connection, service: str) -> None:
    """Write which releases run on the schema, for services that do not know its revisions."""
    statement = sql.SQL("COMMENT ON SCHEMA {} IS {}")
    connection.execute(statement.format(sql.Identifier(service), sql.Literal(f"oldest release: {OLDEST_RELEASE}")))


def _grants(connection: psycopg.Connection, service: str) -> None:
    """Let both roles read and write rows, limited by the policies. Only the gateway's workers may write keys."""
    schema = sql.Identifier(service)
    for kind in ("app", "worker"):
        role = sql.Identifier(f"{service}_{kind}")
        for statement in (
            "GRANT USAGE ON SCHEMA {schema} TO {role}",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
            "GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
            "GRANT EXECUTE ON ALL ROUTINES IN SCHEMA {schema} TO {role}",
            "REVOKE INSERT, UPDATE, DELETE ON {schema}.alembic_version, {schema}.alembic_version_shared FROM {role}",
        ):
            connection.execute(sql.SQL(statement).format(schema=schema, role=role))
    app = sql.Identifier(f"{service}_app")
    for statement in (
        # A request may add outbox rows, but must not read or change the rows of others.
        "REVOKE SELECT, UPDATE, DELETE ON {schema}.outbox FROM {app}",
        "REVOKE ALL ON {schema}.inbox, {schema}.log_offset, {schema}.task_lease FROM {app}",
    ):
        connection.execute(sql.SQL(statement).format(schema=schema, app=app))
    worker = sql.Identifier(f"{service}_worker")
    rights = sql.SQL("SELECT, INSERT, UPDATE" if service == "gateway" else "SELECT")
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA vault TO {}").format(worker))
    connection.execute(sql.SQL("GRANT {} ON vault.key TO {}").format(rights, worker))
