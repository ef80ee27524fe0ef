"""The migration step with several databases on one server, which share the server's roles."""

import asyncio
import os
import subprocess
import sys
from contextlib import ExitStack
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from shared.errors import Refused
from shared.persistence import migration_runner, upgrade
from shared.testing.fixtures import eventually, fresh_database, service_url

AT_ONCE = 4
STEP = """
import sys
from shared.persistence.migration_runner import migrate
migrate(sys.argv[1], {"notifier": sys.argv[2]})
"""


def step(url):
    command = (sys.executable, "-c", STEP, url, service_url(url, "notifier"))
    return subprocess.run(command, capture_output=True, text=True, check=False)


async def test_databases_of_one_server_migrate_concurrently():
    # given
    server = os.environ["TEST_DATABASE_URL"]
    names = [f"test_{uuid4().hex[:12]}" for _ in range(AT_ONCE)]
    with psycopg.connect(server, autocommit=True) as admin, ExitStack() as dropped:
        for name in names:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            dropped.callback(admin.execute, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        urls = [urlunsplit(urlsplit(server)._replace(path=f"/{name}")) for name in names]
        # when
        done = await asyncio.gather(*(asyncio.to_thread(step, url) for url in urls))
        # then
        assert [each.returncode for each in done] == [0] * AT_ONCE, [each.stderr[-500:] for each in done]
        for url in urls:
            with psycopg.connect(service_url(url, "notifier")) as service:
                service.execute("SET ROLE notifier_worker")
                assert service.execute("SELECT count(*) FROM notifier.outbox").fetchone() == (0,)


async def test_database_with_another_encoding_is_refused():
    server, name = os.environ["TEST_DATABASE_URL"], f"test_{uuid4().hex[:12]}"
    made = "CREATE DATABASE {} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL(made).format(sql.Identifier(name)))
        try:
            url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
            with pytest.raises(Refused, match=r"LATIN1.*ENCODING 'UTF8'"):
                migration_runner.migrate(url, {"notifier": service_url(url, "notifier")})
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


async def test_data_newer_than_the_code_are_refused():
    # given
    server, name = os.environ["TEST_DATABASE_URL"], f"test_{uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as admin, ExitStack() as dropped:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        dropped.callback(admin.execute, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        services = {"notifier": service_url(url, "notifier")}
        assert migration_runner.migrate(url, services) > 1
        assert migration_runner.migrate(url, services) == 0
        with psycopg.connect(url, autocommit=True) as newer:
            newer.execute("UPDATE notifier.alembic_version SET version_num = 'later'")
        # when, then
        with pytest.raises(Refused, match=r"data of notifier is newer than this code \(revision later\)"):
            migration_runner.migrate(url, services)


async def test_an_address_of_several_hosts_leads_to_the_one_that_accepts_writes():
    with fresh_database(["notifier"]) as url:
        parts = urlsplit(url)
        login, _, host = parts.netloc.rpartition("@")
        hosts = parts._replace(netloc=f"{login}@127.0.0.1:1,{host}", query="target_session_attrs=read-write").geturl()
        assert migration_runner.migrate(hosts, {"notifier": service_url(hosts, "notifier")}) == 0


async def test_old_server_is_refused(monkeypatch):
    server = os.environ["TEST_DATABASE_URL"]
    monkeypatch.setattr(migration_runner, "OLDEST", 99)
    with pytest.raises(Refused, match="PostgreSQL 99 or newer is needed; this server is 1"):
        migration_runner.migrate(server, {"notifier": service_url(server, "notifier")})


@pytest.mark.parametrize(
    ("where", "wait", "held", "says"),
    [
        (
            migration_runner,
            "WAIT_FOR_OTHERS",
            f"SELECT pg_advisory_lock({migration_runner.LOCK})",
            "another migration of this database",
        ),
        (upgrade, "WAIT_FOR_TABLES", "LOCK TABLE notifier.alembic_version", "a table of notifier was in use for 100ms"),
    ],
)
async def test_a_migration_waits_for_others_for_a_limited_time(monkeypatch, where, wait, held, says):
    monkeypatch.setattr(where, wait, "100ms")
    with fresh_database(["notifier"]) as url, psycopg.connect(url) as other:
        other.execute(held)
        with pytest.raises(Refused, match=says):
            migration_runner.migrate(url, {"notifier": service_url(url, "notifier")})


async def test_a_database_that_does_not_answer_is_reported_in_one_sentence():
    url = "postgresql://demo:secret@127.0.0.1:1/demo"
    with pytest.raises(Refused, match="the database at MIGRATION_DATABASE_URL does not answer") as refused:
        migration_runner.migrate(url, {})
    assert "secret" not in str(refused.value)


ADMINISTRATOR = "test_administrator"
ROLES = "SELECT rolname FROM pg_roles WHERE rolname ~ '^(vault|notifier)(_(owner|app|worker))?$'"


async def test_administrator_without_superuser_right_migrates_rows_of_every_school():
    """As on a managed server: an administrator may only create roles and databases."""
    # given: a role that stays afterwards, because all databases use what it granted
    server, school = os.environ["TEST_DATABASE_URL"], uuid4()
    name = f"test_{uuid4().hex[:12]}"
    who, database = sql.Identifier(ADMINISTRATOR), sql.Identifier(name)
    with psycopg.connect(server, autocommit=True) as superuser, ExitStack() as dropped:
        if superuser.execute("SELECT FROM pg_roles WHERE rolname = %s", (ADMINISTRATOR,)).fetchone() is None:
            made = "CREATE ROLE {} LOGIN CREATEROLE CREATEDB NOSUPERUSER PASSWORD 'test'"
            superuser.execute(sql.SQL(made).format(who))
        for (role,) in superuser.execute(ROLES).fetchall():  # on its own server it would have created them
            superuser.execute(sql.SQL("GRANT {} TO {} WITH ADMIN OPTION").format(sql.Identifier(role), who))
        with psycopg.connect(as_user(server, ADMINISTRATOR), autocommit=True) as admin:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(database))
        dropped.callback(superuser.execute, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))
        url = urlunsplit(urlsplit(as_user(server, ADMINISTRATOR))._replace(path=f"/{name}"))
        # when
        done = await asyncio.to_thread(step, url)
        assert done.returncode == 0, done.stderr[-1000:]
        with psycopg.connect(service_url(url, "notifier"), autocommit=True) as service:
            service.execute("SET ROLE notifier_worker")
            service.execute("INSERT INTO notifier.directory_seen VALUES (%s, '{[1,4)}')", (school,))
        # then: repetition changes nothing, and a migration changes the rows of all schools as the owner
        done = await asyncio.to_thread(step, url)
        assert done.returncode == 0, done.stderr[-1000:]
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("SET ROLE notifier_owner")
            found = admin.execute("UPDATE notifier.directory_seen SET versions = '{}' RETURNING school_id").fetchall()
        assert found == [(school,)]


