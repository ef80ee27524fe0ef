"""Organisations and their schools: only schools have members."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from gateway.roster_import.oneroster.errors import BadValue, Scope
from gateway.roster_import.oneroster.fields import one_of, optional, required, timezone
from gateway.roster_import.oneroster.records import Org, Status
from gateway.roster_import.oneroster.source import Source
from gateway.roster_import.oneroster.table import Row
from gateway.roster_import.oneroster.vocabulary import ORG_TYPES

NEEDS = ("name", "type")
READS = ("identifier", "parentSourcedId", "metadata.timezone")
OF_OTHER_SOURCE = (
    "is a school of another source, with another name; give the school another sourcedId, or the same name if it is one"
)
UNKNOWN_ORG = "refers to an organisation that is not in the roster"


class Organisations:
    """The schools of each organisation.

    A school stands for itself and a department for the school above it. A district stands for the schools
    below it, but for administrators only: a teacher listed at a district does not teach in all its schools.
    """

    def __init__(
        self,
        source: Source,
        known_schools: AbstractSet[str],
        known_below: Mapping[str, AbstractSet[str]],
        others: Mapping[str, str],
    ) -> None:
        self._source = source
        self._others = others
        self.orgs = tuple(source.records(self._org))
        self._known_schools = known_schools
        self._known_below = known_below
        active = {org.sourced_id: org for org in self.orgs if org.status is Status.ACTIVE}
        self._active = active
        self._below: dict[str, list[str]] = {}
        for org in active.values():
            if org.parent is not None and org.parent not in source:
                line = source.accepted[org.sourced_id]
                source.reject(line, "parentSourcedId", UNKNOWN_ORG, scope=Scope.REFERENCE)
            if org.is_school:
                for above in self._line_of(org)[1:]:
                    self._below.setdefault(above.sourced_id, []).append(org.sourced_id)

    def _org(self, sourced_id: str, status: Status, values: Row) -> Org:
        name, kind, identifier, parent, zone = values
        if status is Status.TOBEDELETED:
            return Org(sourced_id, name, kind, None, None, None, status)
        usable = self._source.usable
        kind = one_of(kind, "type", ORG_TYPES)
        theirs = self._others.get(sourced_id)
        if kind == "school" and theirs is not None and theirs.casefold() != name.casefold():
            raise BadValue("sourcedId", OF_OTHER_SOURCE)
        return Org(
            sourced_id,
            required(name, "name"),
            kind,
            usable(optional, identifier, "identifier"),
            usable(optional, parent, "parentSourcedId"),
            usable(timezone, zone, "metadata.timezone"),
            status,
        )

    def is_school(self, org: str) -> bool:
        own = self._active.get(org)
        return own.is_school if own else org in self._source and org in self._known_schools

    def school(self, org: str, column: str) -> str:
        """The id itself if it is a school, else BadValue."""
        if org not in self._source:
            raise BadValue(column, UNKNOWN_ORG)
        if not self.is_school(org):
            raise BadValue(column, "refers to an organisation that is not a school")
        return org

    def schools(self, orgs: tuple[str, ...], role: str, column: str) -> tuple[str, ...]:
        """The schools in which someone listed at these organisations is a member; may be none."""
        found: dict[str, None] = {}
        for org in orgs:
            if org not in self._source:
                raise BadValue(column, UNKNOWN_ORG)
            if self.is_school(org):
                found[org] = None
            elif org in self._active:
                above = (place for place in self._line_of(self._active[org])[1:] if place.is_school)
                found.update((place.sourced_id, None) for place in above)
        if not found and role == "school_admin":
            for org in orgs:
                found.update(dict.fromkeys(self._below.get(org) or sorted(self._known_below.get(org, ()))))
        return tuple(found)

    def _line_of(self, org: Org) -> list[Org]:
        """The organisation and those above it. Stops at a circle, which a file can hold."""
        line = [org]
        while (parent := self._active.get(line[-1].parent or "")) is not None and parent not in line:
            line.append(parent)
        return line
