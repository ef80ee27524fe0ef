"""Forked processes are processes of their own: they start, write, stop and die as any other."""

import os
import signal
import sys

import psutil
import pytest

from cli.processes.fleet import Fleet
from cli.processes.launcher import StartFailed
from cli.processes.ports import pick
from cli.processes.probes import answers
from cli.processes.specs import Spec
from cli.testing.forking import fork

SMTP = (sys.executable, "-m", "cli.fakes.smtp")


@pytest.fixture
async def fleet(tmp_path):
    made = Fleet(tmp_path, fork=fork)
    yield made
    await made.stop()


def server(**changes):
    ports = pick(("smtp", "http"))
    words = ("--smtp-port", str(ports["smtp"]), "--http-port", str(ports["http"]))
    ready = answers(f"http://127.0.0.1:{ports['http']}/stats")
    return Spec("smtp", (*SMTP, *words), {"PATH": os.environ["PATH"], **changes}, ready=ready)


async def test_a_fork_has_its_own_session_and_environment_and_starts_again_after_a_kill(fleet):
    await fleet.start(server(MADE_UP="yes"))
    first = fleet.pid("smtp")
    assert os.getsid(first) == first
    assert psutil.Process(first).cwd() == "/"
    # when
    fleet.kill("smtp")
    # then
    assert not psutil.pid_exists(first)
    await fleet.again("smtp")
    assert fleet.pid("smtp") != first
    assert await fleet.stop() == []


async def test_what_a_fork_writes_before_it_fails_is_in_the_error(fleet):
    nothing = Spec("scheduler", (sys.executable, "-m", "scheduler"), {}, ready=server().ready)
    with pytest.raises(StartFailed, match=r"(?s)exit code 78.*DATABASE_URL is not set"):
        await fleet.start(nothing)


def test_a_fork_that_is_killed_has_the_signal_as_its_exit_code(tmp_path):
    forked = fork(server(), tmp_path / "smtp.log")
    assert forked.poll() is None
    os.kill(forked.pid, signal.SIGKILL)
    assert forked.wait() == -signal.SIGKILL


@pytest.mark.parametrize("variable", ["LD_PRELOAD", "PYTHONPATH"])
def test_what_counts_at_the_start_of_an_interpreter_is_not_forked(variable, tmp_path):
    assert fork(server(**{variable: "/nowhere"}), tmp_path / "smtp.log") is None
