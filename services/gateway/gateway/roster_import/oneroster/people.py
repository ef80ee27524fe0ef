"""users.csv and roles.csv → people, memberships and guardianships.

users.csv is read twice: once to find the valid rows and their references, once to return people
out. Only ids are kept in between.
"""

from collections.abc import Iterable, Iterator

from gateway.http.grades import grade_code
from gateway.roster_import.oneroster.errors import BadValue, Scope
from gateway.roster_import.oneroster.existing import Known
from gateway.roster_import.oneroster.fields import (
    MAX_ID,
    email,
    flag,
    grade,
    items,
    one_of,
    phone,
    required,
    span,
)
from gateway.roster_import.oneroster.manifest import Mode
from gateway.roster_import.oneroster.orgs import Organisations
from gateway.roster_import.oneroster.records import Guardianship, Membership, Person, Role, Status, Student
from gateway.roster_import.oneroster.source import Source
from gateway.roster_import.oneroster.table import Row
from gateway.roster_import.oneroster.vocabulary import ROLE_TYPES, USER_ROLES

USER_NEEDS = {
    "1.1": ("enabledUser", "givenName", "familyName", "orgSourcedIds", "role"),
    "1.2": ("enabledUser", "givenName", "familyName"),
}
USER_READS = ("email", "sms", "phone", "agentSourcedIds", "grades")
ROLE_NEEDS = ("userSourcedId", "roleType", "role", "orgSourcedId")
ROLE_READS = ("beginDate", "endDate")

UNKNOWN_USER = "refers to a user that is not in the roster"
NO_SCHOOL = "names no school of the roster"
ERASED = "is a person who was erased here on request"
SEVERAL_GRADES = "lists several grades; the first is used"
OWN_GRADE = "is no grade that is known here; it is kept as it is written"
NO_ROLE = "has no role in any school in roles.csv"


