"""Reads a file in a child process of its own, with limits, so that a hostile file harms no other and no service.

A fresh child for each file: memory that OCR takes is returned when it ends.
"""

import asyncio
import dataclasses
import json
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import structlog
from pydantic import TypeAdapter

from files.domain.finding import DocumentKind, Hints
from files.reading.limits import ReadLimits
from files.reading.progress import OCR_LINE
from files.reading.result import Reading, refused
from shared.errors import SchoolConnectError
from shared.jobs import subprocess
from shared.jobs.subprocess import CompletedProcess, ResourceLimits, TooMuchOutput

log = structlog.get_logger()

READING = TypeAdapter(Reading)
ADDRESS_SPACE = 4_000_000_000
"""What ONNX Runtime may reserve. The child limits what it really uses: budget.py."""
PAGE = re.compile(r"page (\d+) of (\d+)")
OUT_OF_MEMORY = frozenset({-signal.SIGKILL, -signal.SIGABRT, -signal.SIGTRAP, -signal.SIGILL, -signal.SIGBUS})
GRACE = 2.0
NICENESS = 10
"""A scan takes a core for minutes; requests and notifications go first."""
LONGEST_NAME = 255
LONGEST_WAIT = 6.0
WAIT_PER_LOAD = 3.0
"""By the clock a child has longer than its processor time on a busy machine, which is no fault of the file: a process
that is nice gets a third of a core, or less, where others wait for one."""


class ReaderFailed(SchoolConnectError):
    """The reader itself failed, not the file: this is an error of the program."""


async def read_file(
    path: Path,
    *,
    name: str,
    kind: DocumentKind,
    hints: Hints,
    out: Path | None,
    limits: ReadLimits,
    on_progress: Callable[[int, int], None],
    with_text: bool = False,
) -> Reading:
    """Read a file: its verdict, finding and thumbnails (written into `out`). Calls `on_progress(page, of)`.

    A file that breaks a limit, or its decoder, is refused. Cancelling ends the child. Raises ReaderFailed.
    """
    argv = [sys.executable, "-m", "files.reading", f"--name={_printable(name)}", f"--kind={kind}"]
    argv += [f"--hints={json.dumps(dataclasses.asdict(hints), default=str)}"]
    argv += [f"--limits={json.dumps(dataclasses.asdict(limits))}"]
    argv += ([f"--out={out}"] if out else []) + (["--text"] if with_text else []) + ["--", str(path)]
    try:
        async with asyncio.timeout(_wait() * limits.hostile_seconds) as deadline:

            def follow(line: str) -> None:
                if line == OCR_LINE:
                    deadline.reschedule(_now() + _wait() * limits.ocr_page_seconds)
                elif page := PAGE.fullmatch(line):
                    on_progress(int(page[1]), int(page[2]))
                    deadline.reschedule(max(deadline.when() or 0, _now() + _wait() * limits.hostile_seconds))

            ended = await subprocess.run(argv, bounds=_bounds(limits), grace=GRACE, on_error_line=follow)
    except TimeoutError:
        return _too_slow()
    except TooMuchOutput:
        return refused("bomb", "The file contains far more text than a document. Send a part of it.")
    return _verdict(ended)


def _printable(name: str) -> str:
    """A name is only text here, never a path; an argument cannot hold a NUL, nor half of a surrogate pair."""
    text = "".join(letter if letter.isprintable() else "_" for letter in name)
    return text[-LONGEST_NAME:].encode(errors="replace").decode()


def _now() -> float:
    return asyncio.get_running_loop().time()


def _wait() -> float:
    """Return how many times its processor time a child may take by the clock: 1 on a quiet machine."""
    load, _, _ = os.getloadavg()
    return min(LONGEST_WAIT, max(1.0, WAIT_PER_LOAD * load / (os.cpu_count() or 1)))


def _bounds(limits: ReadLimits) -> ResourceLimits:
    return ResourceLimits(
        memory_bytes=ADDRESS_SPACE,
        cpu_seconds=limits.hostile_seconds + limits.ocr_pages * limits.ocr_page_seconds,
        file_bytes=50_000_000,
        niceness=NICENESS,
    )


def _verdict(ended: CompletedProcess) -> Reading:
    """Return what the child answered, or what its signal means. Raises ReaderFailed if our own code failed."""
    if ended.code == 0:
        return READING.validate_json(ended.out)
    error = ended.err[-4_000:].decode(errors="replace")
    if ended.code > 0:
        raise ReaderFailed(f"the reader ended with code {ended.code}: {error}")
    log.warning("reading.child_killed", signal=-ended.code, error=error)
    if ended.code == -signal.SIGXCPU:
        return _too_slow()
    if ended.code in OUT_OF_MEMORY:
        return refused("bomb", "Reading the file needs too much memory. Export it again, in a lower resolution.")
    return refused("corrupt", "The file is damaged: its decoder failed. Export it again and send it once more.")


def _too_slow() -> Reading:
    return refused("timeout", "Reading the file takes too long. Send fewer pages, or export it again.")
