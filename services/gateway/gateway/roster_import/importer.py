"""One run over one roster: chunk by chunk, each chunk one commit; a second run finds the first one's rows unchanged."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

from gateway.directory import publish_bulk
from gateway.roster_import import people as import_people
from gateway.roster_import import structure
from gateway.roster_import import students as import_students
from gateway.roster_import.oneroster import Guardianship, Mode, Person, Rejected, Roster, Status, Student
from gateway.roster_import.students import Pupil
from shared.errors import LeaseLost
from shared.events import Envelope
from shared.jobs.task_status import track
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

T = TypeVar("T")

KIND = "import.oneroster"
CHUNK = 2_000
LEASE_SECONDS = 30
COUNTED = ("schools", "calendars", "classes", "people", "students", "enrolments", "ended", "unchanged", "rejected")

# Filtered by lease: a worker that was given up must not write beside its successor.
HOLD = """
UPDATE import_job SET leased_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE task_id = %(task_id)s AND lease = %(lease)s AND finished_at IS NULL RETURNING task_id
"""
FINISH = """
WITH over AS (DELETE FROM import_part WHERE task_id = %(task_id)s)
UPDATE import_job SET finished_at = clock_timestamp(), content = NULL
WHERE task_id = %(task_id)s AND lease = %(lease)s AND finished_at IS NULL RETURNING task_id
"""
REJECTED = """
INSERT INTO import_rejection (task_id, number, file, line, "column", reason, scope)
SELECT %(task_id)s, * FROM unnest(%(numbers)s::int[], %(files)s::text[], %(lines)s::int[], %(columns)s::text[],
                                  %(reasons)s::text[], %(scopes)s::text[])
