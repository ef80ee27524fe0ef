import asyncio
import sys

import pytest

from cli.processes.fleet import Fleet, KilledWhileStarting
from cli.processes.launcher import StartFailed
from cli.processes.specs import NotReady, Spec

SLEEP = "import time; time.sleep(600)"


async def _never():
    raise NotReady("never")


async def _now():
    pass


def _spec(name, code=SLEEP, ready=_now):
    return Spec(name, (sys.executable, "-c", code), {}, ready=ready)


@pytest.fixture
async def fleet(tmp_path):
    made = Fleet(tmp_path)
    yield made
    await made.stop()


async def test_a_killed_process_starts_again_by_name(fleet):
    await fleet.start(_spec("server"))
    first = fleet.pid("server")
    fleet.kill("server")
    assert fleet.running == frozenset()
    await fleet.again("server")
    assert fleet.pid("server") != first


@pytest.mark.parametrize("pause", [0, 0.01], ids=["before it is asked", "while it is asked"])
async def test_a_process_that_the_fleet_kills_while_it_starts_did_not_fail(fleet, pause):
    starting = asyncio.create_task(fleet.start(_spec("server", ready=_never)))
    while "server" not in fleet.running:
        await asyncio.sleep(pause)
    fleet.kill("server")
    with pytest.raises(KilledWhileStarting):
        await starting


async def test_a_process_that_ends_by_itself_failed(fleet):
    with pytest.raises(StartFailed, match="exit code 3"):
        await fleet.start(_spec("server", "raise SystemExit(3)", ready=_never))


async def test_stop_names_the_processes_that_it_had_to_kill(fleet):
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    )
    await fleet.start(Spec("stubborn", (sys.executable, "-c", stubborn), {}, ready=_now, grace=0.5), _spec("server"))
    while not fleet.log("stubborn").read_text():
        await asyncio.sleep(0.01)
    assert await fleet.stop() == ["stubborn"]
