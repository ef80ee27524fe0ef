"""Promise 13: the previous commit's code runs on this schema, because a deployment always has both for a while.

"Previous" is the newest commit whose migrations are the first of ours, unchanged, and not all of them: the newest code
that did not know this schema. `PREVIOUS_COMMIT` names another one. A shallow clone does not hold it; then this is
skipped, and says so.
"""

import asyncio
import io
import os
import subprocess
import sys
import zipfile
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import aio_pika
import httpx
import psycopg
import pytest

from cli.operations import tokens
from cli.operations.service_names import NAMES
from cli.testing.system import System
from shared.persistence.migration_runner import migrate
from shared.testing.fixtures import Backing, eventually, fresh_database, fresh_vhost, service_url, write_keys

ROOT = Path(__file__).resolve().parents[1]
ABSENT = ("academicSessions", "classes", "courses", "enrollments")
USERS = """sourcedId,enabledUser,orgSourcedIds,role,username,givenName,familyName,email
ada,true,north,guardian,ada,Ada,Demo,ada@example.org
bob,true,north,guardian,bob,Bob,Demo,bob@example.org
"""
REQUESTS, TIER = "notifier.notification.requested", "notifier.retry.5s"
OFFSETS = """
SELECT projection, stream, position FROM notifier.log_offset
UNION ALL SELECT projection, stream, position FROM gateway.log_offset
"""
MIGRATE = """
import sys
from shared.persistence.migration_runner import migrate
from shared.testing.fixtures import service_url

migrate(sys.argv[1], {name: service_url(sys.argv[1], name) for name in sys.argv[2:]})
"""
STATES = "SELECT state, count(*) AS n FROM notifier.delivery GROUP BY 1"


def git(*arguments):
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def revisions(commit):
    """Names of the migration files of a commit, and what is in them; the folders they are in may change."""
    listed = git("ls-tree", "-r", commit, "--", "services", "shared") or b""
    entries = (line.split(None, 3) for line in listed.decode().splitlines())
    return {(Path(path).name, blob) for _, _, blob, path in entries if "/versions/0" in path}


def commit_before():
    """The newest commit whose migrations are some, not all, of the present ones; None where history does not reach."""
    present = revisions("HEAD")
    for commit in (git("rev-list", "--max-count=400", "HEAD", "--", "*/versions/0*.py") or b"").decode().split():
        found = revisions(f"{commit}^")
        if found and found < present:
            return f"{commit}^"
    return None


@pytest.fixture(scope="module")
def previous(tmp_path_factory):
    """A folder with the previous code."""
    commit = os.environ.get("PREVIOUS_COMMIT") or commit_before()
    packed = git("archive", commit, "shared", "services") if commit else None
    if packed is None:
        pytest.skip("no previous commit here: not a git clone, or a shallow one (`git fetch --unshallow`)")
    folder = tmp_path_factory.mktemp("previous")
    # By tar itself: Python 3.11.2, which Debian 12 has, cannot unpack with a filter.
    subprocess.run(["tar", "-x", "-C", folder], input=packed, check=True)
    return folder


@contextmanager
def system_on(database, tmp_path):
    write_keys(tmp_path / "keys")
    with fresh_vhost() as amqp:
        found = System(Backing(database, amqp, tmp_path / "keys"), tmp_path)
        asyncio.run(found.start_fakes())
        asyncio.run(found.declare())
        try:
            yield found
        finally:
            asyncio.run(found.stop())


@pytest.fixture
def system(tmp_path):
    """The whole system on the present schema; services are started by the test."""
    with fresh_database(NAMES) as database, system_on(database, tmp_path) as found:
        yield found


@pytest.fixture
def system_before(tmp_path, previous):
    """The whole system on the schema of the previous code."""
    server, name = os.environ["TEST_DATABASE_URL"], f"test_{uuid4().hex[:12]}"
    database = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    folders = [previous / "shared", *(previous / "services" / name for name in NAMES)]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        code = [sys.executable, "-c", MIGRATE, database, *NAMES]
        subprocess.run(code, env={"PYTHONPATH": os.pathsep.join(map(str, folders))}, check=True)
        with system_on(database, tmp_path) as found:
            yield found
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def imported_from(path):
    """Where a process with this PYTHONPATH has its gateway from."""
    which = [sys.executable, "-c", "import gateway; print(gateway.__file__)"]
    return subprocess.run(which, env={"PYTHONPATH": path}, capture_output=True, text=True, check=True).stdout


