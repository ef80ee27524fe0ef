"""One supervisor per stack. The lock is the kernel's, so that it dies with its holder; the file says who that is."""

import datetime as dt
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from cli.layout import private_folder
from shared.errors import Refused


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lock: process id, the command as people type it, since when (ISO 8601)."""

    pid: int
    command: str
    since: str

    def __str__(self) -> str:
        return f"`{self.command}` (process {self.pid}, since {self.since})"


class Taken(Refused):
    """Another command holds this stack."""

    def __init__(self, holder: Holder | None) -> None:
        super().__init__(f"this stack is held by {holder or 'a command that is just starting'}")
        self.holder = holder


@contextmanager
def held(path: Path, command: str) -> Iterator[None]:
    """Hold the lock for the time of the block; raises Taken."""
    private_folder(path.parent)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            raise Taken(_read(handle)) from problem
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        _write(handle, json.dumps(asdict(Holder(os.getpid(), command, now))).encode())
        try:
            yield
        finally:
            _write(handle, b"")
    finally:
        os.close(handle)


def holder(path: Path) -> Holder | None:
    """Who holds the lock now; None when nobody does."""
    try:
        with held(path, "a look"):
            return None
    except Taken as taken:
        return taken.holder or Holder(0, "unknown", "just now")


def _write(handle: int, content: bytes) -> None:
    os.ftruncate(handle, 0)
    os.pwrite(handle, content, 0)


def _read(handle: int) -> Holder | None:
    # Empty between taking the lock and naming oneself.
    content = os.pread(handle, 4096, 0)
    return Holder(**json.loads(content)) if content else None
