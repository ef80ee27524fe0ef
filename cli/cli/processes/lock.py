"""One supervisor per stack. The lock is the kernel's, so that it dies with its holder; the file says who that is."""

import datetime as dt
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from cli.layout import private_folder
from cli.processes.process_table import boot, started
from shared.errors import Refused

NAMING = 0.5
"""Seconds that whoever has just taken the lock gets to write who it is."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lock: process id, the command as people type it, since when (ISO 8601).

    `started` (clock ticks since `boot`) tells the process from a later one of the same number.
    """

    pid: int
    command: str
    since: str
    started: int
    boot: str

    def __str__(self) -> str:
        return f"`{self.command}` (process {self.pid}, since {self.since})"


class Taken(Refused):
    """Another command holds this stack."""

    def __init__(self, holder: Holder | None) -> None:
        super().__init__(f"this stack is held by {holder or 'a command that is just starting'}")
        self.holder = holder


@contextmanager
def held(path: Path, command: str) -> Iterator[None]:
    """Hold the lock for the time of the block; raises Taken. The block may remove the file."""
    handle = _take(path)
    try:
        _write(handle, json.dumps(asdict(_myself(command))).encode())
        try:
            yield
        finally:
            _write(handle, b"")
    finally:
        os.close(handle)


def holder(path: Path) -> Holder | None:
    """Who holds the lock now; None when nobody does. Only looks: taking it would turn away whoever comes meanwhile."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    found = _parse(content)
    return found if found and found.boot == boot() and started(found.pid) == found.started else None


def _take(path: Path) -> int:
    """The locked file; raises Taken."""
    while True:
        private_folder(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            taken = Taken(_named(handle))
            os.close(handle)
            raise taken from problem
        # Whoever held it before may have removed the file: then this is the lock of nothing.
        if _is(path, handle):
            return handle
        os.close(handle)


def _is(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _myself(command: str) -> Holder:
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return Holder(os.getpid(), command, now, started(os.getpid()) or 0, boot())


def _named(handle: int) -> Holder | None:
    # Between taking the lock and naming oneself there is a moment.
    limit = time.monotonic() + NAMING
    while not (found := _parse(os.pread(handle, 4096, 0))) and time.monotonic() < limit:
        time.sleep(0.01)
    return found


def _parse(content: bytes) -> Holder | None:
    try:
        return Holder(**json.loads(content))
    except (ValueError, TypeError):
        # Empty, half written, or by an older release: nobody who could be named.
        return None


def _write(handle: int, content: bytes) -> None:
    os.ftruncate(handle, 0)
    os.pwrite(handle, content, 0)