def roster():
    manifest = ["propertyName,value", "manifest.version,1.0", "oneroster.version,1.1", "file.orgs,bulk"]
    manifest += ["file.users,bulk", *(f"file.{name},absent" for name in ABSENT)]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("manifest.csv", "\n".join(manifest) + "\n")
        archive.writestr("orgs.csv", "sourcedId,name,type\nnorth,North,school\n")
        archive.writestr("users.csv", USERS)
    return out.getvalue()


def connect(system):
    token = tokens.make(system.backing.keys / "signing.pem", "platform_admin")
    return closing(httpx.Client(base_url=system.url, headers={"Authorization": f"Bearer {token}"}, timeout=30))


async def import_roster(api):
    task = api.post("/v1/imports/oneroster", content=roster()).raise_for_status().json()["task_id"]

    async def state():
        return api.get(f"/v1/tasks/{task}").raise_for_status().json()["state"]

    await eventually(state, lambda found: found == "succeeded", within=30)


def send_mail(api):
    """Send to everybody of the roster, by mail."""
    send = {"school": "north", "type": "general", "title": "Hello", "body": "Made up.", "audience": {"school": True}}
    api.post("/v1/notifications", json=send | {"channels": ["mail"]}).raise_for_status()


async def accepted(system, expected):
    """Wait until so many deliveries were made and accepted, and no others."""

    async def states():
        return {row["state"]: row["n"] for row in system.rows(STATES)}

    await eventually(states, lambda found: found == {"accepted": expected}, within=30)


async def walk(system, expected):
    """A roster in, a send out: through both services, their rows, and the log."""
    with connect(system) as api:
        await import_roster(api)
        send_mail(api)
        await accepted(system, expected)


async def test_promise_13_the_previous_code_runs_on_this_schema_and_this_code_goes_on_from_there(system, previous):
    # given
    old = os.pathsep.join(str(previous / part) for part in ("shared", "services/gateway", "services/notifier"))
    assert imported_from(old).startswith(str(previous)), "the test must not run this code by mistake"
    # when
    system.extra["PYTHONPATH"] = old
    await system.start("gateway", "notifier")
    # then
    await walk(system, 2)
    # when
    for name in ("gateway", "notifier"):
        system.kill(name)
    del system.extra["PYTHONPATH"]
    await system.start("gateway", "notifier")
    # then
    await walk(system, 4)


async def test_promise_13_what_the_previous_code_left_is_handled_once_by_this_code(system_before, previous):
    # given: tables with rows, offsets, and messages in a queue and in a retry tier, all of the previous code
    system = system_before
    system.extra["PYTHONPATH"] = os.pathsep.join(
        str(previous / part) for part in ("shared", "services/gateway", "services/notifier")
    )
    await system.start("gateway", "notifier")
    await walk(system, 2)
    system.kill("notifier")
    with connect(system) as api:
        send_mail(api)
        send_mail(api)
    async with await aio_pika.connect(system.backing.amqp_url) as connection:
        channel = await connection.channel()

        async def waiting(name=REQUESTS):
            return (await channel.declare_queue(name, passive=True)).declaration_result.message_count

        await eventually(waiting, lambda found: found == 2, within=30)
        async with (await (await channel.get_queue(REQUESTS)).get()).process() as first:
            headers = dict(first.headers) | {"sc-attempt": 1}
            copy = aio_pika.Message(first.body, headers=headers, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await (await channel.get_exchange(TIER)).publish(copy, REQUESTS)
        offsets = {(row["projection"], row["stream"]): row["position"] for row in system.rows(OFFSETS)}
        system.kill("gateway")
        # when
        url = system.backing.admin_url
        assert migrate(url, {name: service_url(url, name) for name in NAMES}) > 0
        del system.extra["PYTHONPATH"]
        await system.start("gateway", "notifier")
        # then
        await accepted(system, 6)
        for name in (REQUESTS, TIER, "school.dead"):
            await eventually(lambda name=name: waiting(name), lambda found: found == 0, within=30)
    after = {(row["projection"], row["stream"]): row["position"] for row in system.rows(OFFSETS)}
    assert after.keys() == offsets.keys(), "a projection under another name starts from the beginning"
    assert all(after[key] >= position for key, position in offsets.items())
    assert system.rows("SELECT * FROM gateway.failure") == []
