"""The directory's rows of record: changed in sets, each change emitted with its version and its schools' positions."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from shared.events import CalendarChanged, DirectoryEvent, PersonChanged, SchoolChanged, StudentChanged
from shared.events.directory import (
    Closure,
    Contact,
    Device,
    Guardian,
    Membership,
    Preference,
    QuietHours,
    Term,
)
from shared.transactions.unit_of_work import UnitOfWork

# Lock schools, the last of all rows. One order of locks everywhere makes writers queue up instead of deadlocking:
# people (by sourcedId), students, classes, schools. NO KEY: a transaction that has inserted a row that refers to one of
# these holds a share of its key, and others do as well. By a statement of its own: one that locks a row and updates it
# looks for the newest version twice if the row changed while it waited, and the second time PostgreSQL lets it wait
# behind a transaction that waits for it.
LOCK_SCHOOLS = "SELECT FROM school WHERE school_id = ANY(%(schools)s) ORDER BY school_id FOR NO KEY UPDATE"
# Reserve as many directory versions of schools as there are events about them.
RESERVE_VERSIONS = """
UPDATE school s SET directory_version = s.directory_version + w.n
FROM unnest(%(schools)s::uuid[], %(counts)s::bigint[]) AS w(school_id, n) WHERE s.school_id = w.school_id
RETURNING s.school_id, s.directory_version - w.n AS since
"""

# Select the present state of people, as their event has it.
SELECT_PEOPLE = """
SELECT p.person_id, p.active, p.language, p.timezone, p.given_name, p.family_name, p.erased_at, p.version,
    p.quiet_starts, p.quiet_ends,
    (SELECT coalesce(jsonb_agg(to_jsonb(m) - 'person_id' ORDER BY m.school_id, m.role), '[]')
       FROM membership m WHERE m.person_id = p.person_id) AS memberships,
    (SELECT coalesce(jsonb_agg(to_jsonb(c) - 'person_id' ORDER BY c.kind, c.address), '[]')
       FROM contact c WHERE c.person_id = p.person_id) AS contacts,
    (SELECT coalesce(jsonb_agg(to_jsonb(d) - 'person_id' ORDER BY d.token), '[]')
       FROM device d WHERE d.person_id = p.person_id) AS devices,
    (SELECT coalesce(jsonb_agg(to_jsonb(f) - 'person_id' ORDER BY f.kind, f.channel), '[]')
       FROM preference f WHERE f.person_id = p.person_id) AS preferences
FROM person p WHERE p.person_id = ANY(%(people)s)
"""

# Select the present state of students, as their event has it.
SELECT_STUDENTS = """
SELECT s.school_id, s.student_id, s.grade, s.active, s.version,
    (SELECT coalesce(jsonb_agg(to_jsonb(g) ORDER BY g.rank, g.guardian_id), '[]') FROM guardianship g
      WHERE g.school_id = s.school_id AND g.student_id = s.student_id) AS guardians,
    array(SELECT e.class_id FROM current_enrolment e
           WHERE e.person_id = s.student_id AND e.school_id = s.school_id AND e.role = 'student'
           ORDER BY e.class_id) AS classes,
    array(SELECT c.title FROM current_enrolment e JOIN school_class c USING (class_id)
           WHERE e.person_id = s.student_id AND e.school_id = s.school_id AND e.role = 'student'
           ORDER BY e.class_id) AS class_names
FROM student s JOIN unnest(%(schools)s::uuid[], %(students)s::uuid[]) AS w(school_id, student_id)
    USING (school_id, student_id)
"""

# Select the present state of schools.
SELECT_SCHOOLS = "SELECT * FROM school WHERE school_id = ANY(%(schools)s)"
# Select the present state of calendars.
SELECT_CALENDARS = """
SELECT c.school_id, c.weekdays, c.version,
    (SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY t.starts, t.ends, t.name), '[]')
       FROM term t WHERE t.school_id = c.school_id) AS terms,
    (SELECT coalesce(jsonb_agg(to_jsonb(x) ORDER BY x.starts, x.ends, x.name), '[]')
       FROM closure x WHERE x.school_id = c.school_id) AS closures