def as_user(url, login):
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{login}:test@{parts.netloc.rpartition('@')[2]}"))


REVISION = """
from alembic import op

revision, down_revision, branch_labels, depends_on = "{name}", {after}, None, None
CONCURRENTLY = {concurrently}


def upgrade():
    op.execute("{statement}")
"""
BUILDING = (
    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'"
)


async def test_an_index_of_a_large_table_is_built_while_others_write(tmp_path, monkeypatch):
    # given: a service whose next release has one more index
    versions = tmp_path / "grown" / "migrations" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / "grown" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    def revision(name, after, statement, *, concurrently):
        content = REVISION.format(name=name, after=after, statement=statement, concurrently=concurrently)
        (versions / f"{name}.py").write_text(content)

    revision("first", None, "CREATE TABLE thing (number int)", concurrently=False)
    with fresh_database(["gateway"]) as url:
        services = {"grown": service_url(url, "grown")}
        assert await asyncio.to_thread(migration_runner.migrate, url, services) > 1
        revision("second", "'first'", "CREATE INDEX CONCURRENTLY ix_thing ON thing (number)", concurrently=True)
        revision("third", "'second'", "ALTER TABLE thing ADD COLUMN name text", concurrently=False)
        with psycopg.connect(url) as writing, psycopg.connect(url, autocommit=True) as other:

            async def building():
                return other.execute(BUILDING).fetchone()[0]

            # when it is built while one commit has written and not ended
            writing.execute("INSERT INTO grown.thing VALUES (1)")
            step = asyncio.create_task(asyncio.to_thread(migration_runner.migrate, url, services))
            await eventually(building, bool, within=60)
            # then no other waits for it
            other.execute("SET lock_timeout = '5s'")
            other.execute("INSERT INTO grown.thing VALUES (2)")
            writing.commit()
            assert await step == 2
            valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'grown.ix_thing'::regclass"
            assert other.execute(valid).fetchone() == (True,)
            owner = "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'grown.ix_thing'::regclass"
            assert other.execute(owner).fetchone() == ("grown_owner",)
