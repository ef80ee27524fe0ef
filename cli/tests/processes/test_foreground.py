"""A small stack in a process of its own: signals, kills and what is left afterwards."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from uuid import uuid4

import psutil
import pytest

from cli.layout import Layout
from cli.processes.lock import AlreadyRunning, held, holder
from cli.processes.ports import pick
from cli.processes.process_table import ProcessRecord, ProcessTable, boot_id, start_time
from cli.stack.removal import reap

STACK = """
import asyncio, os, sys
from pathlib import Path
from cli.layout import Layout
from cli.processes.foreground import until_stopped
from cli.processes.lock import held
from cli.processes.probes import listens
from cli.processes.ports import pick
from cli.processes.process_table import ProcessTable
from cli.processes.specs import Spec
from cli.processes.supervisor import Supervisor
from cli.stack.removal import reap

layout, port, stubborn = Layout(Path(sys.argv[1])), int(sys.argv[2]), sys.argv[3] == "stubborn"
SERVER = f'''
import signal, socket, subprocess, sys, time
if {stubborn}: signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
server = socket.create_server(("127.0.0.1", {port}))
while True: server.accept()[0].close()
'''
env = {"STACK_MARK": os.environ["STACK_MARK"]}
specs = [
    Spec("server", (sys.executable, "-c", SERVER), env, ready=listens(port), grace=20.0),
    Spec("upon", (sys.executable, "-c", "import time; time.sleep(600)"), env, ready=listens(port),
         needs=frozenset({"server"}), grace=20.0),
]

async def work(supervisor):
    await reap(layout)
    await supervisor.start(specs)
    print("ready", flush=True)
    await asyncio.Event().wait()

with held(layout.lock, "the small stack"):
    supervisor = Supervisor(ProcessTable(layout.processes), layout.log, lambda line: print(line, flush=True))
    sys.exit(asyncio.run(until_stopped(supervisor, work(supervisor))))
"""


class Small:
    """One such stack and the traces it may leave."""

    def __init__(self, folder, port):
        self.layout = Layout(folder)
        self.port = port
        self.mark = uuid4().hex
        self.process = None

    def start(self, manner="docile", **options):
        self.process = subprocess.Popen(
            [sys.executable, "-c", STACK, str(self.layout.folder), str(self.port), manner],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "STACK_MARK": self.mark},
            **({"stdin": subprocess.DEVNULL} | options),
        )
        self.expect("ready")

    def expect(self, text):
        for line in self.process.stdout:
            if text in line:
                return
        raise AssertionError(f"it ended without saying {text!r}")

    def living(self):
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("STACK_MARK") == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def listening(self):
        return [
            each for each in psutil.net_connections("tcp") if each.laddr.port == self.port and each.status == "LISTEN"
        ]

    def left(self):
        return self.living(), self.listening(), ProcessTable(self.layout.processes).all()


NOTHING = ([], [], [])


def _until(condition, within=10.0):
    limit = time.monotonic() + within
    while not condition():
        assert time.monotonic() < limit, "in vain"
        time.sleep(0.02)


@pytest.fixture
def small(tmp_path):
    stack = Small(tmp_path / "state", pick(["server"])["server"])
    yield stack
    for process in stack.living():
        process.kill()
    if stack.process:
        stack.process.wait(10)
        stack.process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything(small, number):
    small.start()
    assert len(small.living()) == 4
    assert small.listening()
    small.process.send_signal(number)
    assert small.process.wait(15) == 0
    assert small.left() == NOTHING


def test_a_second_signal_kills_everything(small):
    small.start("stubborn")
    small.process.send_signal(signal.SIGINT)
    small.expect("A second signal kills")
    _until(lambda: len(small.living()) == 3)  # the upper one is gone; the lower one takes its time
    small.process.send_signal(signal.SIGINT)
    assert small.process.wait(5) == 0
    assert small.left() == NOTHING


def test_the_next_start_reaps_what_a_killed_supervisor_left(small):
    small.start()
    small.process.kill()
    small.process.wait(5)
    small.process.stdout.close()
    orphans = small.living()
    assert len(orphans) == 3

    small.start()

    assert not {orphan.pid for orphan in orphans} & {process.pid for process in small.living()}
    small.process.terminate()
    assert small.process.wait(15) == 0
    assert small.left() == NOTHING


def test_a_killed_child_is_restarted(small):
    small.start()
    before = next(process for process in ProcessTable(small.layout.processes).all() if process.name == "server")
    os.kill(before.pid, signal.SIGKILL)
    small.expect("restarting it")
    _until(lambda: small.listening() and small.listening()[0].pid not in (None, before.pid))
    small.process.terminate()
    assert small.process.wait(15) == 0
    assert small.left() == NOTHING


def test_stdin_may_be_closed(small):
    small.start(stdin=None, preexec_fn=lambda: os.close(0))
    small.process.terminate()
    assert small.process.wait(15) == 0
    assert small.left() == NOTHING


def test_the_lock_names_its_holder(small):
    assert holder(small.layout.lock) is None
    small.start()
    with (
        pytest.raises(
            AlreadyRunning, match=rf"already run by `the small stack` \(process {small.process.pid}, since 20"
        ),
        held(small.layout.lock, "another"),
    ):
        pass
    assert holder(small.layout.lock).pid == small.process.pid
    small.process.kill()
    small.process.wait(5)
    assert holder(small.layout.lock) is None


def test_reading_the_lock_does_not_block_other_commands(tmp_path):
    path = tmp_path / "lock"
    with held(path, "first"):
        seen = holder(path)
    assert seen.command == "first"
    holder(path)
    with held(path, "second"):
        assert holder(path).command == "second"
        path.unlink()
    with held(path, "third"):
        assert holder(path).command == "third"


def test_a_reused_process_id_is_not_reaped(tmp_path):
    mine = ProcessRecord("old", os.getpid(), start_time(os.getpid()) - 1, boot_id(), 0, signal.SIGKILL, 1.0)
    table = ProcessTable(tmp_path / "processes.json")
    table.add(mine)
    asyncio.run(reap(Layout(tmp_path)))
    assert table.all() == []
