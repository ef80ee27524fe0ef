"""A database on a small filesystem that fills up: work stops, nothing that was acknowledged is lost, and it resumes."""

import asyncio
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import structlog

from cli.backing import postgres
from shared.events import SchoolChanged
from shared.persistence.migration_runner import migrate
from shared.service.service import Service
from shared.settings import ServiceSettings
from shared.testing.fixtures import Backing, declare, eventually, fresh_vhost, running, service_url, write_keys

WITHIN = 60
FULL = 20
"""Seconds for which the disk is full."""
SIZE = "128m"
# The tables are on the small filesystem, which no other process sees. The write-ahead log is elsewhere: a server that
# cannot write that stops itself, and what starts it again is not part of the system.
SERVER = """
set -e
mount -t tmpfs -o size={size},mode=0777 full "$1/small"
exec {as_user} sh -c '
  "$1/initdb" --pgdata="$2/small/data" --waldir="$2/wal" --username=owner --auth=trust --no-sync >/dev/null
  exec "$1/postgres" -D "$2/small/data" -p "$3" -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off \
    -c shared_buffers=16MB
' sh "$2" "$1" "$3"
"""
FILL = "COPY (SELECT repeat('x', 10000) FROM generate_series(1, 100000)) TO '{}'"
EMPTY = "COPY (SELECT '') TO '{}'"
TABLE = "CREATE TABLE notifier.handled (school_id uuid, filler text)"
GRANT = "GRANT ALL ON notifier.handled TO notifier_worker"
# About 6,000 bytes that cannot be compressed: each row needs a page of its own.
INSERT_HANDLED = """
INSERT INTO handled SELECT %s, string_agg(gen_random_uuid()::text, '') FROM generate_series(1, 170)
"""


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def small_server(folder):
    """Run PostgreSQL with its tables on a filesystem of its own; returns the owner's URL."""
    user, port = postgres.server_user(), free_port()
    programs = postgres.find()[0].programs
    (folder / "small").mkdir()
    if user:
        shutil.chown(folder, user)  # for the write-ahead log
    # Only root may mount; others may in a user namespace of their own, where the machine allows it.
    space = ["--mount"] if user else ["--user", "--map-current-user", "--keep-caps", "--mount"]
    tried = subprocess.run(
        ["unshare", *space, "mount", "-t", "tmpfs", "tried", str(folder)], capture_output=True, check=False, text=True
    )
    if tried.returncode:
        pytest.skip(f"no filesystem can be mounted here: {tried.stderr}")
    script = SERVER.format(size=SIZE, as_user=f"setpriv --reuid={user} --regid={user} --clear-groups" if user else "")
    command = ["unshare", *space, "sh", "-c", script, "sh", str(folder), str(programs), str(port)]
    with (folder.parent / f"{folder.name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield process, f"postgresql://owner@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(signal.SIGQUIT)  # its data go anyhow
        process.wait(timeout=WITHIN)
        Path(log.name).unlink()


@pytest.fixture
def server():
    folder = Path(tempfile.mkdtemp(prefix="small-"))
    folder.chmod(0o711)
    try:
        with small_server(folder) as (process, url):
            yield process, url
    finally:
        shutil.rmtree(folder)


async def answering(process, url):
    async def look():
        assert process.poll() is None, "the server ended; may this user mount a filesystem?"
        try:
            async with await psycopg.AsyncConnection.connect(url, connect_timeout=5):
                return True
        except psycopg.OperationalError:
            return False

    await eventually(look, bool, within=WITHIN)


def fill(admin, path):
    with pytest.raises(psycopg.errors.DiskFull):
        admin.execute(FILL.format(path))


async def paused(service):
    return service.metrics.registry.get_sample_value("schoolconnect_consumers_paused")


@pytest.mark.timeout(300)  # a server is made and migrated first
async def test_promise_09_a_full_disk_stops_work_which_resumes_with_nothing_acknowledged_lost(server, tmp_path):
    # given
    process, url = server
    await answering(process, url)
    write_keys(tmp_path)
    await asyncio.to_thread(migrate, url, {"notifier": service_url(url, "notifier")})
    with fresh_vhost() as amqp, psycopg.connect(url, autocommit=True) as admin:
        (data,) = admin.execute("SHOW data_directory").fetchone()
        admin.execute(TABLE)
        admin.execute(GRANT)
        environment = Backing(url, amqp, tmp_path).environment("notifier")
        service = Service("notifier", ServiceSettings(**{name.lower(): value for name, value in environment.items()}))

        async def handle(event, tx):
            await tx.execute(INSERT_HANDLED, (event.school_id,))

        async def handled():
            return [row[0] for row in admin.execute("SELECT school_id FROM notifier.handled").fetchall()]

        async def emit():
            school = uuid.uuid4()
            event = SchoolChanged(school_id=school, name="Demo", timezone="UTC", version=1, positions={school: 1})
            async with service.transactions.begin() as tx:
                tx.emit(event)
            return school

        service.on(SchoolChanged, handle)
        await declare(amqp, service.topology())
        async with running(service):
            accepted = [await emit()]
            await eventually(handled, lambda found: found == accepted, within=WITHIN)
            # when the disk is full
            with structlog.testing.capture_logs() as lines:
                fillers = [f"{data}/filler"]
                fill(admin, fillers[0])
                since = time.monotonic()
                for _ in range(200):
                    try:
                        accepted.append(await emit())
                    except psycopg.OperationalError:
                        break
                await eventually(lambda: paused(service), lambda value: value == 1, within=WITHIN)
                said = len(lines)
                while (seconds := time.monotonic() - since) < FULL:  # the time is the subject: lines a second
                    fillers.append(f"{data}/filler{len(fillers)}")
                    fill(admin, fillers[-1])  # also what was left for rows
                    await asyncio.sleep(1)
                assert len(lines) > said
            # then it says so without a flood, and does nothing
            assert len(lines) <= 40 * (seconds + 1)
            assert len(await handled()) < len(accepted)
            # and goes on by itself when there is room again
            for each in fillers:
                admin.execute(EMPTY.format(each))
            await eventually(handled, lambda found: len(found) >= len(accepted), within=WITHIN)
            await eventually(lambda: paused(service), lambda value: value == 0, within=WITHIN)
            accepted.append(await emit())
            found = await eventually(handled, lambda found: len(found) >= len(accepted), within=WITHIN)
            assert sorted(found) == sorted(accepted)
            outcomes = {
                outcome: service.metrics.handled.labels("notifier.school.changed", outcome)
                for outcome in ("retried", "dead")
            }
            assert {outcome: each._value.get() for outcome, each in outcomes.items()} == {"retried": 0, "dead": 0}
