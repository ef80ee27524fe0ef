"""academicSessions.csv, classes.csv and enrollments.csv → terms, classes and enrolments."""

from collections.abc import Iterator

from gateway.http.grades import grade_code
from gateway.roster_import.oneroster.errors import BadValue, Scope
from gateway.roster_import.oneroster.existing import Known
from gateway.roster_import.oneroster.fields import (
    MAX_ID,
    MAX_LIST,
    day,
    flag,
    grade,
    items,
    one_of,
    optional,
    required,
    span,
)
from gateway.roster_import.oneroster.orgs import Organisations
from gateway.roster_import.oneroster.records import Enrolment, SchoolClass, Status, Term
from gateway.roster_import.oneroster.source import Source
from gateway.roster_import.oneroster.table import Row
from gateway.roster_import.oneroster.vocabulary import CLASS_TYPES, ENROLLMENT_ROLES, SESSION_TYPES

TERM_NEEDS = ("title", "type", "startDate", "endDate", "schoolYear")
TERM_READS = ("parentSourcedId",)
COURSE_NEEDS = ("title", "orgSourcedId")
CLASS_NEEDS = ("title", "courseSourcedId", "classType", "schoolSourcedId", "termSourcedIds")
CLASS_READS = ("classCode", "grades")
ENROLLMENT_NEEDS = ("classSourcedId", "schoolSourcedId", "userSourcedId", "role")
ENROLLMENT_READS = ("primary", "beginDate", "endDate")

OWN_GRADE = "has a grade that is not known here; it is kept as it is written"
UNKNOWN_TERM = "refers to an academic session that is not in the roster"
UNKNOWN_COURSE = "refers to a course that is not in the roster"
UNKNOWN_CLASS = "refers to a class that is not in the roster"
UNKNOWN_USER = "refers to a user that is not in the roster"


def read_terms(source: Source) -> tuple[Term, ...]:
    def build(sourced_id: str, status: Status, values: Row) -> Term:
        title, kind, begins, ends, year, parent = values
        if status is Status.TOBEDELETED:
            return Term(sourced_id, title, kind, None, None, None, year, status)
        required(title, "title")
        kind = one_of(kind, "type", SESSION_TYPES)
        day(begins, "startDate")
        day(ends, "endDate")
        first, last = span(begins, ends, "startDate", "endDate")
        above = source.usable(optional, parent, "parentSourcedId")
        return Term(sourced_id, title, kind, first, last, above, required(year, "schoolYear"), status)

    terms = tuple(source.records(build))
    for term in terms:
        if term.parent is not None and term.parent not in source:
            line = source.accepted[term.sourced_id]
            source.reject(line, "parentSourcedId", UNKNOWN_TERM, scope=Scope.REFERENCE)
    return terms


def check_courses(source: Source, places: Organisations) -> None:
    """Courses are not kept: a class carries its title. They are read so that a wrong reference is found."""

    def build(sourced_id: str, status: Status, values: Row) -> str:
        title, org = values
        if status is Status.ACTIVE:
            required(title, "title")
            places.schools((required(org, "orgSourcedId", MAX_ID),), "student", "orgSourcedId")
        return sourced_id

    for _ in source.records(build):
        pass


def read_classes(
    source: Source, places: Organisations, terms: Source, courses: Source | None
) -> tuple[SchoolClass, ...]:
    """`courses` is None when the upload has no complete list of them, then any course is believed."""

    def build(sourced_id: str, status: Status, values: Row) -> SchoolClass:
        title, course, kind, school, term_list, code, grades = values
        if status is Status.TOBEDELETED:
            return SchoolClass(sourced_id, title, None, kind, school, course, (), (), status)
        required(title, "title")
        required(course, "courseSourcedId", MAX_ID)
        if courses is not None and course not in courses:
            raise BadValue("courseSourcedId", UNKNOWN_COURSE)
        kind = one_of(kind, "classType", CLASS_TYPES)
        places.school(required(school, "schoolSourcedId", MAX_ID), "schoolSourcedId")
        listed = items(required(term_list, "termSourcedIds", MAX_ID * MAX_LIST), "termSourcedIds")
        if any(term not in terms for term in listed):
            raise BadValue("termSourcedIds", UNKNOWN_TERM)
        found = [source.usable(grade, level, "grades") for level in source.usable(items, grades, "grades") or ()]
        levels = tuple(dict.fromkeys(level for level in found if level is not None))
        if any(grade_code(level) is None for level in levels):
            source.name_value("grades", OWN_GRADE)
        own = source.usable(optional, code, "classCode")
        return SchoolClass(sourced_id, title, own, kind, school, course, listed, levels, status, source.unsaid)

    return tuple(source.records(build))


def stream_enrolments(
    source: Source, school_of: dict[str, str], classes: Source, users: Source, known: Known
) -> Iterator[Enrolment]:
    """`school_of` maps the upload's classes to their schools."""

    def build(sourced_id: str, status: Status, values: Row) -> Enrolment:
        school_class, school, person, role, primary, begins, ends = values
        first = last = None
        if status is Status.ACTIVE:
            if required(school_class, "classSourcedId", MAX_ID) not in classes:
                raise BadValue("classSourcedId", UNKNOWN_CLASS)
            # The school decides who may see the row, so it must be the class's own.
            if required(school, "schoolSourcedId", MAX_ID) != (
                school_of.get(school_class) or known.classes[school_class]
            ):
                raise BadValue("schoolSourcedId", "is not the school of the class")
            if required(person, "userSourcedId", MAX_ID) not in users:
                raise BadValue("userSourcedId", UNKNOWN_USER)
            role = one_of(role, "role", ENROLLMENT_ROLES)
            first, last = span(begins, ends, "beginDate", "endDate")
        says = "primary" not in source.unsaid
        leads = source.usable(flag, primary, "primary") if primary else False if says else None
        return Enrolment(sourced_id, school_class, school, person, role, leads, first, last, status)

    return source.records(build)
