"""Workers that are forked, killed with SIGKILL and forked again, by number."""

import asyncio
import multiprocessing
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from benchmarks import worker_process
from benchmarks.harness import Lab

LOOK = 0.02


class Workers:
    """So many processes of `benchmarks.worker_process`; one that has died is missing until `again` or `tended`."""

    def __init__(self, count: int, environment: Mapping[str, str], log: Path) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["benchmarks.__main__", "benchmarks.worker_process"])
        self._environment = dict(environment)
        self._log = log
        self._processes: dict[int, ForkServerProcess] = {}
        self.count = count
        self.started = 0

    def again(self) -> int:
        """Start those that are missing; returns how many."""
        gone = [n for n in range(self.count) if n not in self._processes or not self._processes[n].is_alive()]
        for number in gone:
            process = self._context.Process(
                target=worker_process.main, args=(self._environment, self._log), daemon=True
            )
            process.start()
            self._processes[number] = process
            self.started += 1
        return len(gone)

    @property
    def pids(self) -> list[int]:
        """The process ids of those that run."""
        return [process.pid for process in self._processes.values() if process.pid]

    def kill(self, number: int) -> None:
        """Send SIGKILL, and wait for its end."""
        process = self._processes.pop(number)
        process.kill()
        process.join()
        process.close()

    def kill_all(self) -> None:
        """Kill all that are left."""
        for number in list(self._processes):
            self.kill(number)

    async def killing(self, lab: Lab, seconds: float) -> int:
        """Send SIGKILL to a random one every 0.2 to 1.2 s, and start it again at once; returns how many."""
        kills, loop = 0, asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            await asyncio.sleep(lab.dice.uniform(0.2, 1.2))
            self.kill(lab.dice.randrange(self.count))
            self.again()
            kills += 1
        return kills

    @asynccontextmanager
    async def tended(self) -> AsyncIterator[None]:
        """Start each that dies again at once, as a supervisor would."""

        async def tend() -> None:
            while True:
                self.again()
                await asyncio.sleep(LOOK)

        tending = asyncio.create_task(tend())
        try:
            yield
        finally:
            tending.cancel()
