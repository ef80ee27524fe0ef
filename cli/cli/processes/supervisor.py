"""Start processes in the order of their needs, keep them running, end them in the opposite order."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cli.processes.launcher import Child, Launcher, describe_exit
from cli.processes.process_table import ProcessTable, descendants, end, kill_all
from cli.processes.specs import Spec, depth

BACKOFF_FIRST, BACKOFF_MOST = 0.5, 10.0
STEADY = 30.0
"""Seconds after which a restarted process counts as running well: its next restart waits BACKOFF_FIRST again."""


class Supervisor:
    """The processes of one stack. `say` prints a line for the user; output goes to `log`/<name>.log."""

    def __init__(self, table: ProcessTable, log: Path, say: Callable[[str], None]) -> None:
        self.table = table
        self.log = log
        self.say = say
        self.kill_now = asyncio.Event()
        self._launcher = Launcher(table, log)
        self.log.chmod(0o700)
        self._keepers: list[asyncio.Task[None]] = []
        self._children: list[Child] = []

    async def start(self, specs: Sequence[Spec]) -> None:
        """Start all of them, each as soon as what it needs is ready; raises StartFailed."""
        ready = {spec.name: asyncio.Event() for spec in specs}
        levels = {spec.name: depth(spec, specs) for spec in specs}
        for spec in specs:
            self._rotate(spec)
        tasks = [asyncio.create_task(self._bring_up(spec, levels[spec.name], ready)) for spec in specs]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def foreground(self, spec: Spec) -> int:
        """Run it on our own output, above everything else that runs, and return its exit code."""
        level = max((process.depth for process in self.table.all()), default=-1) + 1
        child = self._spawn(spec, level, foreground=True)
        code = await child.wait()
        self._clear(child)
        return code

    async def stop(self) -> None:
        """End everything, within the sum of the graces of each depth; `kill_now` cuts every grace short."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        processes = self.table.all()
        await end(processes, self.kill_now)
        self.table.remove(processes)
        for child in self._children:
            child.handle.poll()
        self._children.clear()

    async def _bring_up(self, spec: Spec, level: int, ready: dict[str, asyncio.Event]) -> None:
        for need in spec.needs:
            await ready[need].wait()
        child = self._spawn(spec, level)
        await self._launcher.until_ready(spec, child)
        if spec.ready is not None:
            self._keepers.append(asyncio.create_task(self._keep(spec, level, child)))
        ready[spec.name].set()

    async def _keep(self, spec: Spec, level: int, child: Child) -> None:
        """Start the process again each time that it ends, after a pause that doubles."""
        pause = BACKOFF_FIRST
        while True:
            began = time.monotonic()
            code = await child.wait()
            self._clear(child)
            pause = BACKOFF_FIRST if time.monotonic() - began > STEADY else pause
            self.say(f"{spec.name} ended ({describe_exit(code)}); restarting it in {pause:g} s")
            await asyncio.sleep(pause)
            pause = min(pause * 2, BACKOFF_MOST)
            child = self._spawn(spec, level)

    def _spawn(self, spec: Spec, level: int, *, foreground: bool = False) -> Child:
        child = self._launcher.spawn(spec, level, foreground=foreground)
        self._children = [each for each in self._children if each.handle.poll() is None] + [child]
        return child

    def _clear(self, child: Child) -> None:
        """Kill what an ended process had started: it would hold its port or its lock against the next one."""
        kill_all(descendants(child.record.pid))
        self.table.remove([child.record])

    def _rotate(self, spec: Spec) -> None:
        log = self._launcher.log(spec.name)
        if log.exists():
            log.replace(log.with_name(f"{spec.name}.log.1"))