FROM calendar c WHERE c.school_id = ANY(%(schools)s)
"""
TERMS_BY_CHOICE = (("term", "semester"), ("gradingPeriod",), ("schoolYear",))
"""Rosters nest sessions; one layer is published, the first of these that a school has."""

# Lock people, in the one order of all writers.
LOCK_PEOPLE = """
SELECT FROM person WHERE person_id = ANY(%(people)s) ORDER BY sourced_id, person_id FOR NO KEY UPDATE
"""
# Raise the versions of people.
BUMP_PEOPLE = "UPDATE person SET version = version + 1 WHERE person_id = ANY(%(people)s)"
# Lock students, in the one order of all writers.
LOCK_STUDENTS = """
SELECT FROM student s
JOIN unnest(%(schools)s::uuid[], %(students)s::uuid[]) AS w(school_id, student_id) USING (school_id, student_id)
ORDER BY s.school_id, s.student_id FOR NO KEY UPDATE OF s
"""
# Raise the versions of students.
BUMP_STUDENTS = """
UPDATE student s SET version = version + 1
FROM unnest(%(schools)s::uuid[], %(students)s::uuid[]) AS w(school_id, student_id)
WHERE (s.school_id, s.student_id) = (w.school_id, w.student_id)
"""


class DirectoryPositions:
    """Gap-free directory versions of the schools that a batch of events touches."""

    def __init__(self, since: Mapping[UUID, int], counts: Mapping[UUID, int]) -> None:
        self._next = {school: version + 1 for school, version in since.items()}
        self.spans = {school: (version + 1, version + counts[school]) for school, version in since.items()}

    @classmethod
    async def reserve(cls, tx: UnitOfWork, touched: Iterable[Iterable[UUID]]) -> "DirectoryPositions":
        """Reserve one version per event and school; `touched` is the schools of each event to come."""
        counts: dict[UUID, int] = {}
        for schools in touched:
            for school in set(schools):
                counts[school] = counts.get(school, 0) + 1
        if not counts:
            return cls({}, {})
        ordered = sorted(counts)
        await tx.execute(LOCK_SCHOOLS, {"schools": ordered})
        rows = await tx.rows(RESERVE_VERSIONS, {"schools": ordered, "counts": [counts[school] for school in ordered]})
        return cls({row["school_id"]: row["since"] for row in rows}, counts)

    def take(self, schools: Iterable[UUID]) -> dict[UUID, int]:
        """Return the positions of one event."""
        taken = {}
        for school in set(schools):
            taken[school] = self._next[school]
            self._next[school] += 1
        return taken


async def emit_states(
    tx: UnitOfWork,
    *,
    schools: Sequence[UUID] = (),
    calendars: Sequence[UUID] = (),
    people: Sequence[UUID] = (),
    left: Mapping[UUID, Iterable[UUID]] | None = None,
    students: Sequence[tuple[UUID, UUID]] = (),
    whole: UUID | None = None,
) -> None:
    """Emit the present state of all that a commit changed. Call it last: the schools' rows are locked from here on.

    `left`: person → schools that they have just left, which get the event too. `students` are (school, student).
    `whole`: the school whose complete state this is; a reader of all of it needs nothing from before.
    """
    states = await tx.rows(SELECT_PEOPLE, {"people": list(people)}) if people else []
    pupils = await tx.rows(SELECT_STUDENTS, _pairs(students)) if students else []
    former = left or {}
    touched = {
        row["person_id"]: {UUID(m["school_id"]) for m in row["memberships"]} | set(former.get(row["person_id"], ()))
        for row in states
    }
    alone = [*schools, *calendars, *(row["school_id"] for row in pupils)]
    positions = await DirectoryPositions.reserve(tx, [*touched.values(), *([school] for school in alone)])
    resync = {whole: positions.spans[whole]} if whole else {}

    def emit(event: DirectoryEvent) -> None:
        tx.emit(event.model_copy(update={"resync": resync}) if resync else event)

    if schools:
        for row in await tx.rows(SELECT_SCHOOLS, {"schools": list(schools)}):
            emit(_school(row, positions))
    if calendars:
        for row in await tx.rows(SELECT_CALENDARS, {"schools": list(calendars)}):
            emit(_calendar(row, positions))
    for row in states:
        emit(_person(row, positions.take(touched[row["person_id"]])))
    for row in pupils:
        emit(_student(row, positions))


def _school(row: Mapping[str, Any], positions: DirectoryPositions) -> SchoolChanged:
    fields = {name: row[name] for name in SchoolChanged.model_fields if name in row}
    return SchoolChanged(**fields, quiet=_quiet(row), positions=positions.take([row["school_id"]]))


def _calendar(row: Mapping[str, Any], positions: DirectoryPositions) -> CalendarChanged:
    return CalendarChanged(
        school_id=row["school_id"],
        terms=published_terms(row["terms"]),
        closures=tuple(Closure(**c) for c in row["closures"]),
        weekdays=tuple(row["weekdays"]),
        version=row["version"],
        positions=positions.take([row["school_id"]]),
    )


def _person(row: Mapping[str, Any], positions: dict[UUID, int]) -> PersonChanged:
    return PersonChanged(
        person_id=row["person_id"],
        active=row["active"],
        language=row["language"],
        timezone=row["timezone"],
        given_name=row["given_name"],
        family_name=row["family_name"],
        erased_at=row["erased_at"],
        version=row["version"],
        memberships=tuple(Membership(**m) for m in row["memberships"]),
        contacts=tuple(Contact(**c) for c in row["contacts"]),
        devices=tuple(Device(**d) for d in row["devices"]),
        preferences=tuple(Preference(**f) for f in row["preferences"]),
        quiet=_quiet(row),
        positions=positions,
    )


def _student(row: Mapping[str, Any], positions: DirectoryPositions) -> StudentChanged:
    return StudentChanged(
        school_id=row["school_id"],
        student_id=row["student_id"],
        grade=row["grade"],
        active=row["active"],
        version=row["version"],
        classes=tuple(row["classes"]),
        class_names=tuple(row["class_names"]),
        guardians=tuple(Guardian(**(g | {"person_id": g["guardian_id"]})) for g in row["guardians"]),
        positions=positions.take([row["school_id"]]),
    )


def published_terms(terms: Sequence[Mapping[str, Any]]) -> tuple[Term, ...]:
    """Choose the layer of terms that is published: with a year over its semesters every day would be in two terms."""
    for kinds in TERMS_BY_CHOICE:
        if found := tuple(Term(**term) for term in terms if term["kind"] in kinds):
            return found
    return ()


def _quiet(row: Mapping[str, Any]) -> QuietHours | None:
    if row["quiet_starts"] is None:
        return None
    return QuietHours(starts=row["quiet_starts"], ends=row["quiet_ends"])


def _pairs(students: Sequence[tuple[UUID, UUID]]) -> dict[str, list[UUID]]:
    return {"schools": [school for school, _ in students], "students": [student for _, student in students]}


def rows(values: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the parameters of a statement with `jsonb_to_recordset`."""
    return {"rows": json.dumps(list(values), default=str)}


async def bump_people(tx: UnitOfWork, people: Sequence[UUID]) -> None:
    """Raise the versions of people whose state has changed."""
    await tx.execute(LOCK_PEOPLE, {"people": list(people)})
    await tx.execute(BUMP_PEOPLE, {"people": list(people)})


async def bump_students(tx: UnitOfWork, students: Sequence[tuple[UUID, UUID]]) -> None:
    """Raise the versions of students, given as (school, student), whose state has changed."""
    if students:
        await tx.execute(LOCK_STUDENTS, _pairs(students))
        await tx.execute(BUMP_STUDENTS, _pairs(students))


def document(value: Mapping[str, Any]) -> str:
    """Return a value for a jsonb column."""
    return json.dumps(value, default=str)
