"""Processes that a test or a measurement starts, kills and starts again by name. None restarts by itself."""

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path

from cli.processes.launcher import Child, Fork, Launcher, StartFailed
from cli.processes.process_table import ProcessTable, end, kill
from cli.processes.specs import Spec, depth


class KilledWhileStarting(Exception):
    """The fleet ended the process before it was ready."""


class Fleet:
    """Each process writes to `folder`/<name>.log. All are in `table`, so that the next run ends what is left."""

    def __init__(self, folder: Path, table: ProcessTable | None = None, fork: Fork | None = None) -> None:
        self._table = table or ProcessTable(folder / "processes.json")
        self._launcher = Launcher(self._table, folder, fork)
        self._specs: dict[str, Spec] = {}
        self._levels: dict[str, int] = {}
        self._running: dict[str, Child] = {}

    @property
    def running(self) -> frozenset[str]:
        """Names of the processes that this fleet has started and not ended."""
        return frozenset(self._running)

    async def start(self, *specs: Spec) -> None:
        """Start each once what it needs is ready, and return when all are; raises StartFailed, KilledWhileStarting."""
        floor = max(self._levels.values(), default=-1) + 1
        for spec in specs:
            self._specs[spec.name] = spec
            self._levels.setdefault(spec.name, floor + depth(spec, specs))
        await self._start(specs)

    async def again(self, *names: str) -> None:
        """Start processes that were ended, as they were started first."""
        await self._start([self._specs[name] for name in names])

    async def _start(self, specs: Sequence[Spec]) -> None:
        for level in sorted({self._levels[spec.name] for spec in specs}):
            together = [spec for spec in specs if self._levels[spec.name] == level]
            children = [self._launcher.spawn(spec, level) for spec in together]
            self._running |= {spec.name: child for spec, child in zip(together, children, strict=True)}
            await asyncio.gather(*map(self._until_ready, together, children))

    async def _until_ready(self, spec: Spec, child: Child) -> None:
        try:
            await self._launcher.until_ready(spec, child)
        except StartFailed as problem:
            if self._running.get(spec.name) is child:
                raise
            raise KilledWhileStarting(spec.name) from problem
        if spec.ready is None:
            del self._running[spec.name]

    def kill(self, name: str) -> None:
        """Send SIGKILL to it and to all that it started, and wait for its end."""
        child = self._running.pop(name)
        kill(child.record)
        child.handle.wait()
        self._table.remove([child.record])

    async def stop(self, *names: str) -> list[str]:
        """End them in order, the last started first; return those that outlived their grace and were killed."""
        ending = {name: self._running.pop(name) for name in names or self.running}
        records = [child.record for child in ending.values()]
        await end(records, asyncio.Event())
        self._table.remove(records)
        return [name for name, child in ending.items() if child.handle.wait() == -signal.SIGKILL]

    def pid(self, name: str) -> int:
        """Process id of one that runs."""
        return self._running[name].record.pid

    def log(self, name: str) -> Path:
        """The file that it writes to."""
        return self._launcher.log(name)
