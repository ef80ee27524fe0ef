"""Read cases as the service does, several at a time, and compare what was read with the truth."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from files.extraction import needs_review
from files.reading.limits import ReadLimits
from files.reading.reader import read_document
from files.reading.result import Reading
from files.reading.sandbox import read_file
from tests.corpus.cases import Case
from tests.corpus.scoring import Score

LIMITS = ReadLimits()


@dataclass(frozen=True, slots=True)
class Measured:
    """A case and what was read. `lines` is the text of its page, from the PDF that the picture shows."""

    case: Case
    reading: Reading
    lines: tuple[str, ...]

    def count_in(self, score: Score) -> None:
        """Add the fields, rows and characters to a score; a refused document has none of them."""
        kind, finding = self.case.kind, self.reading.finding
        score.add(self.case, finding, needs_review=finding is None or bool(needs_review(finding, kind)))
        if self.case.level is not None:
            score.add_text(self.case, self.lines, (line for page in self.reading.text for line in page))


async def read_cases(cases: Iterator[Case], folder: Path) -> AsyncIterator[Measured]:
    """Read cases in limited children, one for each core, and yield them as they are finished."""
    finished: asyncio.Queue[Measured | None] = asyncio.Queue()
    making = asyncio.Lock()

    async def work() -> None:
        while True:
            async with making:  # PDFium is not safe to use from two threads
                made = await asyncio.to_thread(_make_next, cases, folder)
            if made is None:
                return
            case, lines = made
            finished.put_nowait(Measured(case, await _read(case, folder), lines))

    async def all_work() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in os.sched_getaffinity(0):
                    group.create_task(work())
        finally:
            finished.put_nowait(None)

    working = asyncio.create_task(all_work())
    try:
        while (measured := await finished.get()) is not None:
            yield measured
        await working
    finally:
        working.cancel()


def _make_next(cases: Iterator[Case], folder: Path) -> tuple[Case, tuple[str, ...]] | None:
    """Write the next case to the folder; return it with the lines of its text, or None after the last."""
    case = next(cases, None)
    if case is None:
        return None
    (folder / case.name).write_bytes(case.content)
    truth = folder / f"{case.name}.truth.pdf"
    truth.write_bytes(case.text)
    document = read_document(truth, declared_name=truth.name, limits=LIMITS, on_page=lambda _page, _of: None)
    return case, tuple(line.text for page in document.pages for line in page.lines)


async def _read(case: Case, folder: Path) -> Reading:
    return await read_file(
        folder / case.name,
        name=case.name,
        kind=case.kind,
        hints=case.hints,
        out=None,
        limits=LIMITS,
        on_progress=lambda _page, _of: None,
        with_text=True,
    )
