"""Work that cannot be trusted to stop runs in a child process: bounded by the kernel, killed as a group.

A thread cannot be killed and a native library may hang, leak or crash; a child takes only itself with it. It runs in a
session of its own, without this process's environment, under limits set by prlimit(1), and dies with the worker
(setpriv(1) --pdeathsig). Both tools are part of util-linux, which every Debian and Ubuntu has.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from shared.errors import SchoolConnectError

log = structlog.get_logger()

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """What a child may use. Memory is address space; `output_bytes` holds for stdout and stderr each."""

    memory_bytes: int = 2_000_000_000
    cpu_seconds: int = 600
    file_bytes: int = 500_000_000
    open_files: int = 256
    output_bytes: int = 64_000_000


@dataclass(frozen=True, slots=True)
class CompletedProcess:
    """How a child ended: its exit code, or minus the signal that ended it (`-SIGXCPU`: too much CPU time)."""

    code: int
    out: bytes
    err: bytes


class TooMuchOutput(SchoolConnectError):
    """A child wrote more than it may, and was killed."""


async def run(
    argv: Sequence[str],
    *,
    bounds: ResourceLimits,
    grace: float,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> CompletedProcess:
    """Run a program to its end. `env` is all that it gets besides PATH and a UTF-8 locale.

    When the caller is cancelled (a limit, a cancel, a lost lease) its group gets SIGTERM, and SIGKILL `grace` seconds
    later; this returns only when nothing of it is left. Raises TooMuchOutput.
    """
    limits = (
        f"--as={bounds.memory_bytes}",
        f"--cpu={bounds.cpu_seconds}:{bounds.cpu_seconds + 1}",
        f"--fsize={bounds.file_bytes}",
        f"--nofile={bounds.open_files}",
        "--core=0",
    )
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "KILL", "--", "prlimit", *limits, "--", *argv),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": PATH, "LANG": "C.UTF-8"} | dict(env or {}),
        cwd=cwd,
        start_new_session=True,
    )
    try:
        async with asyncio.TaskGroup() as together:
            together.create_task(_feed(process, stdin))
            out = together.create_task(_read(process.stdout, bounds.output_bytes))
            err = together.create_task(_read(process.stderr, bounds.output_bytes))
            code = together.create_task(process.wait())
    except ExceptionGroup as several:
        raise several.exceptions[0] from several
    except asyncio.CancelledError:
        await _stop(process, grace)
        raise
    finally:
        # Grandchildren that outlived their parent are still in its group.
        _signal(process, signal.SIGKILL)
        await _gone(process)
    return CompletedProcess(code.result(), out.result(), err.result())


async def _feed(process: asyncio.subprocess.Process, stdin: bytes) -> None:
    """A child that does not read to the end is its own business."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(stdin)
        await process.stdin.drain()
    process.stdin.close()


async def _read(stream: asyncio.StreamReader | None, most: int) -> bytes:
    assert stream is not None
    found = bytearray()
    while part := await stream.read(65_536):
        found += part
        if len(found) > most:
            raise TooMuchOutput(f"a child wrote more than {most} bytes")
    return bytes(found)


async def _stop(process: asyncio.subprocess.Process, grace: float) -> None:
    """Ask first; a second cancellation, such as a shutdown's, kills at once."""
    _signal(process, signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(grace):
            await _gone(process)
            return
    log.warning("child.killed", pid=process.pid, grace=grace)


async def _gone(process: asyncio.subprocess.Process) -> None:
    """Wait for the end. `wait` alone would hang on a full pipe that nobody reads: what is left in them is dropped."""
    await asyncio.gather(process.wait(), _drop(process.stdout), _drop(process.stderr))


async def _drop(stream: asyncio.StreamReader | None) -> None:
    assert stream is not None
    while await stream.read(65_536):
        pass


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
