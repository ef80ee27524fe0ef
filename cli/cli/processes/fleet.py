"""Processes that a test or a measurement starts, kills and starts again by name. Nothing restarts by itself here."""

import asyncio
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cli.processes.process_table import Ledger, Recorded, boot, end, kill, started
from cli.processes.specs import NotReady, Spec, depth
from cli.processes.supervisor import StartFailed

POLL = 0.05


@dataclass(frozen=True, slots=True)
class _Process:
    handle: subprocess.Popen[bytes]
    recorded: Recorded


class Fleet:
    """Each process writes to `folder`/<name>.log. All are in `ledger`, so that the next run ends what is left.

    Works from any event loop (uvloop knows no other user for a child).
    """

    def __init__(self, folder: Path, ledger: Ledger | None = None) -> None:
        self.folder = folder
        self._ledger = ledger or Ledger(folder / "processes.json")
        self._specs: dict[str, Spec] = {}
        self._levels: dict[str, int] = {}
        self._running: dict[str, _Process] = {}

    @property
    def running(self) -> frozenset[str]:
        """Names of what was started and not ended by us."""
        return frozenset(self._running)

    async def start(self, *specs: Spec) -> None:
        """Start each once what it needs is ready, and return when all are; raises StartFailed."""
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
            for spec in together:
                self._spawn(spec)
            await asyncio.gather(*(self._ready(spec) for spec in together))

    def kill(self, name: str) -> None:
        """SIGKILL to it and to all that it started, and wait for its end."""
        process = self._running.pop(name)
        kill(process.recorded)
        process.handle.wait()
        self._ledger.remove([process.recorded])

    async def stop(self, *names: str) -> list[str]:
        """End them in order, the last started first; returns those that outlived their grace and were killed."""
        ending = {name: self._running.pop(name) for name in names or self.running}
        await end([process.recorded for process in ending.values()], asyncio.Event())
        self._ledger.remove([process.recorded for process in ending.values()])
        return [name for name, process in ending.items() if process.handle.wait() == -signal.SIGKILL]

    def pid(self, name: str) -> int:
        """Process id of one that runs."""
        return self._running[name].recorded.pid

    def log(self, name: str) -> Path:
        """Where it writes."""
        return self.folder / f"{name}.log"

    def _spawn(self, spec: Spec) -> None:
        with os.fdopen(os.open(self.log(spec.name), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as log:
            handle = subprocess.Popen(
                spec.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(spec.env),
                start_new_session=True,
                user=spec.user,
                group=pwd.getpwnam(spec.user).pw_gid if spec.user else None,
                extra_groups=[] if spec.user else None,
                cwd=spec.folder,
            )
        recorded = Recorded(
            name=spec.name,
            pid=handle.pid,
            started=started(handle.pid) or 0,
            boot=boot(),
            depth=self._levels[spec.name],
            stop_signal=spec.stop_signal,
            grace=spec.grace,
            cleanup=spec.cleanup,
        )
        self._ledger.add(recorded)
        self._running[spec.name] = _Process(handle, recorded)

    async def _ready(self, spec: Spec) -> None:
        deadline = time.monotonic() + spec.limit
        reason = "no answer"
        while time.monotonic() < deadline:
            code = self._running[spec.name].handle.poll()
            if spec.ready is None and code == 0:
                self._ledger.remove([self._running.pop(spec.name).recorded])
                return
            if code is not None:
                raise StartFailed(f"{spec.name} ended with {code}", self.log(spec.name))
            if spec.ready is not None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(deadline - time.monotonic(), 0)):
                        try:
                            await spec.ready()
                        except NotReady as state:
                            reason = str(state)
                        else:
                            return
            await asyncio.sleep(POLL)
        raise StartFailed(f"{spec.name} is not ready after {spec.limit:.0f} s: {reason}", self.log(spec.name))
