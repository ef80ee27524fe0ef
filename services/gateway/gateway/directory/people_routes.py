"""`/v1/people`: who belongs to a school, and as what."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from uuid_utils.compat import uuid7

from gateway.directory import erasure, people
from gateway.directory.person_fields import (
    ContactIn,
    ContactsIn,
    MemberRole,
    MembershipIn,
    PeoplePage,
    PersonChange,
    PersonIn,
    PersonOut,
    PersonWhole,
)
from gateway.http.dependencies import InSchool, Rows, school_of
from gateway.http.fields import Key, Limit, Wanted, columns_of
from gateway.http.idempotency import answered
from gateway.http.pagination import chosen
from gateway.problems import Problem
from gateway.security.access_control import Known
from shared.events import PersonChanged
from shared.events.records import RECORDS
from shared.events.values import Role
from shared.http.preconditions import IfMatch, etag
from shared.transactions.unit_of_work import Transaction

router = APIRouter(prefix="/v1/people", tags=["people"])

PERSONAL = sorted({*PersonChanged.personal, *(name for event in RECORDS for name in event.personal)})

FIELDS = """
p.person_id AS id, p.sourced_id, p.given_name, p.family_name, p.language, p.timezone, p.active, p.version,
CASE WHEN p.quiet_starts IS NOT NULL THEN jsonb_build_object('starts', p.quiet_starts, 'ends', p.quiet_ends) END
    AS quiet,
(SELECT coalesce(jsonb_agg(to_jsonb(m) - 'person_id' ORDER BY m.school_id, m.role), '[]')
   FROM membership m WHERE m.person_id = p.person_id) AS memberships,
(SELECT coalesce(jsonb_agg(to_jsonb(c) - 'person_id' ORDER BY c.kind, c.address), '[]')
   FROM contact c WHERE c.person_id = p.person_id) AS contacts
"""
ONE = f"""
SELECT {FIELDS}, (SELECT coalesce(jsonb_agg(to_jsonb(f) - 'person_id' ORDER BY f.kind, f.channel), '[]')
                    FROM preference f WHERE f.person_id = p.person_id) AS preferences
FROM person p WHERE p.person_id = %(person)s AND p.erased_at IS NULL
"""  # noqa: S608  # our own column list
PAGE = f"""
WITH page AS (
    SELECT DISTINCT m.person_id FROM membership m WHERE m.school_id = %(school)s AND {{where}}
    ORDER BY m.person_id LIMIT %(limit)s
)
SELECT {FIELDS} FROM page JOIN person p USING (person_id) ORDER BY p.person_id
"""  # noqa: S608  # our own column list
CHOICES = {
    "role": "m.role = %(role)s",
    "grade": "m.grade = %(grade)s",
    "active": "(m.ends IS NULL OR m.ends > school_today(m.school_id)) = %(active)s",
    "after": "m.person_id > %(after)s",
    "sourced_id": "m.person_id = (SELECT p.person_id FROM person p WHERE p.sourced_id = %(sourced_id)s)",
}
BY_SOURCED_ID = f"SELECT {FIELDS} FROM person p WHERE p.sourced_id = %(sourced_id)s"  # noqa: S608  # our own columns


@router.get("")
async def listing(
    caller: Known,
    rows: Rows,
    school: Wanted = None,
    sourced_id: Wanted = None,
    role: Role | None = None,
    grade: Wanted = None,
    active: bool | None = None,
    after: UUID | None = None,
    limit: Limit = 50,
) -> PeoplePage:
    """People of a school; administrators of the group may leave the school out to look one up by `sourced_id`."""
    values = {"sourced_id": sourced_id, "role": role, "grade": grade, "active": active, "after": after}
    found: Sequence[dict[str, Any]]
    if caller.everywhere and school is None and sourced_id is not None:
        async with rows.begin() as tx:
            found = await tx.rows(BY_SOURCED_ID, values)
    else:
        where = await school_of(rows, caller, school)
        async with rows.request(where) as tx:
            found = await tx.rows(chosen(PAGE, CHOICES, values), values | {"school": where, "limit": limit + 1})
    items = [_out(row) for row in found[:limit]]
    return PeoplePage(items=items, next=items[-1].id if len(found) > limit else None)


@router.post("", status_code=201)
async def create(
    body: PersonIn, caller: Known, rows: Rows, school: InSchool, response: Response, idempotency_key: Key = None
) -> PersonWhole:
    """Add a person by hand, under the same Idempotency-Key once; rosters bring theirs."""
    person = uuid7()
    facts = body.model_dump(include={"sourced_id", "given_name", "family_name", "language", "timezone"})
    memberships = [m.model_dump() for m in body.memberships]
    contacts = [contact.model_dump() for contact in body.contacts]
    asked = ["people", body.model_dump(mode="json")]
    async with rows.begin() as tx:
        before = await answered(tx, caller, school, idempotency_key, asked, {"id": str(person)})
        if before is None:
            await people.add(tx, person, school, facts | columns_of(body.quiet), memberships, contacts)
        else:
            person = UUID(before["id"])
    response.headers["Location"] = f"/v1/people/{person}"
    return await _answer(rows, school, person, response)


@router.get("/{person_id}")
async def read(person_id: UUID, _: Known, rows: Rows, school: InSchool, response: Response) -> PersonWhole:
    """One person of the school, those who have left included."""
    return await _answer(rows, school, person_id, response)


@router.patch("/{person_id}")
async def change(
    person_id: UUID,
    body: PersonChange,
    caller: Known,
    rows: Rows,
    school: InSchool,
    expected: IfMatch,
    response: Response,
) -> PersonWhole:
    """Change a person; with If-Match only if nobody else has meanwhile. `active` is the whole group's to say."""
    if "active" in body.model_fields_set and not caller.everywhere:
        raise Problem(403, "forbidden", "End the membership instead: `active` holds in every school.")
    async with rows.begin() as tx:
        await people.change(tx, person_id, school, expected, body.given())
    return await _answer(rows, school, person_id, response)


