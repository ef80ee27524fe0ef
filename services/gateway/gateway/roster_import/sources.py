"""The source of a roster: an id means a person of the system that the upload comes from, and of no other."""

from gateway.roster_import.oneroster import Roster
from gateway.roster_import.people import Place
from shared.transactions.unit_of_work import UnitOfWork

# Let a source have the people who are here under its ids without a source, at the schools of this upload. One whom a
# school added under an id that was used elsewhere has the school as the source until then.
ADOPT_PEOPLE = """
WITH held AS (
    SELECT p.person_id FROM person p
    WHERE (p.source = '' OR p.source LIKE 'school:%%') AND p.sourced_id = ANY(%(people)s) AND p.person_id = (
        SELECT o.person_id FROM person o JOIN membership m USING (person_id)
        WHERE o.sourced_id = p.sourced_id AND o.erased_at IS NULL AND m.school_id = ANY(%(schools)s)
          AND o.source IN ('', 'school:' || m.school_id)
        ORDER BY o.source, o.person_id LIMIT 1)
      AND NOT EXISTS (SELECT FROM person o WHERE (o.sourced_id, o.source) = (p.sourced_id, %(source)s))
    ORDER BY p.sourced_id, p.person_id FOR NO KEY UPDATE
)
UPDATE person p SET source = %(source)s FROM held h WHERE p.person_id = h.person_id
"""
# Let a source have the classes that are here under its ids without a source, or with their school as the source.
ADOPT_CLASSES = """
UPDATE school_class c SET source = %(source)s
WHERE (c.source = '' OR c.source LIKE 'school:%%') AND c.sourced_id = ANY(%(classes)s) AND c.class_id = (
    SELECT o.class_id FROM school_class o
    WHERE o.sourced_id = c.sourced_id AND o.school_id = ANY(%(schools)s) AND o.source IN ('', 'school:' || o.school_id)
    ORDER BY o.source, o.class_id LIMIT 1)
  AND NOT EXISTS (SELECT FROM school_class o WHERE (o.sourced_id, o.source) = (c.sourced_id, %(source)s))
"""
# Let a source have the terms that are here under its ids without a source.
ADOPT_TERMS = """
UPDATE term t SET source = %(source)s
WHERE t.source = '' AND t.sourced_id = ANY(%(terms)s) AND t.school_id = ANY(%(schools)s)
  AND NOT EXISTS (SELECT FROM term o
                  WHERE (o.school_id, o.sourced_id, o.source) = (t.school_id, t.sourced_id, %(source)s))
"""


async def adopt(tx: UnitOfWork, roster: Roster, place: Place) -> None:
    """Give rows without a source, which were added by hand or before there were sources, to the source that names them.

    Only at the schools that the upload names: elsewhere the same id may be another person.
    """
    if not place.source:
        return
    named = {name for schools in roster.placements.values() for name in schools}
    named |= {each.school for each in roster.classes}
    scope = {
        "source": place.source,
        "schools": sorted({*place.about, *(place.schools[name] for name in named if name in place.schools)}),
        "people": sorted({*roster.placements, *roster.gone_people}),
        "classes": [each.sourced_id for each in roster.classes],
        "terms": [each.sourced_id for each in roster.terms],
    }
    for statement in (ADOPT_PEOPLE, ADOPT_CLASSES, ADOPT_TERMS):
        await tx.execute(statement, scope)