class People:
    def __init__(self, version: str, users: Source, roles: Source, places: Organisations, known: Known) -> None:
        self._in_roles_file = version != "1.1"
        self._words = USER_ROLES[version]
        self._roles_allowed = frozenset(self._words)
        self._users = users
        self._roles = roles
        self._places = places
        self._known = known
        self._cache: dict[tuple[str, str], tuple[Membership, ...]] = {}
        self._placed: dict[str, list[Membership]] = {}
        self._same: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._agents: dict[str, tuple[str, ...]] = {}
        self._students: set[str] = set()
        self._guardians: dict[str, str] = {}
        self.partly: set[str] = set()
        self.placements: dict[str, tuple[str, ...]] = {}
        self.administrators: dict[str, tuple[str, ...]] = {}
        self._guardians_of: dict[str, dict[str, None]] = {}
        for person, memberships in roles.records(self._role):
            self._placed.setdefault(person, []).extend(memberships)
        for indexed in users.records(self._indexed):
            self._remember(indexed)
        self.loose = tuple(self._loose())
        self._relate()

    def __iter__(self) -> Iterator[Person]:
        return self._users.again(self._person)

    @property
    def guardianships(self) -> Iterator[Guardianship]:
        """Return every pair, also of students who are known and not in this users.csv."""
        for student, guardians in self._guardians_of.items():
            for guardian in guardians:
                yield Guardianship(student, guardian)

    @property
    def student_count(self) -> int:
        return len(self._students)

    def relationship(self, guardian: str) -> str:
        return self._guardians.get(guardian, "guardian")

    def _person(self, sourced_id: str, status: Status, values: Row) -> Person:
        enabled, given, family = values[:3]
        mail, sms, number, _, grades = values[-5:]
        if self._known.was_erased(sourced_id):
            raise BadValue("sourcedId", ERASED)
        if status is Status.TOBEDELETED:
            return Person(sourced_id, given, family, None, None, None, (), None, enabled=False, status=status)
        memberships = self._roles_of(sourced_id) if self._in_roles_file else self._at(values[3], values[4])
        usable = self._users.usable
        shared = (
            sourced_id,
            required(given, "givenName"),
            required(family, "familyName"),
            usable(email, mail, "email"),
            usable(phone, number, "phone"),
            usable(phone, sms, "sms"),
            memberships,
            self._grade(grades),
            usable(flag, enabled, "enabledUser"),
            status,
            self._users.unsaid,
        )
        if self._is(memberships, "student") or (not memberships and sourced_id in self._known.students):
            return Student(*shared, guardians=tuple(self._guardians_of.get(sourced_id, ())))
        return Person(*shared)

    def _grade(self, cell: str) -> str | None:
        """Return the first grade of a cell; name what has no code, and the others: a student is in one grade."""
        users = self._users
        listed = users.usable(items, cell, "grades") or ()
        if len(listed) > 1:
            users.name_value("grades", SEVERAL_GRADES)
        if not listed:
            return None
        found = users.usable(grade, listed[0], "grades")
        if found is not None and grade_code(found) is None:
            users.name_value("grades", OWN_GRADE)
        return found

    def _at(self, orgs: str, role: str) -> tuple[Membership, ...]:
        """OneRoster 1.1: one role in all organisations of the row. Few combinations, so each is made once."""
        found = self._cache.get((orgs, role))
        if found is None:
            listed = items(required(orgs, "orgSourcedIds", MAX_ID * 100), "orgSourcedIds")
            role_word = one_of(role, "role", self._roles_allowed)
            ours = self._words[role_word]
            schools = self._places.schools(listed, ours, "orgSourcedIds")
            if not schools:
                raise BadValue("orgSourcedIds", NO_SCHOOL)
            found = tuple(Membership(school, ours, role_word, primary=True) for school in schools)
            self._cache[orgs, role] = found
        return found

    def _roles_of(self, sourced_id: str) -> tuple[Membership, ...]:
        """OneRoster 1.2. In a delta, a known person keeps the roles that the upload does not mention."""
        found = tuple(self._placed.get(sourced_id, ()))
        keeps = self._roles.mode is not Mode.BULK and sourced_id in self._known.users
        if not keeps and all(membership.status is not Status.ACTIVE for membership in found):
            raise BadValue("sourcedId", NO_ROLE)
        return found

    def _role(self, sourced_id: str, status: Status, values: Row) -> tuple[str, tuple[Membership, ...]]:
        try:
            return self._placing(sourced_id, status, values)
        except BadValue:
            self.partly.add(values[0])
            raise

    def _placing(self, sourced_id: str, status: Status, values: Row) -> tuple[str, tuple[Membership, ...]]:
        person, kind, role, org, begins, ends = values
        if status is Status.TOBEDELETED:
            gone = Membership(org, "", role, primary=False, sourced_id=sourced_id, status=status)
            return person, (gone,)
        required(person, "userSourcedId", MAX_ID)
        primary = one_of(kind, "roleType", ROLE_TYPES) == "primary"
        role = one_of(role, "role", self._roles_allowed)
        ours = self._words[role]
        schools = self._places.schools((required(org, "orgSourcedId", MAX_ID),), ours, "orgSourcedId")
        first, last = span(begins, ends, "beginDate", "endDate")
        return person, tuple(
            Membership(school, ours, role, primary, first, last, sourced_id, status) for school in schools
        )

    def _indexed(self, sourced_id: str, status: Status, values: Row) -> Person:
        person = self._person(sourced_id, status, values)
        agents = self._users.usable(items, values[-2], "agentSourcedIds")
        if agents and status is Status.ACTIVE:
            self._agents[sourced_id] = agents
        return person

    def _remember(self, person: Person) -> None:
        if person.status is Status.ACTIVE:
            at = tuple(m.school for m in person.memberships if m.status is Status.ACTIVE)
            self.placements[person.sourced_id] = self._same.setdefault(at, at)
            self._remember_administrator(person.sourced_id, person.memberships)
        if isinstance(person, Student):
            self._students.add(person.sourced_id)
        for membership in person.memberships:
            if membership.role == "guardian":
                self._guardians[person.sourced_id] = membership.source_role

    def _remember_administrator(self, person: str, memberships: Iterable[Membership]) -> None:
        schools = [m.school for m in memberships if m.role == "school_admin" and m.status is Status.ACTIVE]
        if schools:
            self.administrators[person] = (*self.administrators.get(person, ()), *schools)

    def _loose(self) -> Iterator[Role]:
        """Return role rows of people who are not in users.csv; reject rows of unknown people."""
        for person in [person for person in self._placed if person not in self._users.accepted]:
            for membership in self._placed.pop(person):
                if person in self._users or membership.status is Status.TOBEDELETED:
                    self._remember_administrator(person, (membership,))
                    yield Role(person, membership)
                elif not self._users.rejected(person) and membership.sourced_id in self._roles.accepted:
                    self._roles.withdraw(membership.sourced_id, "userSourcedId", UNKNOWN_USER)

    def _relate(self) -> None:
        """Find guardians: either side, or both, may name the other in agentSourcedIds; the roles decide."""
        for sourced_id, agents in self._agents.items():
            for agent in agents:
                if agent not in self._users:
                    # Only the reference: a child must not drop out of every message for one wrong id.
                    line = self._users.accepted[sourced_id]
                    self._users.reject(line, "agentSourcedIds", UNKNOWN_USER, scope=Scope.REFERENCE)
                elif self._is_student(sourced_id) and self._is_guardian(agent):
                    self._guardians_of.setdefault(sourced_id, {})[agent] = None
                elif self._is_guardian(sourced_id) and self._is_student(agent):
                    self._guardians_of.setdefault(agent, {})[sourced_id] = None
        self._agents.clear()

    def _is_student(self, sourced_id: str) -> bool:
        here = sourced_id in self._users.accepted
        return sourced_id in (self._students if here else self._known.students)

    def _is_guardian(self, sourced_id: str) -> bool:
        here = sourced_id in self._users.accepted
        return sourced_id in (self._guardians if here else self._known.guardians)

    @staticmethod
    def _is(memberships: Iterable[Membership], role: str) -> bool:
        return any(membership.role == role for membership in memberships)
