"""Real RabbitMQ and PostgreSQL nodes under `up`, `make test` and `kill -9`."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from cli.layout import Layout


@pytest.fixture
def here():
    # Not pytest's own folder: PostgreSQL's user has to get in.
    with tempfile.TemporaryDirectory(prefix="stack-") as folder:
        Path(folder).chmod(0o755)
        yield Layout(Path(folder) / "state")


def _command(here, *words, **variables):
    # To a file: what a killed command leaves behind would hold a pipe open.
    with _file(here).open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "cli", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "SCHOOLCONNECT_STATE": str(here.folder), **variables},
        )


def _file(here):
    return here.folder.with_name("output")


def _ended(here, command, within):
    """Its exit code and what it printed."""
    return command.wait(within), _file(here).read_text()


def _traces(here):
    """Processes that know of this stack's folder by their command line or their environment."""
    marks = (str(here.folder), str(here.elsewhere))
    found = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            text = "\n".join([*process.cmdline(), *process.environ().values()])
            if process.pid != os.getpid() and any(mark in text for mark in marks):
                found[process.pid] = process
    return found


def _listening(pids):
    return {each.laddr.port for each in psutil.net_connections("tcp") if each.status == "LISTEN" and each.pid in pids}


def _until(condition, within=120.0):
    limit = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < limit, "in vain"
        time.sleep(0.05)
    return found


def _ledger(folder):
    return {row["name"]: row for path in Path(folder).rglob("processes.json") for row in json.loads(path.read_text())}


def _gone(here, ports):
    _until(lambda: not _traces(here), within=5)
    taken = {each.laddr.port for each in psutil.net_connections("tcp") if each.status == "LISTEN"}
    assert not ports & taken


def test_an_interrupted_up_leaves_nothing(here):
    command = _command(here, "up")
    try:
        _until(lambda: "epmd" in _ledger(here.folder))
        ports = _listening(_traces(here))
        command.send_signal(signal.SIGINT)
        code, output = _ended(here, command, 30)
        assert code == 130, output
        _gone(here, ports)
        assert not here.stack.exists()
    finally:
        _sweep(here, command)


def test_up_ignores_the_stack_file_of_a_killed_supervisor(here):
    # given: the supervisor was killed, its word that all is ready is still there
    here.folder.mkdir()
    here.stack.write_text("{}")
    command = _command(here, "up")
    try:
        _until(lambda: "epmd" in _ledger(here.folder) or command.poll() is not None)
        # then
        assert command.poll() is None, "it returned before anything was ready"
        assert not here.stack.exists()
        ports = _listening(_traces(here))
        command.send_signal(signal.SIGINT)
        code, output = _ended(here, command, 30)
        assert code == 130, output
        _gone(here, ports)
    finally:
        _sweep(here, command)


def test_a_killed_test_command_is_reaped_by_the_next(here, tmp_path):
    waiting = tmp_path / "test_waiting.py"
    waiting.write_text(
        "import time\n\ndef test_waits():\n    open(__file__ + '.began', 'w').close(); time.sleep(600)\n"
    )
    settings = tmp_path / "pytest.ini"
    settings.write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    of_the_caller = {"AMQP_URL": "amqp://nobody.invalid/", "DATABASE_URL": "postgresql://nobody.invalid/x"}
    quick = of_the_caller | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    first = _command(here, "test", "--", "-c", str(settings), str(waiting), **quick)
    try:
        _until(lambda: Path(f"{waiting}.began").exists())
        rows = _ledger(here.tests)
        assert set(rows) == {"epmd", "rabbitmq", "postgres", "pytest"}
        # One process: what is recorded is the node itself, not a script that started it.
        assert psutil.Process(rows["rabbitmq"]["pid"]).name() == "beam.smp"
        tested = psutil.Process(rows["pytest"]["pid"]).environ()
        assert not of_the_caller.keys() & tested.keys()
        assert "127.0.0.1" in tested["TEST_DATABASE_URL"]
        ports = _listening(_traces(here))
        assert len(ports) >= 5
        first.kill()
        first.wait(5)
        assert len(_traces(here)) >= len(rows)

        down = _command(here, "reset")
        code, output = _ended(here, down, 40)

        assert code == 0, output
        assert "Stopping 4 processes" in output
        _gone(here, ports)
        assert not here.folder.exists()
    finally:
        _sweep(here, first)


def _sweep(here, command):
    """After a failure: nothing of it may disturb the next test."""
    for process in _traces(here).values():
        with suppress(psutil.Error):
            process.kill()
    if command.poll() is None:
        command.kill()
        command.wait(5)
