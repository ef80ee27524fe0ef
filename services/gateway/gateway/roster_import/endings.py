"""Who an upload would end: counted before anything is written, so that too many wait for a confirmation.

An export that stopped half way looks like a school whose people have left.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from gateway.roster_import.oneroster import Roster, Status
from gateway.roster_import.people import Place
from shared.transactions.unit_of_work import UnitOfWork

# Select the current places of people from rosters: at these schools, and at those of people whom an upload ends.
SELECT_PLACES = """
SELECT p.sourced_id, m.school_id, array_agg(coalesce(m.sourced_id, '')) AS roles
FROM current_membership m JOIN person p USING (person_id)
WHERE p.active AND p.sourced_id IS NOT NULL AND p.source = ANY(%(sources)s)
  AND (m.school_id = ANY(%(schools)s) OR m.school_id IN (
      SELECT o.school_id FROM current_membership o JOIN person g USING (person_id)
      WHERE g.source = ANY(%(sources)s) AND (g.sourced_id = ANY(%(gone)s) OR o.sourced_id = ANY(%(roles)s))))
GROUP BY p.sourced_id, m.school_id
"""
# Select the schools that an upload closes.
SELECT_CLOSED = """
SELECT school_id FROM school WHERE sourced_id = ANY(%(gone)s) AND source = ANY(%(sources)s) AND active
"""


@dataclass(frozen=True, slots=True)
class Bound:
    """What may end at once at a school without a confirmation: a share of its people, or this many."""

    share: float = 0.1
    least: int = 20


@dataclass(frozen=True, slots=True)
class Ending:
    """How many people of a school an upload would end, and of how many."""

    school: UUID
    people: int
    of: int

    def is_held(self, bound: Bound) -> bool:
        """Return whether this is more than an upload may end by itself."""
        return self.people > bound.least and self.people > bound.share * self.of

    def shown(self) -> dict[str, Any]:
        """Return it as the result of a task shows it."""
        return {"school_id": str(self.school), "people": self.people, "of": self.of}


async def count_endings(tx: UnitOfWork, roster: Roster, place: Place) -> list[Ending]:
    """Count the people whose place at a school would end, by school."""
    gone_schools = [org.sourced_id for org in roster.orgs if org.status is not Status.ACTIVE]
    closed = await tx.rows(SELECT_CLOSED, {"gone": gone_schools, "sources": place.sources}) if gone_schools else []
    closing = {row["school_id"] for row in closed}
    people, roles = roster.gone_people, roster.gone_roles
    about = place.about if roster.is_complete("users.csv") else ()
    if not (people or roles or about or closing):
        return []
    scope = {"schools": [*about, *closing], "gone": sorted(people), "roles": sorted(roles), "sources": place.sources}
    ends: dict[UUID, list[bool]] = {}
    judge = _Judge(roster, place, closing)
    for row in await tx.rows(SELECT_PLACES, scope):
        ends.setdefault(row["school_id"], []).append(judge.ends(row["sourced_id"], row["school_id"], row["roles"]))
    return [Ending(school, sum(each), len(each)) for school, each in sorted(ends.items()) if any(each)]


class _Judge:
    """Decides whether a person's place ends; each question is asked for every person of a school."""

    def __init__(self, roster: Roster, place: Place, closing: set[UUID]) -> None:
        self._roster = roster
        self._closing = closing
        self._about = frozenset(place.about)
        self._complete = roster.is_complete("users.csv")
        self._whole_places = roster.version == "1.1" or roster.is_complete("roles.csv")
        self._kept = roster.kept("users.csv") | roster.partly
        self._schools = place.schools

    def ends(self, person: str, school: UUID, roles: list[str]) -> bool:
        """Return whether this upload ends the place of a person at a school."""
        if school in self._closing or person in self._roster.gone_people:
            return True
        if person in self._kept:
            return False
        placed = self._roster.placements.get(person)
        if placed is None:
            gone = self._roster.gone_roles
            return (self._complete and school in self._about) or all(role in gone for role in roles)
        named = {self._schools[name] for name in placed}
        return self._whole_places and school in self._about and school not in named


def held_endings(endings: list[Ending], bound: Bound) -> Iterator[dict[str, Any]]:
    """Return the endings that wait for a confirmation, as a task shows them."""
    return (ending.shown() for ending in endings if ending.is_held(bound))
