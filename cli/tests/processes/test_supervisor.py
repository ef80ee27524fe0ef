import asyncio
import os
import stat
import sys
import time
from dataclasses import replace

import psutil
import pytest

from cli.processes.commands import succeeds
from cli.processes.launcher import StartFailed
from cli.processes.process_table import ProcessTable
from cli.processes.specs import NotReady, Spec
from cli.processes.supervisor import Supervisor


async def _never():
    raise NotReady("the moon is wrong")


async def _at_once():
    pass


def _child(name, code, **options):
    return Spec(name, (sys.executable, "-c", code), {}, **options)


WORDY = "import time\nfor n in range(1, 31): print('line', n, flush=True)\ntime.sleep(600)"


@pytest.fixture
async def supervisor(tmp_path):
    made = Supervisor(ProcessTable(tmp_path / "processes.json"), tmp_path / "log", lambda _: None)
    yield made
    made.kill_now.set()
    await made.stop()
    assert made.table.all() == []


async def test_start_fails_with_the_last_lines_of_a_process_that_never_becomes_ready(supervisor):
    began = time.monotonic()
    with pytest.raises(StartFailed) as failed:
        await supervisor.start([_child("slow", WORDY, ready=_never, limit=1.5)])
    assert 1.4 < time.monotonic() - began < 30
    told = str(failed.value)
    assert "slow is not ready after 2 s: the moon is wrong" in told
    assert told.splitlines()[2:] == [f"  | line {number}" for number in range(11, 31)]


async def test_a_hanging_probe_cannot_exceed_the_limit(supervisor):
    async def hangs():
        await asyncio.sleep(600)

    with pytest.raises(StartFailed, match="no answer"):
        await supervisor.start([_child("silent", "import time; time.sleep(600)", ready=hangs, limit=0.5)])


async def test_the_default_limit_to_become_ready_is_120_seconds():
    assert _child("any", "").limit == 120


async def test_start_fails_with_the_exit_code_of_a_process_that_ends_early(supervisor):
    with pytest.raises(StartFailed, match=r"(?s)broken ended \(exit code 3\).*\| no such file"):
        await supervisor.start([_child("broken", "print('no such file'); raise SystemExit(3)", ready=_never)])


async def test_a_process_does_not_start_after_its_step_failed(supervisor, tmp_path):
    marker = tmp_path / "started"
    step = _child("migrate", "raise SystemExit(1)")
    upon = _child("service", f"open({str(marker)!r}, 'w')", needs=frozenset({"migrate"}))
    with pytest.raises(StartFailed, match="migrate failed"):
        await supervisor.start([step, upon])
    assert not marker.exists()


async def test_only_the_owner_can_read_the_logs(supervisor):
    await supervisor.start([_child("step", "print('secret')")])
    assert stat.S_IMODE(supervisor.log.stat().st_mode) == 0o700
    assert stat.S_IMODE((supervisor.log / "step.log").stat().st_mode) == 0o600


async def test_the_previous_log_is_kept(supervisor):
    await supervisor.start([_child("step", "print('first')")])
    await supervisor.start([_child("step", "print('second')")])
    assert (supervisor.log / "step.log.1").read_text() == "first\n"
    assert (supervisor.log / "step.log").read_text() == "second\n"


async def test_foreground_returns_the_exit_code(supervisor, tmp_path):
    spec = _child("pytest", "import os; open('where', 'w').write(os.getcwd()); raise SystemExit(5)")
    assert await supervisor.foreground(replace(spec, folder=tmp_path)) == 5
    assert (tmp_path / "where").read_text() == str(tmp_path)
    assert supervisor.table.all() == []


async def test_stop_ends_the_foreground_process(supervisor):
    running = asyncio.create_task(supervisor.foreground(_child("pytest", "import time; time.sleep(600)")))
    while not supervisor.table.all():
        await asyncio.sleep(0.01)
    pid = supervisor.table.all()[0].pid
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await supervisor.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_stop_leaves_no_zombie(supervisor):
    await supervisor.start([_child("server", "import time; time.sleep(600)", ready=_at_once)])
    pid = supervisor.table.all()[0].pid
    supervisor.kill_now.set()
    await supervisor.stop()
    assert not psutil.pid_exists(pid)


async def test_a_cancelled_command_leaves_no_process():
    asking = asyncio.create_task(succeeds(("sleep", "613"), 60))
    while not (found := [each for each in psutil.Process().children() if "613" in each.cmdline()]):
        await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert not found[0].is_running()
