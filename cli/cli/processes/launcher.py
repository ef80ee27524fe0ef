"""Launch a process, record it in the process table, and wait until it is ready."""

import asyncio
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from cli.layout import private_folder
from cli.processes.process_table import ProcessRecord, ProcessTable, boot_id, start_time
from cli.processes.specs import NotReady, Spec
from shared.errors import SchoolConnectError

POLL = 0.05
PROBE_PAUSE = 0.1
LAST_LINES = 20


class StartFailed(SchoolConnectError):
    """A process did not become ready. The message ends with its last log lines."""

    def __init__(self, what: str, log: Path) -> None:
        lines = log.read_text(errors="replace").splitlines()[-LAST_LINES:] if log.exists() else []
        tail = "\n".join(f"  | {line}" for line in lines) or "  | (it wrote nothing)"
        super().__init__(f"{what}\nlast lines of {log}:\n{tail}")


class Handle(Protocol):
    """What a launcher asks of a process that it started, as `subprocess.Popen` answers it."""

    pid: int

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        ...

    def wait(self) -> int:
        """Return the exit code once it has ended."""
        ...


Fork = Callable[[Spec, Path], Handle | None]
"""Starts a process that writes to a file in another way, or returns None where it cannot."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process that this one started, and its row in the process table."""

    handle: Handle
    record: ProcessRecord

    async def wait(self) -> int:
        """Return its exit code once it has ended."""
        while (code := self.handle.poll()) is None:
            await asyncio.sleep(POLL)
        return code


class Launcher:
    """Each process is in `table` while it runs and writes to `folder`/<name>.log.

    It starts them with `subprocess`, which works with every event loop and returns only when the process is known:
    uvloop cannot start a process as another user. Tests may `fork` those that can be.
    """

    def __init__(self, table: ProcessTable, folder: Path, fork: Fork | None = None) -> None:
        self.table = table
        self._fork = fork
        self.folder = private_folder(folder)

    def log(self, name: str) -> Path:
        """The file that the process `name` writes to."""
        return self.folder / f"{name}.log"

    def spawn(self, spec: Spec, depth: int, *, foreground: bool = False) -> Child:
        """Start the process and record it; in the foreground it writes to our own output."""
        forked = self._fork(spec, self.log(spec.name)) if self._fork and not foreground else None
        handle = forked or self._open(spec, foreground=foreground)
        record = ProcessRecord(
            name=spec.name,
            pid=handle.pid,
            started=start_time(handle.pid) or 0,
            boot=boot_id(),
            depth=depth,
            stop_signal=spec.stop_signal,
            grace=spec.grace,
            cleanup=spec.cleanup,
        )
        self.table.add(record)
        return Child(handle, record)

    def _open(self, spec: Spec, *, foreground: bool) -> Handle:
        with nullcontext() if foreground else _append_to(self.log(spec.name)) as log:
            return subprocess.Popen(
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
                pass_fds=spec.descriptors,
            )

    async def until_ready(self, spec: Spec, child: Child) -> None:
        """Return when the process is ready or, for a step, has ended with 0; raises StartFailed."""
        if spec.ready is None:
            await self._until_done(spec, child)
        else:
            await self._until_probed(spec, child)

    async def _until_done(self, spec: Spec, child: Child) -> None:
        try:
            code = await asyncio.wait_for(child.wait(), spec.limit)
        except TimeoutError:
            raise StartFailed(f"{spec.name} did not end within {spec.limit:.0f} s", self.log(spec.name)) from None
        self.table.remove([child.record])
        if code:
            raise StartFailed(f"{spec.name} failed ({describe_exit(code)})", self.log(spec.name))

    async def _until_probed(self, spec: Spec, child: Child) -> None:
        assert spec.ready is not None
        deadline = time.monotonic() + spec.limit
        reason = "no answer"
        while time.monotonic() < deadline:
            ready = False
            with suppress(TimeoutError):
                async with asyncio.timeout(max(deadline - time.monotonic(), 0.0)):
                    try:
                        await spec.ready()
                        ready = True
                    except NotReady as state:
                        reason = str(state)
            # The exit is checked first: another process may answer on the port that this one could not get.
            if (code := child.handle.poll()) is not None:
                raise StartFailed(f"{spec.name} ended ({describe_exit(code)})", self.log(spec.name))
            if ready:
                return
            await asyncio.sleep(PROBE_PAUSE)
        raise StartFailed(f"{spec.name} is not ready after {spec.limit:.0f} s: {reason}", self.log(spec.name))


def _append_to(path: Path) -> IO[bytes]:
    # Readable by its owner only: what programs write may name people.
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


def describe_exit(code: int) -> str:
    """`exit code 1` or `killed by SIGKILL`."""
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
