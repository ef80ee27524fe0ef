"""Child processes: their limits, and that none of them remains."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from shared.jobs import subprocess
from shared.jobs.subprocess import ResourceLimits, TooMuchOutput
from shared.testing.fixtures import eventually

BOUNDS = ResourceLimits(memory_bytes=500_000_000, cpu_seconds=1, output_bytes=100_000)
FAMILY = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
grand = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, 1); time.sleep(600)"])
print(os.getpid(), grand.pid, flush=True)
open(sys.argv[1], "w").write(f"{os.getpid()} {grand.pid}")
time.sleep(600)
"""
WORKER = """
import asyncio, sys
from shared.jobs import subprocess
argv = [sys.executable, "-c", sys.argv[1], sys.argv[2]]
asyncio.run(subprocess.run(argv, bounds=subprocess.ResourceLimits(), grace=5))
"""


def python(code, *arguments, **more):
    return subprocess.run([sys.executable, "-c", code, *arguments], bounds=BOUNDS, grace=0.3, **more)


def read(path: Path):
    return path.read_text().split() if path.exists() else []


async def written(path):
    return read(path)


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # the process ended between opening and reading
        return False
    return state not in "ZX"


async def test_a_child_gives_way_to_other_work_as_its_limits_say():
    nice = [sys.executable, "-c", "import os; print(os.nice(0))"]
    plain = await subprocess.run(nice, bounds=BOUNDS, grace=0.3)
    behind = await subprocess.run(nice, bounds=ResourceLimits(niceness=7), grace=0.3)
    assert int(behind.out) == min(int(plain.out) + 7, 19)


async def gone(pids):
    await eventually(lambda: asyncio.sleep(0, [pid for pid in pids if alive(pid)]), lambda left: left == [])


async def test_child_gets_stdin_but_not_the_workers_environment():
    ended = await python(
        "import os, sys; print(sorted(os.environ)); print(sys.stdin.read()); sys.exit(3)",
        stdin=b"page",
        env={"PAGES": "1"},
    )
    assert ended.code == 3
    assert ended.out.decode().splitlines() == ["['LANG', 'PAGES', 'PATH']", "page"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("x = bytearray(10**9)", 1),
        ("while True: pass", -signal.SIGXCPU),
        ("import os; os.kill(os.getpid(), 11)", -signal.SIGSEGV),
    ],
    ids=["memory", "cpu", "crash"],
)
async def test_child_over_its_limits_ends_without_harm_to_the_worker(code, expected):
    ended = await python(code)
    assert ended.code == expected


async def test_child_that_writes_too_much_is_killed():
    with pytest.raises(TooMuchOutput):
        await python("while True: print('x' * 1000)")


async def test_cancelled_child_is_killed_with_its_process_group(tmp_path):
    # given: child and grandchild ignore SIGTERM
    running = asyncio.create_task(python(FAMILY, str(tmp_path / "pids")))
    pids = [int(pid) for pid in await eventually(lambda: written(tmp_path / "pids"), lambda found: len(found) == 2)]
    assert all(alive(pid) for pid in pids)
    # when
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    # then
    await gone(pids)


async def test_child_that_obeys_sigterm_ends_and_its_process_group_is_killed(tmp_path):
    polite = FAMILY.replace("signal.signal(signal.SIGTERM, signal.SIG_IGN)", "")
    running = asyncio.create_task(python(polite, str(tmp_path / "pids")))
    pids = [int(pid) for pid in await eventually(lambda: written(tmp_path / "pids"), lambda found: len(found) == 2)]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await gone(pids)


async def test_child_ends_when_its_worker_is_killed(tmp_path):
    # given
    sleeper = "import os, sys, time; open(sys.argv[1], 'w').write(f'{os.getpid()} -'); time.sleep(600)"
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, sleeper, str(tmp_path / "pids"))
    pid = int((await eventually(lambda: written(tmp_path / "pids"), lambda found: len(found) == 2))[0])
    # when
    worker.kill()
    await worker.wait()
    # then
    await gone([pid])
