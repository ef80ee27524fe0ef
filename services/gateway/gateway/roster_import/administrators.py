"""Who an upload would make an administrator: a program with a key may not, so its import waits for a person."""

from dataclasses import dataclass
from typing import Any

from gateway.roster_import.oneroster import Roster
from gateway.roster_import.people import Place
from shared.transactions.unit_of_work import UnitOfWork

# Select the schools that people of a source administer now.
SELECT_ADMINISTRATORS = """
SELECT p.sourced_id, m.school_id FROM current_membership m JOIN person p USING (person_id)
WHERE m.role = 'school_admin' AND p.active AND p.sourced_id = ANY(%(people)s) AND p.source = ANY(%(sources)s)
"""


@dataclass(frozen=True, slots=True)
class NewAdministrator:
    """A person and a school that they do not administer yet, by the sourcedIds of the upload."""

    person: str
    school: str

    def shown(self) -> dict[str, Any]:
        """Return it as the result of a task shows it."""
        return {"person": self.person, "school": self.school}


async def find_new_administrators(tx: UnitOfWork, roster: Roster, place: Place) -> list[NewAdministrator]:
    """Return the administrators that an upload would make, in the order of their ids."""
    named = roster.administrators
    if not named:
        return []
    rows = await tx.rows(SELECT_ADMINISTRATORS, {"people": sorted(named), "sources": place.sources})
    known = {(row["sourced_id"], row["school_id"]) for row in rows}
    return [
        NewAdministrator(person, school)
        for person, schools in sorted(named.items())
        for school in sorted(set(schools))
        if (person, place.schools.get(school)) not in known
    ]