@router.put("/{person_id}/contacts")
async def replace_contacts(
    person_id: UUID, body: ContactsIn, _: Known, rows: Rows, school: InSchool, expected: IfMatch, response: Response
) -> PersonWhole:
    """Replace all addresses of a person."""
    contacts = [contact.model_dump() for contact in body.contacts]
    async with rows.begin() as tx:
        await people.replace_contacts(tx, person_id, school, expected, contacts)
    return await _answer(rows, school, person_id, response)


@router.put("/{person_id}/memberships")
async def join(
    person_id: UUID,
    body: MembershipIn,
    caller: Known,
    rows: Rows,
    school: InSchool,
    expected: IfMatch,
    response: Response,
) -> PersonWhole:
    """Say what a person is at the school, or change it. Only the group can bring in somebody of another school."""
    async with rows.begin() as tx:
        if not caller.everywhere:
            await people.lock(tx, person_id, school)
        await people.join(tx, person_id, school, expected, body.model_dump())
    return await _answer(rows, school, person_id, response)


@router.delete("/{person_id}/memberships/{role}")
async def leave(
    person_id: UUID, role: MemberRole, _: Known, rows: Rows, school: InSchool, expected: IfMatch, response: Response
) -> PersonWhole:
    """End a membership today. Nothing is deleted: what was sent and recorded stays true."""
    async with rows.begin() as tx:
        await people.leave(tx, person_id, school, expected, role)
    return await _answer(rows, school, person_id, response)


@router.delete("/{person_id}", status_code=204)
async def erase(person_id: UUID, _: Known, rows: Rows) -> None:
    """Erase a person: name, addresses, devices and what was said of them, here and in everything sent before."""
    async with rows.begin() as tx:
        await erasure.erase(tx, person_id, PERSONAL)


def _out(row: dict[str, Any]) -> PersonOut:
    contacts = [ContactIn.model_construct(**contact) for contact in row["contacts"]]
    return PersonOut(**(row | {"contacts": contacts}))


async def _answer(rows: Rows, school: UUID, person: UUID, response: Response) -> PersonWhole:
    async with rows.request(school) as tx:
        row = await one(tx, person)
    response.headers["ETag"] = etag(row["version"])
    contacts = [ContactIn.model_construct(**contact) for contact in row["contacts"]]
    return PersonWhole(**(row | {"contacts": contacts}))


async def one(tx: Transaction, person: UUID) -> dict[str, Any]:
    """A person's row with all that belongs to it; 404."""
    row = await tx.row(ONE, {"person": person})
    if row is None:
        raise Problem(404, "not_found")
    return row
