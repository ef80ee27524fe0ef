"""Classes and people of a school whom a form names: those that are chosen, and those that fit what was typed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from gateway.console.query import id_of
from shared.transactions.unit_of_work import UnitOfWork

MOST_FOUND = 20

# Find classes by a part of their title, by their code, or by their ids.
FIND_CLASSES = """
SELECT class_id AS id, title AS name, code, class_id = ANY(%(ids)s) AS chosen FROM school_class
WHERE school_id = %(school)s AND active
  AND (class_id = ANY(%(ids)s)
       OR (%(text)s <> '' AND (code = %(text)s OR strpos(lower(title), lower(%(text)s)) > 0)))
ORDER BY chosen DESC, title, class_id LIMIT %(limit)s
"""
# Find people who belong to the school now by a part of their name, by their number, or by their ids.
FIND_PEOPLE = """
SELECT p.person_id AS id, concat_ws(' ', p.given_name, p.family_name) AS name, p.person_id = ANY(%(ids)s) AS chosen,
       array_agg(DISTINCT m.role ORDER BY m.role) AS roles
FROM membership m JOIN person p USING (person_id)
WHERE m.school_id = %(school)s AND is_current(m.ends, m.school_id) AND p.erased_at IS NULL
  AND (p.person_id = ANY(%(ids)s)
       OR (%(text)s <> '' AND (p.sourced_id = %(text)s
           OR strpos(lower(concat_ws(' ', p.given_name, p.family_name)), lower(%(text)s)) > 0)))
GROUP BY p.person_id ORDER BY chosen DESC, p.family_name, p.given_name, p.person_id LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class AudienceChoice:
    """The boxes of a form. `has_more`: more fit than are listed."""

    classes: Sequence[Mapping[str, Any]]
    people: Sequence[Mapping[str, Any]]
    has_more: bool


async def find_choice(
    tx: UnitOfWork, school: UUID, classes: Iterable[str], people: Iterable[str], typed: str
) -> AudienceChoice:
    """Return the chosen ones first, then those that fit."""
    found = []
    for statement, ids in ((FIND_CLASSES, _ids(classes)), (FIND_PEOPLE, _ids(people))):
        values = {"school": school, "ids": ids, "text": typed.strip(), "limit": len(ids) + MOST_FOUND}
        found.append(await tx.rows(statement, values) if ids or typed.strip() else [])
    has_more = any(sum(not row["chosen"] for row in rows) >= MOST_FOUND for rows in found)
    return AudienceChoice(found[0], found[1], has_more)


def _ids(texts: Iterable[str]) -> list[UUID]:
    return [each for text in texts if (each := id_of(text)) is not None]
