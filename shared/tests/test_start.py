"""A service starts when it can work, and says in one sentence why it cannot."""

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager

import psycopg
import pytest
from psycopg import sql
from pydantic import ValidationError

from shared.errors import Refused
from shared.persistence.database import Database
from shared.service.refusal import REFUSED, wrong_settings
from shared.service.schema_gate import SchemaGate
from shared.settings import ServiceSettings
from shared.testing.fault_proxy import proxied
from shared.testing.fixtures import declare, eventually, fresh_database, running, service_url

GOOD = {
    "database_url": "postgresql://demo:demo@database.example.org/demo",
    "amqp_url": "amqp://broker.example.org/",
    "vault_key_file": "/none",
    "verify_key_file": "/none",
}


@pytest.fixture(scope="module")
def migrated():
    with fresh_database(["notifier"]) as url:
        yield url


@pytest.fixture
def altered(migrated):
    """The database with another revision and note; both as before afterwards."""
    read = "SELECT version_num, obj_description('notifier'::regnamespace, 'pg_namespace') FROM notifier.alembic_version"
    with psycopg.connect(migrated, autocommit=True) as admin:
        before = admin.execute(read).fetchone()

        def alter(revision, note):
            admin.execute("UPDATE notifier.alembic_version SET version_num = %s", (revision,))
            admin.execute(sql.SQL("COMMENT ON SCHEMA notifier IS {}").format(note))

        yield alter
        alter(*before)


@asynccontextmanager
async def gate_of(url):
    database = Database(service_url(url, "notifier"), "notifier")
    await database.open()
    try:
        yield SchemaGate(database, "notifier")
    finally:
        await database.close()


async def test_a_service_waits_until_the_migration_step_has_run(migrated, altered):
    with psycopg.connect(migrated, autocommit=True) as admin:
        (current,) = admin.execute("SELECT version_num FROM notifier.alembic_version").fetchone()
    altered("notifier_0001", "oldest release: 0.0.1")
    async with gate_of(migrated) as gate:
        looking = asyncio.create_task(gate.run())
        waits = await eventually(lambda: asyncio.sleep(0, gate.reason), lambda reason: "run the migration" in reason)
        assert waits == "database: its tables are older than this release; run the migration step"
        altered(current, "oldest release: 0.0.1")
        await asyncio.wait_for(looking, 10)
        assert gate.reason is None


async def test_a_service_runs_on_newer_tables_that_its_release_can_use(migrated, altered):
    altered("later", "oldest release: 0.0.9")
    async with gate_of(migrated) as gate:
        await asyncio.wait_for(gate.run(), 10)
        assert gate.reason is None


@pytest.mark.parametrize("note", ["oldest release: 99.0", "of another program", None])
async def test_a_service_ends_on_newer_tables_that_its_release_cannot_use(migrated, altered, note):
    altered("later", note)
    async with gate_of(migrated) as gate:
        with pytest.raises(Refused, match=r"the data of notifier is newer than this release.*run release .* or newer"):
            await asyncio.wait_for(gate.run(), 10)


async def test_requests_may_come_while_the_broker_is_away_but_not_once_the_service_stops(spine):
    async with proxied(spine.backing.amqp_url) as (amqp_url, proxy):
        service = spine.build(amqp_url=amqp_url)
        await declare(spine.backing.amqp_url, service.topology())
        # given: not before everything was there once
        assert (await service.runtime.readiness())[0] is False
        async with running(service):
            assert await service.runtime.readiness() == (True, [])
            # when
            proxy.black_hole(on=True)
            proxy.cut()
            reasons = await eventually(service.runtime.not_ready, lambda found: found != [])
            # then
            assert await service.runtime.readiness() == (True, reasons)
            service.runtime.stop_soon()
            assert await service.runtime.readiness() == (False, ["service: stopping", *reasons])


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"database_url": None}, "DATABASE_URL is not set"),
        ({"amqp_url": None, "vault_key_file": None}, "AMQP_URL is not set; VAULT_KEY_FILE is not set"),
        ({"database_url": "mysql://demo:secret@x"}, "DATABASE_URL: write postgresql://user:password@host/database"),
        ({"database_url": ""}, "DATABASE_URL: write postgresql://user:password@host/database"),
        ({"database_url": "postgresql://x:secret@[y"}, "DATABASE_URL: write postgresql://user:password@host/database"),
        ({"amqp_url": "redis://:secret@x"}, "AMQP_URL: write amqp://user:password@host/vhost, or amqps:// for TLS"),
        (
            {"amqp_url": "amqp://x:secret@a,b:c/"},
            "AMQP_URL: write amqp://user:password@host/vhost, or amqps:// for TLS; ",
        ),
        ({"prefetch": 0}, "PREFETCH: Input should be greater than or equal to 1"),
        ({"log_level": "loud"}, "LOG_LEVEL: Input should be 'DEBUG', 'INFO', 'WARNING', 'ERROR' or 'CRITICAL'"),
        ({"forwarded_allow_ips": "*"}, "FORWARDED_ALLOW_IPS: '*' does not appear to be an IPv4 or IPv6 network"),
    ],
    ids=lambda each: ",".join(each) if isinstance(each, dict) else "",
)
def test_wrong_settings_are_named_in_one_sentence_without_their_values(monkeypatch, changed, says):
    for name in GOOD:
        monkeypatch.delenv(name.upper(), raising=False)
    given = {name: value for name, value in (GOOD | changed).items() if value is not None}
    with pytest.raises(ValidationError) as caught:
        ServiceSettings(**given)
    said = str(wrong_settings(caught.value))
    assert said.startswith(says)
    assert "secret" not in said


OLD_BROKER = """
import runpy
from shared.messaging import topology_admin
topology_admin.OLDEST = (99, 0)
runpy.run_module("notifier", run_name="__main__")
"""


async def ended(arguments, environment):
    """Run a process of the notifier until it ends; return its exit code and the facts of its log."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
    assert b"Traceback" not in said, said.decode()
    return process.returncode, [json.loads(line) for line in said.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "changed", "says"),
    [
        (("-m", "notifier"), {"DATABASE_URL": ""}, "DATABASE_URL"),
        (("-m", "notifier"), {"VAULT_KEY_FILE": "/none/vault-key"}, "VAULT_KEY_FILE /none/vault-key cannot be read"),
        (("-c", OLD_BROKER), {}, "found; streams need"),
    ],
    ids=["setting", "file", "broker"],
)
async def test_a_process_that_cannot_start_ends_with_one_sentence(spine, arguments, changed, says):
    await declare(spine.backing.amqp_url, spine.build().topology())
    environment = os.environ | spine.backing.environment("notifier") | {"PORT": "0"} | changed
    code, facts = await ended(arguments, environment)
    assert code == REFUSED
    (refused,) = (fact for fact in facts if fact["event"] == "service.refused")
    assert says in refused["reason"]
    assert facts[-1] == refused


async def test_a_process_ends_with_one_sentence_when_the_data_are_of_a_later_release(spine, migrated, altered):
    altered("later", "oldest release: 99.0")
    environment = os.environ | spine.backing.environment("notifier") | {"PORT": "0"}
    code, facts = await ended(("-m", "notifier"), environment | {"DATABASE_URL": service_url(migrated, "notifier")})
    assert code == REFUSED
    assert facts[-1]["event"] == "service.refused"
    assert facts[-1]["reason"].endswith("run release 99.0 or newer")
