"""Keep the running processes in a file, so that the next run finds what a killed one left.

They are found by process id and start time, never by name.
"""

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from cli.layout import write_private

POLL = 0.05
CLEANUP_LIMIT = 20.0


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A started process and how to end it.

    `started` is in clock ticks since `boot`: exact, and unchanged when the wall clock is set. Processes of a higher
    `depth` end first. `grace` is in seconds; `cleanup` is a command to run when the process has ended.
    """

    name: str
    pid: int
    started: int
    boot: str
    depth: int
    stop_signal: int
    grace: float
    cleanup: tuple[str, ...] = ()


class ProcessTable:
    """The file that names every running process of the stack."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def all(self) -> list[ProcessRecord]:
        if not self.path.exists():
            return []
        rows = json.loads(self.path.read_text())
        return [ProcessRecord(**(row | {"cleanup": tuple(row["cleanup"])})) for row in rows]

    def add(self, process: ProcessRecord) -> None:
        self._write([*self.all(), process])

    def remove(self, gone: Iterable[ProcessRecord]) -> None:
        pids = {process.pid for process in gone}
        self._write([process for process in self.all() if process.pid not in pids])

    def _write(self, processes: list[ProcessRecord]) -> None:
        write_private(self.path, json.dumps([asdict(process) for process in processes], indent=1).encode())


def boot_id() -> str:
    """Identity of this run of the kernel."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_time(pid: int) -> int | None:
    """When `pid` started, in clock ticks since boot; None when there is no such process, or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def alive(process: ProcessRecord) -> bool:
    """Whether this process still runs, and its number does not belong to another one now."""
    return process.boot == boot_id() and start_time(process.pid) == process.started


def descendants(pid: int) -> list[psutil.Process]:
    """Every process that `pid` started, directly or not, or that is in its session."""
    found: dict[int, psutil.Process] = {}
    with suppress(psutil.NoSuchProcess):
        found |= {child.pid: child for child in psutil.Process(pid).children(recursive=True)}
    for each in psutil.process_iter():
        with suppress(ProcessLookupError, PermissionError):
            if each.pid != pid and os.getsid(each.pid) == pid:
                found[each.pid] = each
    return list(found.values())


def kill_all(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            process.kill()


def kill(process: ProcessRecord) -> None:
    """Send SIGKILL to it and its descendants, unless its number belongs to another process now."""
    if alive(process):
        relatives = descendants(process.pid)
        _signal(process, signal.SIGKILL)
        kill_all(relatives)


async def end(processes: Iterable[ProcessRecord], kill_now: asyncio.Event) -> None:
    """End processes in order: those of the highest depth together, then those that they needed.

    Each gets its stop signal and its grace, then SIGKILL; `kill_now` cuts every grace short.
    """
    layers: dict[int, list[ProcessRecord]] = {}
    for process in processes:
        layers.setdefault(process.depth, []).append(process)
    for depth in sorted(layers, reverse=True):
        await asyncio.gather(*(_end(process, kill_now) for process in layers[depth]))


async def _end(process: ProcessRecord, kill_now: asyncio.Event) -> None:
    # Looked up while the parent lives: afterwards their parent is unknown.
    relatives = descendants(process.pid) if alive(process) else []
    if alive(process) and not kill_now.is_set():
        _signal(process, process.stop_signal)
    deadline = time.monotonic() + process.grace
    while alive(process) and time.monotonic() < deadline and not kill_now.is_set():
        await asyncio.sleep(POLL)
    kill(process)
    kill_all(relatives)
    gone = time.monotonic() + CLEANUP_LIMIT
    while alive(process) and time.monotonic() < gone:
        await asyncio.sleep(POLL)
    if process.cleanup:
        await asyncio.to_thread(_cleanup, process)


def _cleanup(process: ProcessRecord) -> None:
    subprocess.run(process.cleanup, stdin=subprocess.DEVNULL, capture_output=True, timeout=CLEANUP_LIMIT, check=False)


def _signal(process: ProcessRecord, number: int) -> None:
    # PermissionError: a step that runs as root by `sudo`; it ends on its own.
    with suppress(ProcessLookupError, PermissionError):
        os.kill(process.pid, number)
