import asyncio
import os
import signal
import stat
import sys
import time
from asyncio.base_subprocess import BaseSubprocessTransport
from dataclasses import replace

import psutil
import pytest

from cli.processes.commands import succeeds
from cli.processes.process_table import Ledger
from cli.processes.specs import NotReady, Spec
from cli.processes.supervisor import StartFailed, Supervisor


async def _never():
    raise NotReady("the moon is wrong")


async def _at_once():
    pass


def _child(name, code, **options):
    return Spec(name, (sys.executable, "-c", code), {}, **options)


WORDY = "import time\nfor n in range(1, 31): print('line', n, flush=True)\ntime.sleep(600)"


@pytest.fixture
async def supervisor(tmp_path):
    made = Supervisor(Ledger(tmp_path / "processes.json"), tmp_path / "log", lambda _: None)
    yield made
    made.hurry.set()
    await made.stop()
    assert made.ledger.all() == []


async def test_a_process_that_never_becomes_ready_ends_the_start_with_its_last_lines(supervisor):
    began = time.monotonic()
    with pytest.raises(StartFailed) as failed:
        await supervisor.start([_child("slow", WORDY, ready=_never, limit=1.5)])
    assert 1.4 < time.monotonic() - began < 4
    told = str(failed.value)
    assert "slow is not ready after 2 s: the moon is wrong" in told
    assert told.splitlines()[2:] == [f"  | line {number}" for number in range(11, 31)]


async def test_a_probe_that_hangs_is_no_way_round_the_limit(supervisor):
    async def hangs():
        await asyncio.sleep(600)

    with pytest.raises(StartFailed, match="no answer"):
        await supervisor.start([_child("silent", "import time; time.sleep(600)", ready=hangs, limit=0.5)])


async def test_the_time_to_be_ready_is_120_seconds_unless_something_is_downloaded():
    assert _child("any", "").limit == 120


async def test_a_process_that_ends_early_says_how(supervisor):
    with pytest.raises(StartFailed, match=r"(?s)broken ended \(exit code 3\).*\| no such file"):
        await supervisor.start([_child("broken", "print('no such file'); raise SystemExit(3)", ready=_never)])


async def test_a_failed_step_keeps_what_needs_it_from_starting(supervisor, tmp_path):
    marker = tmp_path / "started"
    step = _child("migrate", "raise SystemExit(1)")
    upon = _child("service", f"open({str(marker)!r}, 'w')", needs=frozenset({"migrate"}))
    with pytest.raises(StartFailed, match="migrate failed"):
        await supervisor.start([step, upon])
    assert not marker.exists()


async def test_logs_are_for_their_owner_only(supervisor):
    await supervisor.start([_child("step", "print('secret')")])
    assert stat.S_IMODE(supervisor.log.stat().st_mode) == 0o700
    assert stat.S_IMODE((supervisor.log / "step.log").stat().st_mode) == 0o600


async def test_the_log_of_last_time_is_kept(supervisor):
    await supervisor.start([_child("step", "print('first')")])
    await supervisor.start([_child("step", "print('second')")])
    assert (supervisor.log / "step.log.1").read_text() == "first\n"
    assert (supervisor.log / "step.log").read_text() == "second\n"


async def test_what_runs_in_the_foreground_hands_on_its_exit_code(supervisor, tmp_path):
    spec = _child("pytest", "import os; open('where', 'w').write(os.getcwd()); raise SystemExit(5)")
    assert await supervisor.foreground(replace(spec, folder=tmp_path)) == 5
    assert (tmp_path / "where").read_text() == str(tmp_path)
    assert supervisor.ledger.all() == []


async def test_a_stop_reaches_what_runs_in_the_foreground(supervisor):
    running = asyncio.create_task(supervisor.foreground(_child("pytest", "import time; time.sleep(600)")))
    while not supervisor.ledger.all():
        await asyncio.sleep(0.01)
    pid = supervisor.ledger.all()[0].pid
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await supervisor.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_stop_returns_when_the_loop_knows_of_every_end(supervisor, monkeypatch):
    # given: the loop hears late of the end of a process
    told, known = BaseSubprocessTransport._process_exited, []

    def late(transport, code):
        asyncio.get_running_loop().call_later(0.3, lambda: (told(transport, code), known.append(code)))

    monkeypatch.setattr(BaseSubprocessTransport, "_process_exited", late)
    await supervisor.start([_child("server", "import time; time.sleep(600)", ready=_at_once)])
    # when
    supervisor.hurry.set()
    await supervisor.stop()
    # then: a loop that is closed now leaves no transport open
    assert known == [-signal.SIGKILL]


async def test_a_question_that_is_cut_short_leaves_no_process():
    asking = asyncio.create_task(succeeds(("sleep", "613"), 60))
    while not (found := [each for each in psutil.Process().children() if "613" in each.cmdline()]):
        await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert not found[0].is_running()
