"""Runs work that may not stop in a child process, with resource limits of the kernel, and kills its process group.

A thread cannot be killed, and a native library may hang, leak memory or crash; a child process can be ended without
harm to the worker. It runs in its own session, without the worker's environment, with limits set by prlimit(1), and
ends with the worker (setpriv(1) --pdeathsig). Both tools are part of util-linux, and nice(1) is one of coreutils; every
Debian and Ubuntu has them.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from shared.errors import SchoolConnectError

log = structlog.get_logger()

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """Limits of a child. Memory is address space; `output_bytes` is for stdout and for stderr.

    `niceness` is added to the worker's own: from 1 to 19, the processor's time goes to other work first.
    """

    memory_bytes: int = 2_000_000_000
    cpu_seconds: int = 600
    file_bytes: int = 500_000_000
    open_files: int = 256
    output_bytes: int = 64_000_000
    niceness: int = 0


@dataclass(frozen=True, slots=True)
class CompletedProcess:
    """How a child ended: its exit code, or the negative number of its signal (`-SIGXCPU`: too much CPU time)."""

    code: int
    out: bytes
    err: bytes


class TooMuchOutput(SchoolConnectError):
    """A child wrote more than its limit, and was killed."""


async def run(
    argv: Sequence[str],
    *,
    bounds: ResourceLimits,
    grace: float,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    on_error_line: Callable[[str], None] | None = None,
) -> CompletedProcess:
    """Run a program to its end. Its environment is `env`, PATH and a UTF-8 locale.

    If the caller is cancelled (by a time limit, a cancel or a lost lease), the process group gets SIGTERM, and SIGKILL
    `grace` seconds later. Returns when no process of the group is left. Raises TooMuchOutput.
    `on_error_line` is called with each line of stderr as it comes: how a child reports its progress.
    """
    limits = (
        f"--as={bounds.memory_bytes}",
        f"--cpu={bounds.cpu_seconds}:{bounds.cpu_seconds + 1}",
        f"--fsize={bounds.file_bytes}",
        f"--nofile={bounds.open_files}",
        "--core=0",
    )
    nice = ("nice", "-n", str(bounds.niceness)) if bounds.niceness else ()
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "KILL", "--", "prlimit", *limits, "--", *nice, *argv),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": PATH, "LANG": "C.UTF-8"} | dict(env or {}),
        cwd=cwd,
        start_new_session=True,
    )
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_feed(process, stdin))
            out = group.create_task(_read(process.stdout, bounds.output_bytes))
            err = group.create_task(_read(process.stderr, bounds.output_bytes, on_error_line))
            code = group.create_task(process.wait())
    except ExceptionGroup as several:
        raise several.exceptions[0] from several
    except asyncio.CancelledError:
        await _stop(process, grace)
        raise
    finally:
        # Grandchildren may outlive their parent; they are still in its group.
        _signal(process, signal.SIGKILL)
        await _gone(process)
    return CompletedProcess(code.result(), out.result(), err.result())


async def _feed(process: asyncio.subprocess.Process, stdin: bytes) -> None:
    """Write stdin; a child that stops reading is no error."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(stdin)
        await process.stdin.drain()
    process.stdin.close()


async def _read(stream: asyncio.StreamReader | None, most: int, on_line: Callable[[str], None] | None = None) -> bytes:
    assert stream is not None
    found, seen = bytearray(), 0
    while part := await stream.read(65_536):
        found += part
        if on_line:
            *lines, rest = bytes(found[seen:]).split(b"\n")
            seen = len(found) - len(rest)
            for line in lines:
                on_line(line.decode(errors="replace"))
        if len(found) > most:
            raise TooMuchOutput(f"a child process wrote more than {most} bytes")
    return bytes(found)


async def _stop(process: asyncio.subprocess.Process, grace: float) -> None:
    """Send SIGTERM and wait `grace` seconds. A second cancellation, such as a shutdown, ends the wait."""
    _signal(process, signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(grace):
            await _gone(process)
            return
    log.warning("child_process.killed", pid=process.pid, grace=grace)


async def _gone(process: asyncio.subprocess.Process) -> None:
    """Wait for the end, and discard the remaining output: `wait` alone would hang on a full pipe."""
    await asyncio.gather(process.wait(), _drop(process.stdout), _drop(process.stderr))


async def _drop(stream: asyncio.StreamReader | None) -> None:
    assert stream is not None
    while await stream.read(65_536):
        pass


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
