"""The way through a roster: manifest, organisations, terms, courses, roles, users, classes, enrolments."""

from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import BinaryIO, Self

from gateway.roster_import.oneroster import classes, people
from gateway.roster_import.oneroster import orgs as places
from gateway.roster_import.oneroster.archive import Archive, Limits
from gateway.roster_import.oneroster.errors import Rejected, Rejections, RosterRefused
from gateway.roster_import.oneroster.existing import Known
from gateway.roster_import.oneroster.manifest import Manifest, Mode, read_manifest
from gateway.roster_import.oneroster.near_columns import NearColumn
from gateway.roster_import.oneroster.records import (
    Enrolment,
    Guardianship,
    Org,
    Person,
    Role,
    SchoolClass,
    Status,
    Term,
)
from gateway.roster_import.oneroster.source import Source
from gateway.roster_import.oneroster.vocabulary import (
    CLASSES,
    COURSES,
    ENROLLMENTS,
    FILES,
    ORGS,
    ROLES,
    SESSIONS,
    USERS,
)

NOTHING_KNOWN = Known()
CONTENT = frozenset({USERS, ROLES, CLASSES, ENROLLMENTS})


class Roster:
    """The content of a OneRoster zip. Close it after use, or use it in `with`.

    `orgs`, `terms` and `classes` are whole; `people()` and `enrolments()` are read from the zip as they are
    asked for, so 100,000 people are never in memory together. `rejected` is complete but for enrolments,
    whose rejected rows are in it once `enrolments()` has been read to its end.
    """

    def __init__(self, archive: Archive, manifest: Manifest, known: Known) -> None:
        self.version = manifest.version
        self.source = manifest.source
        self._sources: list[Source] = []
        self.modes: Mapping[str, Mode] = MappingProxyType(dict(manifest.modes))
        self._archive = archive
        self._known = known
        self._rejections = Rejections()
        org_file = self._source(ORGS, places.NEEDS, places.READS, known.orgs)
        self._places = places.Organisations(org_file, known.schools, known.districts, known.others)
        self.orgs: tuple[Org, ...] = self._places.orgs
        terms = self._source(SESSIONS, classes.TERM_NEEDS, classes.TERM_READS, known.terms)
        self.terms: tuple[Term, ...] = classes.read_terms(terms)
        courses = self._source(COURSES, classes.COURSE_NEEDS)
        classes.check_courses(courses, self._places)
        self._users = self._source(USERS, people.USER_NEEDS[self.version], people.USER_READS, known.users)
        self._roles = self._source(ROLES, people.ROLE_NEEDS, people.ROLE_READS)
        self._people = people.People(self.version, self._users, self._roles, self._places, known)
        self.roles: tuple[Role, ...] = self._people.loose
        self._classes = self._source(
            CLASSES,
            classes.CLASS_NEEDS,
            classes.CLASS_READS,
            known.classes.keys(),
        )
        complete = courses if courses.mode is Mode.BULK else None
        self.classes: tuple[SchoolClass, ...] = classes.read_classes(self._classes, self._places, terms, complete)
        self._enrolments = self._source(ENROLLMENTS, classes.ENROLLMENT_NEEDS, classes.ENROLLMENT_READS)

    def people(self) -> Iterator[Person]:
        """In the file's order; a Student has its guardians, whose own rows may come later."""
        return iter(self._people)

    def enrolments(self) -> Iterator[Enrolment]:
        school_of = {c.sourced_id: c.school for c in self.classes if c.status is Status.ACTIVE}
        return classes.stream_enrolments(self._enrolments, school_of, self._classes, self._users, self._known)

    @property
    def guardianships(self) -> Iterator[Guardianship]:
        """All pairs of student and guardian, also of students who are known and not in this upload."""
        return self._people.guardianships

    @property
    def rejected(self) -> tuple[Rejected, ...]:
        """Complaints by file, in the order the files are read, and by line."""
        return tuple(sorted(self._rejections.rows, key=lambda row: (FILES.index(row.file), row.line)))

    @property
    def near_columns(self) -> tuple[NearColumn, ...]:
        """Columns that are not read and look like one that is missing."""
        return tuple(found for source in self._sources for found in source.near_columns)

    @property
    def refused_whole(self) -> bool:
        """Whether of the rows that an upload is for, not one can be used.

        These are those of users, roles, classes and enrolments; else those of organisations, sessions and courses.
        """
        own = [source for source in self._sources if source.name in CONTENT and source.lines]
        used = [source for source in own or self._sources if source.lines]
        return any(source.refuses_all for source in used) and not any(source.accepted for source in used)

    @property
    def gone_people(self) -> frozenset[str]:
        """People whom users.csv names as gone."""
        return self._users.gone

    @property
    def gone_roles(self) -> frozenset[str]:
        """Rows of roles.csv that are named as gone."""
        return self._roles.gone

    @property
    def placements(self) -> Mapping[str, tuple[str, ...]]:
        """The schools of each person in users.csv, by sourcedIds."""
        return self._people.placements

    @property
    def administrators(self) -> Mapping[str, tuple[str, ...]]:
        """The schools that each administrator of the upload administers, by sourcedIds."""
        return self._people.administrators

    @property
    def partly(self) -> frozenset[str]:
        """People of whose rows in roles.csv one was rejected: what they were stays."""
        return frozenset(self._people.partly)

    @property
    def people_count(self) -> int:
        """Accepted rows of users.csv, for progress."""
        return len(self._users.accepted)

    def is_complete(self, file: str) -> bool:
        """Whether the file is complete: records that it does not name have disappeared."""
        return self.modes.get(file) is Mode.BULK

    def kept(self, file: str) -> frozenset[str]:
        """Ids of the file's rejected rows: their records have not disappeared and must not be ended."""
        return frozenset(self._rejections.ids.get(file, ()))

    @property
    def student_count(self) -> int:
        """Students among them, for progress."""
        return self._people.student_count

    @property
    def enrolment_count(self) -> int:
        """Rows of enrollments.csv, for progress."""
        return self._enrolments.lines

    def relationship(self, guardian: str) -> str:
        """Return the relationship of a guardian, as a word of OneRoster: parent, guardian or relative."""
        return self._people.relationship(guardian)

    def terms_by_school(self) -> dict[str, list[Term]]:
        """Find the schools of sessions, which OneRoster does not name: those of the classes that use them or one below.

        A session that no class uses is every school's of this upload.
        """
        active = {term.sourced_id: term for term in self.terms if term.status is Status.ACTIVE}
        users: dict[str, set[str]] = {}
        for school_class in self.classes:
            for name in school_class.terms:
                at: str | None = name
                seen: set[str] = set()
                while at in active and at not in seen:
                    seen.add(at)
                    users.setdefault(at, set()).add(school_class.school)
                    at = active[at].parent
        everywhere = {org.sourced_id for org in self.orgs if org.is_school and org.status is Status.ACTIVE}
        found: dict[str, list[Term]] = {school: [] for school in sorted(everywhere)} if active else {}
        for name, term in active.items():
            for school in sorted(users.get(name, everywhere)):
                found.setdefault(school, []).append(term)
        return found

    def close(self) -> None:
        self._archive.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _source(
        self, name: str, needs: tuple[str, ...], reads: tuple[str, ...] = (), known: Container[str] = ()
    ) -> Source:
        mode = self.modes[name]
        source = Source(self._archive, name, mode, self._rejections, needs=needs, reads=reads, known=known)
        self._sources.append(source)
        return source


def source_of(upload: BinaryIO) -> str:
    """Return the system that an upload names in its manifest; "" for one that cannot be read: `read` says why."""
    try:
        archive = Archive(upload, Limits())
        try:
            return read_manifest(archive).source
        finally:
            archive.close()
    except RosterRefused:
        return ""


def read(source: str | Path | BinaryIO, *, known: Known = NOTHING_KNOWN, limits: Limits | None = None) -> Roster:
    """Opens a OneRoster 1.1 or 1.2 CSV zip: a path or a seekable binary file, which the caller closes.

    Raises RosterRefused when the upload as a whole cannot be used. It takes
    seconds of CPU for a big roster: call it in a thread.
    """
    archive = Archive(source, limits or Limits())
    try:
        return Roster(archive, read_manifest(archive), known)
    except BaseException:
        archive.close()
        raise