ON CONFLICT DO NOTHING
"""


class Import:
    """Schools and calendars, classes, people, enrolments, students; then who and what is over; then telling."""

    def __init__(
        self, task_id: UUID, lease: UUID, cause: Envelope, transactions: UnitOfWorkFactory, roster: Roster
    ) -> None:
        self._task_id = task_id
        self._lease = lease
        self._cause = cause
        self._transactions = transactions
        self._roster = roster
        # In 1.2 memberships stand in roles.csv; where that brings changes only, so do the people's.
        self._complete_people = self._bulk("users.csv")
        self._whole_rows = roster.version == "1.1" or self._bulk("roles.csv")
        self._done = 0
        self._counts = dict.fromkeys(COUNTED, 0)
        self._named: set[str] = set()
        self._doomed: list[str] = []
        self._pupils: list[Pupil] = []

    async def run(self) -> None:
        """Everything, in an order in which whatever is referred to is there already."""
        async with self._commit() as tx:
            self._counts["schools"] = await structure.schools(tx, self._roster.orgs)
            self._schools = await structure.school_ids(tx)
        active = [org for org in self._roster.orgs if org.is_school and org.status is Status.ACTIVE]
        self._about = sorted(self._schools[org.sourced_id] for org in active)
        await self._terms()
        await self._classes()
        await self._chunks(self._roster.people(), self._people)
        await self._chunks(iter(self._roster.roles), self._roles)
        await self._enrolments()
        await self._chunks(iter(self._pupils), self._students)
        # Changes may name children of a guardian who are known from before and not in the upload themselves.
        await self._chunks((g for g in self._roster.guardianships if g.student not in self._named), self._guardians)
        await self._end()
        await self._tell_students()
        await self._conclude()

    async def _terms(self) -> None:
        found = {
            self._schools[school]: terms
            for school, terms in self._roster.terms_by_school().items()
            if school in self._schools
        }
        gone = [term.sourced_id for term in self._roster.terms if term.status is not Status.ACTIVE]
        if not found and not gone:
            return
        complete = self._bulk("academicSessions.csv")
        kept = {term.sourced_id for term in self._roster.terms} | self._roster.kept("academicSessions.csv")
        scope = found or {school: [] for school in self._schools.values()}
        async with self._commit() as tx:
            self._counts["calendars"] = await structure.terms(tx, scope, gone, kept, complete=complete)

    async def _classes(self) -> None:
        present = [each for each in self._roster.classes if each.status is Status.ACTIVE]
        gone = [each.sourced_id for each in self._roster.classes if each.status is not Status.ACTIVE]

        async def write(tx: UnitOfWork, chunk: Sequence[Any]) -> None:
            self._counts["classes"] += await structure.classes(tx, chunk, self._schools)

        await self._chunks(iter(present), write)
        complete = self._bulk("classes.csv")
        if complete or gone:
            kept = {each.sourced_id for each in present} | self._roster.kept("classes.csv")
            async with self._commit() as tx:
                self._counts["ended"] += await structure.end_classes(tx, gone, kept, self._about, complete=complete)

    async def _people(self, tx: UnitOfWork, chunk: Sequence[Person]) -> None:
        present = [person for person in chunk if person.status is Status.ACTIVE]
        self._doomed += [person.sourced_id for person in chunk if person.status is not Status.ACTIVE]
        self._named.update(person.sourced_id for person in present)
        for person in present:
            if isinstance(person, Student):
                self._pupils += self._pupils_of(person)
        changed = await import_people.write(tx, present, self._schools, self._about, complete=self._whole_rows)
        self._counts["people"] += changed
        self._counts["unchanged"] += len(present) - changed
        await self._tell(tx, len(chunk))

    def _pupils_of(self, student: Student) -> Iterator[Pupil]:
        guardians = tuple((each, self._roster.relationship(each)) for each in student.guardians)
        placed = [m.school for m in student.memberships if m.role == "student" and m.status is Status.ACTIVE]
        schools: list[UUID | None] = [self._schools[name] for name in placed]
        for school in schools or [None]:
            yield Pupil(school, student.sourced_id, student.grade, guardians)

    async def _roles(self, tx: UnitOfWork, chunk: Sequence[Any]) -> None:
        self._counts["people"] += await import_people.write_roles(tx, chunk, self._schools)

    async def _enrolments(self) -> None:
        complete = self._bulk("enrollments.csv")
        named: set[str] = set()
        gone: list[str] = []

        async def write(tx: UnitOfWork, chunk: Sequence[Any]) -> None:
            present = [each for each in chunk if each.status is Status.ACTIVE]
            gone.extend(each.sourced_id for each in chunk if each.status is not Status.ACTIVE)
            if complete:
                named.update(each.sourced_id for each in present)
            self._counts["enrolments"] += await structure.enrolments(tx, present)
            await self._tell(tx, len(chunk))

        await self._chunks(self._roster.enrolments(), write)
        if complete:
            async with self._commit() as tx:
                before = await structure.enrolled(tx, self._about)
            gone += before - named - self._roster.kept("enrollments.csv")

        async def end(tx: UnitOfWork, chunk: Sequence[str]) -> None:
            self._counts["ended"] += await structure.end_enrolments(tx, chunk)

        await self._chunks(iter(sorted(gone)), end)

    async def _students(self, tx: UnitOfWork, chunk: Sequence[Pupil]) -> None:
        self._counts["students"] += await import_students.write(tx, chunk, complete=self._complete_people)
        await self._tell(tx, len(chunk))

    async def _guardians(self, tx: UnitOfWork, chunk: Sequence[Guardianship]) -> None:
        self._counts["students"] += await import_students.write_guardians(tx, chunk, self._roster.relationship)

    async def _end(self) -> None:
        everywhere = not self._complete_people
        doomed = self._doomed
        if self._complete_people:
            kept = self._named | set(self._doomed) | self._roster.kept("users.csv")
            async with self._commit() as tx:
                doomed = self._doomed + await import_people.missing(tx, kept, self._about)

        async def end(tx: UnitOfWork, chunk: Sequence[str]) -> None:
            where = None if everywhere else self._about
            self._counts["ended"] += await import_people.end(tx, chunk, where)

        await self._chunks(iter(sorted(set(doomed))), end)

    async def _tell_students(self) -> None:
        told = CHUNK
        while told:
            async with self._commit() as tx:
                told = await publish_bulk.students(tx, CHUNK)

    async def _conclude(self) -> None:
        rejected = self._roster.rejected
        self._counts["rejected"] = len(rejected)
        async with self._transactions.begin(self._cause) as tx:
            await finish(tx, self._task_id, self._lease)
            await tx.execute(REJECTED, _complaints(self._task_id, rejected))
            total, result = self._total, dict(self._counts)
            await track(
                tx, self._task_id, school_id=None, kind=KIND, state="succeeded", done=total, total=total, result=result
            )

    async def _chunks(self, items: Iterator[T], write: Callable[[UnitOfWork, Sequence[T]], Awaitable[None]]) -> None:
        while chunk := await asyncio.to_thread(_take, items):
            async with self._commit() as tx:
                await write(tx, chunk)

    @asynccontextmanager
    async def _commit(self) -> AsyncIterator[UnitOfWork]:
        """One transaction, in which the job is still this worker's own."""
        async with self._transactions.begin(self._cause) as tx:
            await self._hold(tx)
            yield tx

    async def _hold(self, tx: UnitOfWork) -> None:
        held = await tx.row(HOLD, {"task_id": self._task_id, "lease": self._lease, "seconds": LEASE_SECONDS})
        if held is None:
            raise LeaseLost(f"import {self._task_id} is in other hands")

    async def _tell(self, tx: UnitOfWork, rows: int) -> None:
        self._done += rows
        done = min(self._done, self._total)
        await track(tx, self._task_id, school_id=None, kind=KIND, state="running", done=done, total=self._total)

    @property
    def _total(self) -> int:
        """People, students and enrolments: what takes the time."""
        return self._roster.people_count + self._roster.student_count + self._roster.enrolment_count

    def _bulk(self, file: str) -> bool:
        return self._roster.modes.get(file) is Mode.BULK


async def finish(tx: UnitOfWork, task_id: UUID, lease: UUID) -> None:
    """The job is done, whatever came of it; raises LeaseLost when it is another worker's or was cancelled."""
    if await tx.row(FINISH, {"task_id": task_id, "lease": lease}) is None:
        raise LeaseLost(f"import {task_id} is in other hands")


def _take(items: Iterator[T]) -> list[T]:
    return list(islice(items, CHUNK))


def _complaints(task_id: UUID, rejected: Iterable[Rejected]) -> dict[str, Any]:
    rows = list(rejected)
    return {
        "task_id": task_id,
        "numbers": list(range(1, len(rows) + 1)),
        "files": [r.file for r in rows],
        "lines": [r.line for r in rows],
        "columns": [r.column for r in rows],
        "reasons": [r.reason for r in rows],
        "scopes": [str(r.scope) for r in rows],
    }
