"""Thousands of connections with half a request each: health answers, and clients with a token notice nothing."""

import asyncio
import sys
import time
from asyncio.subprocess import PIPE

import httpx

from benchmarks import notifier_load
from benchmarks.harness import Lab, Report
from benchmarks.neighbours import client_of, send_one
from cli.testing.system import System

PROCESSES = 2
"""One process may not hold 20,000 descriptors."""
CLIENTS = 4
PAUSE = 0.05


async def run(lab: Lab, report: Report) -> None:
    """Compare POST alone and beside the crowd; ask for health all along."""
    wanted, seconds = lab.size(20_000, 400), lab.seconds(40, 3)
    limits = {"RATE_CALLER": "0", "RATE_SCHOOL": "0"}  # the load is one caller
    async with lab.system(("gateway",), LOG_LEVEL="WARNING", **limits) as system:
        await _posts(system, seconds)  # warms connections and caches
        quiet, _ = await _posts(system, seconds)
        crowd = [await _crowd(system, wanted // PROCESSES, 4 * seconds) for _ in range(PROCESSES)]
        for each in crowd:
            assert each.stdout is not None
            await each.stdout.readline()
        beside, health = await _posts(system, seconds)
        report.exactly("crowd processes that ended early", sum(each.returncode is not None for each in crowd), "", 0)
        opened = [int((await each.communicate())[0]) for each in crowd]
    report.at_least("connections with half a request", sum(opened), "", wanted)
    report.exactly("questions about health without a 200", sum(answer != 200 for answer in health), "", 0)  # noqa: PLR2004
    report.figure("questions about health", len(health), "")
    report.figure("p99 of a POST alone", 1000 * _p99(quiet), "ms")
    report.at_most("p99 of a POST beside it / alone", _p99(beside) / _p99(quiet), "", 3)


async def _crowd(system: System, wanted: int, seconds: int) -> asyncio.subprocess.Process:
    words = (str(system.ports["gateway"]), str(wanted), str(seconds))
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.crowd", *words, stdout=PIPE)


async def _posts(system: System, seconds: int) -> tuple[list[float], list[int]]:
    """Send for some seconds with a few clients; return the seconds of each POST, and the answers about health."""
    school = notifier_load.add_school(system, 1)
    durations, health, end = list[float](), list[int](), time.monotonic() + seconds

    async def post() -> None:
        async with client_of(system) as client:
            while time.monotonic() < end:
                began = time.monotonic()
                await send_one(client, school)
                durations.append(time.monotonic() - began)
                await asyncio.sleep(PAUSE)

    async def ask() -> None:
        while time.monotonic() < end:
            async with httpx.AsyncClient(timeout=30) as client:  # a new connection each time, as probes have
                health.append((await client.get(f"{system.url}/health/live")).status_code)
            await asyncio.sleep(PAUSE)

    async with asyncio.TaskGroup() as group:
        group.create_task(ask())
        for _ in range(CLIENTS):
            group.create_task(post())
    return sorted(durations), health


def _p99(durations: list[float]) -> float:
    return durations[int(len(durations) * 0.99)]
