"""One run over one roster: chunk by chunk, each chunk one commit; a second run finds the first one's rows unchanged."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar
from uuid import UUID

from gateway.directory import publish_bulk
from gateway.roster_import import outcome, structure
from gateway.roster_import import people as import_people
from gateway.roster_import import students as import_students
from gateway.roster_import.administrators import find_new_administrators
from gateway.roster_import.endings import Bound, count_endings, held_endings
from gateway.roster_import.oneroster import (
    Enrolment,
    Guardianship,
    Person,
    Role,
    Roster,
    SchoolClass,
    Status,
    Student,
)
from gateway.roster_import.people import Place
from gateway.roster_import.sources import adopt
from gateway.roster_import.students import StudentRow
from gateway.roster_import.upload import Order
from shared.jobs.job import Job
from shared.transactions.unit_of_work import UnitOfWork

T = TypeVar("T")

CHUNK = 2_000
ORDER, BOUND = Order(), Bound()
COUNTED = ("schools", "calendars", "classes", "people", "students", "enrolments", "ended", "unchanged")


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


async def import_roster(
    job: Job, roster: Roster, chunk: int = CHUNK, order: Order = ORDER, bound: Bound = BOUND, source: str = ""
) -> None:
    """Import everything and end the job; a row is written after those that it refers to.

    It ends or waits before anything is written if no row can be used, if too many people would end, or if a program
    would make administrators.
    """
    if roster.refused_whole:
        await outcome.refuse(job, roster)
        return
    async with job.commit() as tx:
        place = await _place(tx, roster, source)
        endings = await count_endings(tx, roster, place)
        administrators = await find_new_administrators(tx, roster, place) if order.by_key else []
    held = outcome.Held(list(held_endings(endings, bound)), [each.shown() for each in administrators])
    if order.dry_run:
        await outcome.report_dry_run(job, roster, [ending.shown() for ending in endings], held)
    elif held and not order.confirmed:
        await outcome.wait(job, held)
    else:
        await _import(job, roster, chunk, source)


async def _import(job: Job, roster: Roster, chunk: int, source: str) -> None:
    counts = dict.fromkeys(COUNTED, 0)
    total = roster.people_count + roster.student_count + roster.enrolment_count
    async with job.commit() as tx:
        counts["schools"] = await structure.schools(tx, roster.orgs, source)
        place = await _place(tx, roster, source)
        await adopt(tx, roster, place)
    run = Run(job, roster, place, Progress(job, total), chunk)
    counts["calendars"] = await _terms(run)
    counts["classes"], ended_classes = await _classes(run)
    people = await _people(run)
    counts["unchanged"] = people.unchanged
    counts["people"] = people.changed + await _roles(run)
    counts["enrolments"], ended_enrolments = await _enrolments(run)
    counts["students"] = await _students(run, people.students) + await _guardians(run, people.named)
    counts["ended"] = ended_classes + ended_enrolments + await _end_people(run, people)
    await _publish_students(run)
    if roster.refused_whole:
        await outcome.refuse(job, roster)
        return
    await outcome.succeed(job, roster, counts, total)


async def _place(tx: UnitOfWork, roster: Roster, source: str) -> Place:
    schools = await structure.school_ids(tx)
    named = (org.sourced_id for org in roster.orgs if org.is_school and org.status is Status.ACTIVE)
    return Place(source, schools, sorted(schools[name] for name in named if name in schools), roster.partly)


async def _terms(run: Run) -> int:
    """Write the terms; returns how many calendars changed."""
    roster, schools = run.roster, run.place.schools
    found = {schools[name]: terms for name, terms in roster.terms_by_school().items() if name in schools}
    gone = [term.sourced_id for term in roster.terms if term.status is not Status.ACTIVE]
    if not found and not gone:
        return 0
    kept = {term.sourced_id for term in roster.terms} | roster.kept("academicSessions.csv")
    async with run.job.commit() as tx:
        complete = roster.is_complete("academicSessions.csv")
        return await structure.terms(tx, found, gone, kept, run.place, complete=complete)


async def _classes(run: Run) -> tuple[int, int]:
    """Write the classes and end those that are gone; returns how many changed and how many ended."""
    roster = run.roster
    present = [found for found in roster.classes if found.status is Status.ACTIVE]
    gone = [found.sourced_id for found in roster.classes if found.status is not Status.ACTIVE]
    changed = 0

    async def write(tx: UnitOfWork, chunk: Sequence[SchoolClass]) -> None:
        nonlocal changed
        changed += await structure.classes(tx, chunk, run.place)

    await run.in_chunks(present, write)
    complete = roster.is_complete("classes.csv")
    if not complete and not gone:
        return changed, 0
    kept = {found.sourced_id for found in present} | roster.kept("classes.csv")
    async with run.job.commit() as tx:
        return changed, await structure.end_classes(tx, gone, kept, run.place, complete=complete)


async def _people(run: Run) -> People:
    """Write the people with memberships and contacts."""
    roster = run.roster
    people = People()
    # In 1.2 memberships stand in roles.csv; where that brings changes only, so do the people's.
    complete = roster.version == "1.1" or roster.is_complete("roles.csv")

    async def write(tx: UnitOfWork, chunk: Sequence[Person]) -> None:
        present = [person for person in chunk if person.status is Status.ACTIVE]
        people.gone += [person.sourced_id for person in chunk if person.status is not Status.ACTIVE]
        people.named.update(person.sourced_id for person in present)
        for person in present:
            if isinstance(person, Student):
                people.students += _student_rows(run, person)
        people.changed += await import_people.write(tx, present, run.place, complete=complete)
        await run.progress.add(tx, len(chunk))

    await run.in_chunks(roster.people(), write)
    return people


def _student_rows(run: Run, student: Student) -> Iterator[StudentRow]:
    """One row for each school that the student is placed at; without a school where the upload does not say one."""
    guardians = tuple((guardian, run.roster.relationship(guardian)) for guardian in student.guardians)
    placed = [m.school for m in student.memberships if m.role == "student" and m.status is Status.ACTIVE]
    schools: list[UUID | None] = [run.place.schools[name] for name in placed]
    for school in schools or [None]:
        yield StudentRow(
            school,
            student.sourced_id,
            student.grade,
            guardians,
            graded=student.says("grades"),
            related=student.says("agentSourcedIds"),
        )


async def _roles(run: Run) -> int:
    """Write roles of people who are not in users.csv; returns how many people changed."""
    changed = 0

    async def write(tx: UnitOfWork, chunk: Sequence[Role]) -> None:
        nonlocal changed
        changed += await import_people.write_roles(tx, chunk, run.place)

    await run.in_chunks(run.roster.roles, write)
    return changed


async def _enrolments(run: Run) -> tuple[int, int]:
    """Write the enrolments and end those that are gone; returns how many changed and how many ended."""
    complete = run.roster.is_complete("enrollments.csv")
    named: set[str] = set()
    gone: list[str] = []
    changed = ended = 0

    async def write(tx: UnitOfWork, chunk: Sequence[Enrolment]) -> None:
        nonlocal changed
        present = [found for found in chunk if found.status is Status.ACTIVE]
        gone.extend(found.sourced_id for found in chunk if found.status is not Status.ACTIVE)
        if complete:
            named.update(found.sourced_id for found in present)
        changed += await structure.enrolments(tx, present, run.place.source)
        await run.progress.add(tx, len(chunk))

    async def end(tx: UnitOfWork, chunk: Sequence[str]) -> None:
        nonlocal ended
        ended += await structure.end_enrolments(tx, chunk, run.place)

    await run.in_chunks(run.roster.enrolments(), write)
    if complete:
        async with run.job.commit() as tx:
            before = await structure.enrolled(tx, run.place)
        gone += before - named - run.roster.kept("enrollments.csv")
    await run.in_chunks(sorted(gone), end)
    return changed, ended


async def _students(run: Run, students: Sequence[StudentRow]) -> int:
    """Write grades and guardians; returns how many students changed."""
    complete = run.roster.is_complete("users.csv")
    kept = run.roster.kept("users.csv")
    changed = 0

    async def write(tx: UnitOfWork, chunk: Sequence[StudentRow]) -> None:
        nonlocal changed
        changed += await import_students.write(tx, chunk, run.place, kept, complete=complete)
        await run.progress.add(tx, len(chunk))

    await run.in_chunks(students, write)
    return changed


async def _guardians(run: Run, named: set[str]) -> int:
    """Write guardians of known students who are not in the upload; returns how many got one."""
    changed = 0

    async def write(tx: UnitOfWork, chunk: Sequence[Guardianship]) -> None:
        nonlocal changed
        changed += await import_students.write_guardians(tx, chunk, run.roster.relationship, run.place.source)

    await run.in_chunks((pair for pair in run.roster.guardianships if pair.student not in named), write)
    return changed


async def _end_people(run: Run, people: People) -> int:
    """End people whom the upload names as gone, or whom a complete one does not name; returns how many."""
    gone, where = set(people.gone), None
    if run.roster.is_complete("users.csv"):
        where = run.place.about
        kept = people.named | gone | run.roster.kept("users.csv")
        async with run.job.commit() as tx:
            gone |= {*await import_people.missing(tx, kept, run.place)}
    ended = 0

    async def end(tx: UnitOfWork, chunk: Sequence[str]) -> None:
        nonlocal ended
        ended += await import_people.end(tx, chunk, where, run.place)

    await run.in_chunks(sorted(gone), end)
    return ended


async def _publish_students(run: Run) -> None:
    """Emit the events of all students that changed, once each: grade, guardians and classes are written by now."""
    published = run.chunk
    while published:
        async with run.job.commit() as tx:
            published = await publish_bulk.students(tx, run.chunk)


def _take(items: Iterator[T], most: int) -> list[T]:
    return list(islice(items, most))
