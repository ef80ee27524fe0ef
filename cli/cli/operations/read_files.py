"""`schoolconnect files read`: read local files as the service does, without the stack."""

import argparse
import asyncio
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.operations.reading_tables import show
from cli.terminal import complain, say
from files.domain.finding import DocumentKind, Field, Finding, Hints
from files.extraction import needs_review
from files.reading.limits import ReadLimits
from files.reading.result import Reading
from files.reading.sandbox import ReaderFailed, read_file

KINDS: Final[dict[str, DocumentKind]] = {
    "receipt": "payment_receipt",
    "transcript": "transcript",
    "behavior": "behavior_report",
}
UNREADABLE: Final = 1
REFUSED: Final = 3
"""Exit codes; 2 is for wrong arguments, as everywhere."""


@dataclass(frozen=True, slots=True)
class Task:
    """What to read the files as."""

    kind: str
    hints: Hints
    as_json: bool = False


class Bar:
    """The progress of all files, on stderr."""

    def __init__(self, progress: Progress, count: int) -> None:
        self._progress = progress
        self._all = progress.add_task("reading", total=count)

    def page(self, name: str, page: int, of: int) -> None:
        """Show which page of a file was read."""
        self._progress.update(self._all, description=f"{name[:30]}: page {page} of {of}")

    def done(self, name: str) -> None:
        """Count one file as read."""
        self._progress.update(self._all, advance=1, description=name[:30])


def run(options: argparse.Namespace) -> int:
    """Read the files that the arguments name, one for each core at a time, and print what each says, in their order.

    Returns 0 if every file was accepted, 3 if one was refused, 1 if a path is no readable file or the program failed on
    one. No file stops the others.
    """
    hints = Hints(
        uploaded_on=options.uploaded_on,
        country=options.country and options.country.upper(),
        currency=options.currency and options.currency.upper(),
        languages=tuple(options.language or ("en",)),
    )
    return asyncio.run(_run(options.paths, Task(options.kind, hints, as_json=options.json)))


async def _run(paths: Sequence[Path], task: Task) -> int:
    readable = [path for path in paths if _is_readable(path)]
    codes = [UNREADABLE] * (len(paths) - len(readable))
    cores = asyncio.Semaphore(len(os.sched_getaffinity(0)))
    with _bar(len(readable)) as bar:
        async with asyncio.TaskGroup() as group:
            started = [group.create_task(_read(path, task, cores, bar)) for path in readable]
            for path, reading in zip(readable, started, strict=True):
                codes.append(_print(path, await reading, task))
    return UNREADABLE if UNREADABLE in codes else max(codes, default=0)


def _is_readable(path: Path) -> bool:
    """Return whether the path is a file that can be opened, and say on stderr why not."""
    try:
        if path.is_dir():
            complain(f"{path} is a directory: name the files in it")
            return False
        if not path.is_file() and path.exists():
            complain(f"{path} is no regular file")
            return False
        path.open("rb").close()
    except (OSError, ValueError) as problem:
        complain(f"{path}: {getattr(problem, 'strerror', None) or problem}")
        return False
    return True


async def _read(path: Path, task: Task, cores: asyncio.Semaphore, bar: Bar) -> Reading | ReaderFailed:
    """Read one file. An error of the program is returned: it ends no other file's reading."""
    async with cores:
        try:
            return await read_file(
                path,
                name=path.name,
                kind=KINDS[task.kind],
                hints=task.hints,
                out=None,
                limits=ReadLimits(),
                on_progress=lambda page, of: bar.page(path.name, page, of),
            )
        except ReaderFailed as failure:
            return failure
        finally:
            bar.done(path.name)


def _print(path: Path, found: Reading | ReaderFailed, task: Task) -> int:
    """Print what a file says, and return the exit code that it stands for."""
    if isinstance(found, ReaderFailed):
        complain(f"{path}: an error of SchoolConnect, not of the file. Please report it: {found}")
        return UNREADABLE
    answer = described(path, found, task.kind)
    if task.as_json:
        say(json.dumps(answer))
    else:
        show(answer)
    return REFUSED if found.verdict == "refused" else 0


def described(path: Path, reading: Reading, kind: str) -> dict[str, Any]:
    """Return what a file says as the JSON object that is printed for it."""
    finding = reading.finding or Finding(KINDS[kind])
    doubts = needs_review(finding, KINDS[kind]) if reading.verdict == "accepted" else ()
    return {
        "path": str(path),
        "verdict": reading.verdict,
        "reason": reading.reason,
        "message": reading.message,
        "kind": kind,
        "fields": {name: _field(field) for name, field in finding.fields.items()},
        "rows": [{name: field.value for name, field in row.items()} for row in finding.rows],
        "needs_review": bool(doubts),
        "review_reasons": list(doubts),
        "notices": list(reading.notices),
    }


def _field(field: Field) -> dict[str, Any]:
    box = list(asdict(field.box).values()) if field.box else None
    return {"value": field.value, "confidence": round(field.confidence, 3), "page": field.page, "box": box}


@contextmanager
def _bar(count: int) -> Iterator[Bar]:
    columns = (
        TextColumn("{task.description:<44}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    # The bar must not move what is printed on stdout to stderr.
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False, redirect_stderr=False) as progress:
        yield Bar(progress, count)
