"""`make test` as a command, on small servers that stand for RabbitMQ and PostgreSQL."""

import os
import signal
import subprocess
import sys
import time

import pytest

from cli.processes.process_table import ProcessTable, alive

COMMAND = """
import sys
from cli.testing import environment
from cli.backing import select
from cli.processes.probes import listens
from cli.processes.specs import Spec

async def installed(absent):
    return None

def small(layout, ports, given):
    assert given == {}
    port = ports["postgres"]
    code = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(600)"
    spec = Spec("postgres", (sys.executable, "-c", code), {}, ready=listens(port))
    return select.Backing("amqp://ours", "http://ours", "http://ours/metrics", "postgresql://ours", (spec,), None)

select.installation, select.choose = installed, small
sys.exit(environment.run(sys.argv[1:]))
"""
STUBBORN = """
import os, signal, time

def test_counts_signals():
    def noted(number, frame):
        with open(__file__ + ".signals", "a") as file:
            file.write(f"{number}\\n")
    signal.signal(signal.SIGINT, noted)
    with open(__file__ + ".began", "w") as file:
        file.write(" ".join(sorted(name for name in os.environ if name.endswith(("AMQP_URL", "DATABASE_URL")))))
    while True:
        time.sleep(1)
"""

WAITING = """
import time

def test_waits():
    open(__file__ + ".began", "w").close()
    time.sleep(600)
"""


def _until(condition, within=30.0):
    limit = time.monotonic() + within
    while not condition():
        assert time.monotonic() < limit, "in vain"
        time.sleep(0.02)


@pytest.fixture
def command(tmp_path):
    """Starts it on a test file with this content; ends it, and what it may have left, afterwards."""
    file = tmp_path / "test_of_its_own.py"
    state = tmp_path / "state"
    started = []
    (tmp_path / "pytest.ini").write_text("[pytest]\n")

    def start(content):
        file.write_text(content)
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, "-p", "no:cacheprovider", "-c", str(tmp_path / "pytest.ini"), str(file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ
            | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "SCHOOLCONNECT_STATE": str(state)}
            | {"AMQP_URL": "amqp://theirs", "DATABASE_URL": "postgresql://theirs"},
        )
        started.append(process)
        return process, file, state

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait(5)
    for path in state.rglob("processes.json"):
        for each in filter(alive, ProcessTable(path).all()):
            os.kill(each.pid, signal.SIGKILL)


def test_a_signal_reaches_pytest_once_and_a_second_one_kills_it(command):
    process, file, state = command(STUBBORN)
    began, signals = (file.with_name(f"{file.name}.{end}") for end in ("began", "signals"))
    _until(lambda: began.exists() and began.read_text())
    recorded = [row for path in state.rglob("processes.json") for row in ProcessTable(path).all()]
    assert {row.name for row in recorded} == {"postgres", "pytest"}
    # The caller's servers are never touched.
    assert began.read_text() == "TEST_AMQP_URL TEST_DATABASE_URL"

    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _until(signals.exists)
    os.killpg(process.pid, signal.SIGINT)

    assert process.wait(8) == 130
    assert signals.read_text() == "2\n"
    assert not any(alive(row) for row in recorded)
    assert list((state / "tests").iterdir()) == []


def test_the_exit_code_is_pytests_and_the_folder_is_removed(command):
    process, _, state = command("def test_fails():\n    raise SystemError\n")
    assert process.wait(30) == 1
    assert list((state / "tests").iterdir()) == []


def test_a_killed_run_is_reaped_by_the_next(command):
    first, file, state = command(WAITING)
    began = file.with_name(f"{file.name}.began")
    _until(began.exists)
    left = [row for path in state.rglob("processes.json") for row in ProcessTable(path).all()]
    first.kill()
    first.wait(5)
    assert all(alive(row) for row in left)

    second, *_ = command("def test_passes():\n    pass\n")

    assert second.wait(30) == 0
    assert not any(alive(row) for row in left)
    assert list((state / "tests").iterdir()) == []
