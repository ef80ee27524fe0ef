"""A run over one roster: its job, its progress, and its commits chunk by chunk."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from gateway.roster_import.oneroster import Roster
from gateway.roster_import.people import Place
from gateway.roster_import.students import StudentRow
from shared.jobs.job import Job
from shared.transactions.unit_of_work import UnitOfWork

T = TypeVar("T")


class Progress:
    """Counts the rows that take the time: people, students and enrolments."""

    def __init__(self, job: Job, total: int) -> None:
        self.total = total
        self._job = job
        self._done = 0

    async def add(self, tx: UnitOfWork, rows: int) -> None:
        """Count rows that this transaction commits."""
        self._done = min(self._done + rows, self.total)
        await self._job.report_progress(tx, self._done, self.total)


@dataclass(frozen=True, slots=True)
class Run:
    """The shared state of all steps.

    `place` has the schools and the source of the upload.
    """

    job: Job
    roster: Roster
    place: Place
    progress: Progress
    chunk: int

    async def in_chunks(self, items: Iterable[T], write: Callable[[UnitOfWork, Sequence[T]], Awaitable[None]]) -> None:
        """Write items, one commit for each chunk; they are read in a thread, because reading takes the processor."""
        rows = iter(items)
        while chunk := await asyncio.to_thread(_take, rows, self.chunk):
            async with self.job.commit() as tx:
                await write(tx, chunk)


@dataclass(slots=True)
class People:
    """The content of users.csv: people, those marked as gone, and students, who are written after their classes."""

    named: set[str] = field(default_factory=set)
    gone: list[str] = field(default_factory=list)
    students: list[StudentRow] = field(default_factory=list)
    changed: int = 0

    @property
    def unchanged(self) -> int:
        return len(self.named) - self.changed


def _take(items: Iterator[T], most: int) -> list[T]:
    return list(islice(items, most))
