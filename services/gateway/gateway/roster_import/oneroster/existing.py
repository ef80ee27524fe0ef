"""The records that the gateway has already, for uploads of changes only."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from gateway.directory.erased_ids import erased_mark


@dataclass(frozen=True, slots=True)
class Known:
    """The sourcedIds of active records. A delta may refer to them; a bulk file is complete and may not.

    `districts` maps an organisation that is no school to the schools below it, `classes` a class to its
    school. `erased` are the marks of people who were erased on request: they are not added again. `others` are the
    names of schools that another source brought.
    """

    schools: AbstractSet[str] = frozenset()
    districts: Mapping[str, AbstractSet[str]] = field(default_factory=dict)
    users: AbstractSet[str] = frozenset()
    students: AbstractSet[str] = frozenset()
    guardians: AbstractSet[str] = frozenset()
    classes: Mapping[str, str] = field(default_factory=dict)
    terms: AbstractSet[str] = frozenset()
    erased: AbstractSet[str] = frozenset()
    others: Mapping[str, str] = field(default_factory=dict)

    @property
    def orgs(self) -> AbstractSet[str]:
        return self.schools | self.districts.keys()

    def was_erased(self, sourced_id: str) -> bool:
        return bool(self.erased) and erased_mark(sourced_id) in self.erased
