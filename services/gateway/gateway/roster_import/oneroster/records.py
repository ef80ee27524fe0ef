"""The records of a roster. Ids are OneRoster sourcedIds, as written in the files.

A record whose status is `tobedeleted` guarantees its sourced_id only; everything else may be blank.
`begins` is the first day, `ends` the first day after (OneRoster's dates are inclusive and exclusive).
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Status(StrEnum):
    ACTIVE = "active"
    TOBEDELETED = "tobedeleted"


@dataclass(frozen=True, slots=True)
class Org:
    """`kind` is OneRoster's type (school, district, department, …); only a school has memberships.

    `timezone` comes from the extension column `metadata.timezone` (an IANA name) and is None when not given.
    """

    sourced_id: str
    name: str
    kind: str
    identifier: str | None
    parent: str | None
    timezone: str | None
    status: Status

    @property
    def is_school(self) -> bool:
        return self.kind == "school"


@dataclass(frozen=True, slots=True)
class Term:
    """An academic session: `kind` is term, semester, gradingPeriod or schoolYear."""

    sourced_id: str
    title: str
    kind: str
    begins: date | None
    ends: date | None
    parent: str | None
    school_year: str
    status: Status


@dataclass(frozen=True, slots=True)
class Membership:
    """`role` is school_admin, staff, teacher, guardian or student; `source_role` is OneRoster's own word.

    `sourced_id` is the row's in roles.csv; OneRoster 1.1 has none.
    """

    school: str
    role: str
    source_role: str
    primary: bool
    begins: date | None = None
    ends: date | None = None
    sourced_id: str | None = None
    status: Status = Status.ACTIVE


@dataclass(frozen=True, slots=True)
class Person:
    """A person of the school group. `grade` is a code such as 07, the first if the file lists several.

    `enabled` is about signing in only. `unsaid` names the columns that the row says nothing about.
    """

    sourced_id: str
    given_name: str
    family_name: str
    email: str | None
    phone: str | None
    sms: str | None
    memberships: tuple[Membership, ...]
    grade: str | None
    enabled: bool | None
    status: Status
    unsaid: frozenset[str] = frozenset()

    def says(self, *columns: str) -> bool:
        """Return whether the row says something about all of these columns, if only that there is none."""
        return self.unsaid.isdisjoint(columns)


@dataclass(frozen=True, slots=True)
class Student(Person):
    """A person with a student membership; `guardians` are sourcedIds, whichever row named the other."""

    guardians: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Guardianship:
    student: str
    guardian: str


@dataclass(frozen=True, slots=True)
class Role:
    """A roles.csv row about a person who is not in this upload's users.csv (delta)."""

    person: str
    membership: Membership


@dataclass(frozen=True, slots=True)
class SchoolClass:
    """`kind` is homeroom or scheduled; `course` is the course's sourcedId."""

    sourced_id: str
    title: str
    code: str | None
    kind: str
    school: str
    course: str
    terms: tuple[str, ...]
    grades: tuple[str, ...]
    status: Status
    unsaid: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Enrolment:
    """`role` is student, teacher, administrator, proctor or aide, within the class; `primary` may be unsaid."""

    sourced_id: str
    school_class: str
    school: str
    person: str
    role: str
    primary: bool | None
    begins: date | None
    ends: date | None
    status: Status
