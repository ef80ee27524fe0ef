"""Allow one supervisor per stack, with a lock of the kernel: it ends with its holder. The file names the holder."""

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
from cli.processes.process_table import boot_id, start_time
from shared.errors import Refused

NAMING = 0.5
"""Seconds that a new holder of the lock has to write its name into the file."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds the lock: its id, the command as people type it, since when (ISO 8601).

    `started` (clock ticks since `boot`) distinguishes it from a later process with the same id.
    """

    pid: int
    command: str
    since: str
    started: int
    boot: str

    def __str__(self) -> str:
        return f"`{self.command}` (process {self.pid}, since {self.since})"

    @property
    def running(self) -> bool:
        """Whether its process still runs, perhaps without the lock."""
        return self.boot == boot_id() and start_time(self.pid) == self.started


class AlreadyRunning(Refused):
    """Another command runs this stack."""

    def __init__(self, holder: Holder | None) -> None:
        super().__init__(f"This stack is already run by {holder or 'a command that is just starting'}")
        self.holder = holder


@contextmanager
def held(path: Path, command: str) -> Iterator[None]:
    """Hold the lock during the block, which may remove the file; raises AlreadyRunning."""
    handle = _acquire(path)
    try:
        _write(handle, json.dumps(asdict(_this_process(command))).encode())
        try:
            yield
        finally:
            _write(handle, b"")
    finally:
        os.close(handle)


def holder(path: Path) -> Holder | None:
    """Return the holder of the lock, or None. It does not acquire it, so no other command is refused."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    found = _parse(content)
    return found if found and found.running else None


def _acquire(path: Path) -> int:
    """Return the locked file; raises AlreadyRunning."""
    while True:
        private_folder(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            refusal = AlreadyRunning(_read_holder(handle))
            os.close(handle)
            raise refusal from problem
        # The holder before may have removed the file: then this locks a file that has no name any more.
        if _is_same_file(path, handle):
            return handle
        os.close(handle)


def _is_same_file(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _this_process(command: str) -> Holder:
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return Holder(os.getpid(), command, now, start_time(os.getpid()) or 0, boot_id())


def _read_holder(handle: int) -> Holder | None:
    # A new holder locks the file first and writes its name a moment later.
    limit = time.monotonic() + NAMING
    while not (found := _parse(os.pread(handle, 4096, 0))) and time.monotonic() < limit:
        time.sleep(0.01)
    return found


def _parse(content: bytes) -> Holder | None:
    try:
        return Holder(**json.loads(content))
    except (ValueError, TypeError):
        # Empty, half written, or by an older release: the holder's name is unknown.
        return None


def _write(handle: int, content: bytes) -> None:
    os.ftruncate(handle, 0)
    os.pwrite(handle, content, 0)
