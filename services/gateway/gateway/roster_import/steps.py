"""The steps of an import: each writes one kind of row, chunk by chunk, and ends what is gone."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from gateway.directory import publish_bulk
from gateway.roster_import import people as import_people
from gateway.roster_import import structure
from gateway.roster_import import students as import_students
from gateway.roster_import.oneroster import Enrolment, Guardianship, Person, Role, SchoolClass, Status, Student
from gateway.roster_import.run import People, Run
from gateway.roster_import.students import StudentRow
from shared.transactions.unit_of_work import UnitOfWork


async def terms(run: Run) -> int:
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


async def classes(run: Run) -> tuple[int, int]:
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


async def people(run: Run) -> People:
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


async def roles(run: Run) -> int:
    """Write roles of people who are not in users.csv; returns how many people changed."""
    changed = 0

    async def write(tx: UnitOfWork, chunk: Sequence[Role]) -> None:
        nonlocal changed
        changed += await import_people.write_roles(tx, chunk, run.place)

    await run.in_chunks(run.roster.roles, write)
    return changed


async def enrolments(run: Run) -> tuple[int, int]:
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


async def students(run: Run, students: Sequence[StudentRow]) -> int:
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


async def guardians(run: Run, named: set[str]) -> int:
    """Write guardians of known students who are not in the upload; returns how many got one."""
    changed = 0

    async def write(tx: UnitOfWork, chunk: Sequence[Guardianship]) -> None:
        nonlocal changed
        changed += await import_students.write_guardians(tx, chunk, run.roster.relationship, run.place.source)

    await run.in_chunks((pair for pair in run.roster.guardianships if pair.student not in named), write)
    return changed


async def end_people(run: Run, people: People) -> int:
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


async def publish_students(run: Run) -> None:
    """Emit the events of all students that changed, once each: grade, guardians and classes are written by now."""
    published = run.chunk
    while published:
        async with run.job.commit() as tx:
            published = await publish_bulk.students(tx, run.chunk)
