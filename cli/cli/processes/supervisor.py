"""Starts processes in the order of their needs, keeps them running, ends them in the opposite order."""

import asyncio
import os
import pwd
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import IO

from cli.layout import private_folder
from cli.processes.process_table import Ledger, Recorded, boot, end, family, kill_all, started
from cli.processes.specs import NotReady, Spec, depth
from shared.errors import SchoolConnectError

LAST_LINES = 20
PROBE_PAUSE = 0.1
BACKOFF_FIRST, BACKOFF_MOST = 0.5, 10.0
STEADY = 30.0
"""Seconds after which a process counts as running well again."""
FAREWELL = 5.0
"""Seconds for the loop to hear of the end of a process that was killed; one that runs as root ends when it likes."""

Running = tuple[asyncio.subprocess.Process, Recorded]


class StartFailed(SchoolConnectError):
    """A process did not become ready."""

    def __init__(self, what: str, log: Path) -> None:
        lines = log.read_text(errors="replace").splitlines()[-LAST_LINES:] if log.exists() else []
        tail = "\n".join(f"  | {line}" for line in lines) or "  | (it wrote nothing)"
        super().__init__(f"{what}\nlast lines of {log}:\n{tail}")


class Supervisor:
    """The processes of one stack. `say` gets lines for people; output goes to `log`/<name>.log."""

    def __init__(self, ledger: Ledger, log: Path, say: Callable[[str], None]) -> None:
        self.ledger = ledger
        self.log = private_folder(log)
        self.log.chmod(0o700)
        self.say = say
        self.hurry = asyncio.Event()
        self._keepers: list[asyncio.Task[None]] = []
        self._spawning: set[asyncio.Task[Running]] = set()
        self._children: set[asyncio.subprocess.Process] = set()

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
        """Run it on our own output, above everything else that runs; returns its exit code."""
        level = max((process.depth for process in self.ledger.all()), default=-1) + 1
        process, recorded = await self._spawn(spec, level, None)
        code = await process.wait()
        kill_all(family(recorded.pid))
        self.ledger.remove([recorded])
        return code

    async def stop(self) -> None:
        """End everything, within the sum of the graces of each depth; `hurry` makes it immediate."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, *self._spawning, return_exceptions=True)
        processes = self.ledger.all()
        await end(processes, self.hurry)
        self.ledger.remove(processes)
        # The kernel knows before the loop does; a loop that is closed in between leaves the transports open.
        heard = [asyncio.create_task(child.wait()) for child in self._children if child.returncode is None]
        if heard:
            _, deaf = await asyncio.wait(heard, timeout=FAREWELL)
            for each in deaf:
                each.cancel()
        self._children.clear()

    async def _bring_up(self, spec: Spec, level: int, ready: dict[str, asyncio.Event]) -> None:
        for need in spec.needs:
            await ready[need].wait()
        process, recorded = await self._spawn(spec, level, self._file(spec))
        if spec.ready is None:
            await self._step(spec, process, recorded)
        else:
            await self._until_ready(spec, process)
            self._keepers.append(asyncio.create_task(self._keep(spec, level, process, recorded)))
        ready[spec.name].set()

    async def _step(self, spec: Spec, process: asyncio.subprocess.Process, recorded: Recorded) -> None:
        try:
            code = await asyncio.wait_for(process.wait(), spec.limit)
        except TimeoutError:
            raise StartFailed(f"{spec.name} did not end within {spec.limit:.0f} s", self._file(spec)) from None
        self.ledger.remove([recorded])
        if code:
            raise StartFailed(f"{spec.name} failed ({_ended(code)})", self._file(spec))

    async def _until_ready(self, spec: Spec, process: asyncio.subprocess.Process) -> None:
        assert spec.ready is not None
        deadline = time.monotonic() + spec.limit
        reason = "no answer"
        while time.monotonic() < deadline:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(deadline - time.monotonic(), 0.0)):
                    try:
                        await spec.ready()
                    except NotReady as state:
                        reason = str(state)
                    else:
                        # Something else may answer on the port that this process could not have.
                        if process.returncode is None:
                            return
            if process.returncode is not None:
                raise StartFailed(f"{spec.name} ended ({_ended(process.returncode)})", self._file(spec))
            await asyncio.sleep(PROBE_PAUSE)
        raise StartFailed(f"{spec.name} is not ready after {spec.limit:.0f} s: {reason}", self._file(spec))

    async def _keep(self, spec: Spec, level: int, process: asyncio.subprocess.Process, recorded: Recorded) -> None:
        pause = BACKOFF_FIRST
        while True:
            began = time.monotonic()
            code = await process.wait()
            # What it had started would hold its port or its lock against the next one.
            kill_all(family(recorded.pid))
            self.ledger.remove([recorded])
            pause = BACKOFF_FIRST if time.monotonic() - began > STEADY else pause
            self.say(f"{spec.name} ended ({_ended(code)}); starting it again in {pause:g} s")
            await asyncio.sleep(pause)
            pause = min(pause * 2, BACKOFF_MOST)
            process, recorded = await self._spawn(spec, level, self._file(spec))

    async def _spawn(self, spec: Spec, level: int, output: Path | None) -> Running:
        # Shielded: a stop between fork and ledger would leave a process that nobody knows of.
        task = asyncio.create_task(self._spawn_recorded(spec, level, output))
        self._spawning.add(task)
        task.add_done_callback(self._spawning.discard)
        return await asyncio.shield(task)

    async def _spawn_recorded(self, spec: Spec, level: int, output: Path | None) -> Running:
        group = pwd.getpwnam(spec.user).pw_gid if spec.user else None
        with _log(output) if output else nullcontext() as log:
            process = await asyncio.create_subprocess_exec(
                *spec.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(spec.env),
                start_new_session=True,
                user=spec.user,
                group=group,
                extra_groups=[] if spec.user else None,
                cwd=spec.folder,
            )
        self._children = {child for child in self._children if child.returncode is None} | {process}
        recorded = Recorded(
            name=spec.name,
            pid=process.pid,
            started=started(process.pid) or 0,
            boot=boot(),
            depth=level,
            stop_signal=spec.stop_signal,
            grace=spec.grace,
            cleanup=spec.cleanup,
        )
        self.ledger.add(recorded)
        return process, recorded

    def _file(self, spec: Spec) -> Path:
        return self.log / f"{spec.name}.log"

    def _rotate(self, spec: Spec) -> None:
        if self._file(spec).exists():
            self._file(spec).replace(self.log / f"{spec.name}.log.1")


def _log(path: Path) -> IO[bytes]:
    # What programs write may name people.
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


def _ended(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
