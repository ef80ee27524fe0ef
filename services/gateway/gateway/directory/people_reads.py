"""Answers about people: one statement finds them, another reads the fields of each."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import Text
from sqlmodel import col, func, select

from gateway.tables import MembershipRow, PersonRow
from shared.persistence.query import Query, given, showing
from shared.transactions.unit_of_work import UnitOfWork


class Found(BaseModel):
    """A person."""

    person_id: UUID


OF_SOURCED_ID = select(PersonRow.person_id).where(col(PersonRow.sourced_id) == given("sourced_id"))
NAMED = (
    select(PersonRow.person_id)
    .where(
        col(PersonRow.person_id) == MembershipRow.person_id,
        func.strpos(
            func.lower(func.concat_ws(" ", PersonRow.given_name, PersonRow.family_name)),
            func.lower(given("name", Text)),
        )
        > 0,
    )
    .exists()
)
FIND_MEMBERS = Query(
    Found,
    showing(Found, MembershipRow)
    .distinct()
    .where(col(MembershipRow.school_id) == given("school"))
    .order_by(col(MembershipRow.person_id))
    .limit(given("limit")),
    role=col(MembershipRow.role) == given("role"),
    grade=col(MembershipRow.grade) == given("grade"),
    active=given("active") == func.is_current(MembershipRow.ends, MembershipRow.school_id),
    after=col(MembershipRow.person_id) > given("after"),
    sourced_id=col(MembershipRow.person_id).in_(OF_SOURCED_ID),
    name=NAMED,
)
"""People who belong or belonged to a school, by id."""
FIND_BY_SOURCED_ID = Query(Found, showing(Found, PersonRow).where(col(PersonRow.sourced_id) == given("sourced_id")))
"""The people with this sourcedId: one of each source that uses it."""

# Columns of a person in answers.
PERSON_COLUMNS = """
p.person_id AS id, p.sourced_id, p.given_name, p.family_name, p.language, p.timezone, p.active, p.version,
CASE WHEN p.quiet_starts IS NOT NULL THEN jsonb_build_object('starts', p.quiet_starts, 'ends', p.quiet_ends) END
    AS quiet,
(SELECT coalesce(jsonb_agg(to_jsonb(m) - 'person_id' ORDER BY m.school_id, m.role), '[]')
   FROM membership m WHERE m.person_id = p.person_id) AS memberships,
(SELECT coalesce(jsonb_agg(to_jsonb(c) - 'person_id' ORDER BY c.kind, c.address), '[]')
   FROM contact c WHERE c.person_id = p.person_id) AS contacts
"""
# Select people for a list.
SELECT_PEOPLE = f"SELECT {PERSON_COLUMNS} FROM person p WHERE p.person_id = ANY(%(people)s) ORDER BY p.person_id"  # noqa: S608
# Select one person who is not erased.
SELECT_PERSON = f"""
SELECT {PERSON_COLUMNS}, (SELECT coalesce(jsonb_agg(to_jsonb(f) - 'person_id' ORDER BY f.kind, f.channel), '[]')
                    FROM preference f WHERE f.person_id = p.person_id) AS preferences
FROM person p WHERE p.person_id = %(person)s AND p.erased_at IS NULL
"""  # noqa: S608  # our own column list


async def people(tx: UnitOfWork, found: Sequence[Found]) -> list[dict[str, Any]]:
    """Read the fields that a list shows of people, in the order of their ids."""
    return await tx.rows(SELECT_PEOPLE, {"people": [each.person_id for each in found]})


async def person(tx: UnitOfWork, person_id: UUID) -> dict[str, Any] | None:
    """Read all fields of one person; None for one who was erased."""
    return await tx.row(SELECT_PERSON, {"person": person_id})
