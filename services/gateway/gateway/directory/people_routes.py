"""`/v1/people`: people of a school and their roles."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from uuid_utils.compat import uuid7

from gateway.directory import erasure, people, people_reads
from gateway.directory.contact_rules import check_may_replace
from gateway.directory.people_reads import FIND_BY_SOURCED_ID, FIND_MEMBERS
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
from gateway.http.fields import Key, Limit, Wanted, WantedGrade, columns_of
from gateway.http.former_addresses import tell_removed
from gateway.http.guarded_route import GuardedRoute
from gateway.http.idempotency import answered
from gateway.problems import Problem
from gateway.security.access_control import ADMINS, OFFICE, PLATFORM, STAFF, allow
from gateway.security.caller import Caller, CurrentCaller
from shared.events import PersonChanged
from shared.events.records import RECORDS
from shared.events.values import Role
from shared.http.preconditions import IfMatch, etag
from shared.transactions.unit_of_work import UnitOfWork

router = APIRouter(prefix="/v1/people", tags=["people"], route_class=GuardedRoute)

PERSONAL = sorted({*PersonChanged.personal, *(name for event in RECORDS for name in event.personal)})


@router.get("", dependencies=[allow(STAFF, scope="people:read")])
async def listing(
    caller: CurrentCaller,
    rows: Rows,
    school: Wanted = None,
    sourced_id: Wanted = None,
    role: Role | None = None,
    grade: WantedGrade = None,
    active: bool | None = None,
    after: UUID | None = None,
    limit: Limit = 50,
    name: Wanted = None,
) -> PeoplePage:
    """People of a school; administrators of the group may leave the school out to look one up by `sourced_id`.

    `name` is a part of a name, in any case.
    """
    if caller.everywhere and school is None and sourced_id is not None:
        async with rows.begin() as tx:
            found = await FIND_BY_SOURCED_ID.all(tx, sourced_id=sourced_id)
            items = [_out(row) for row in await people_reads.people(tx, found)]
    else:
        where = await school_of(rows, caller, school)
        values = {"sourced_id": sourced_id, "role": role, "grade": grade, "active": active, "after": after}
        values |= {"name": name}
        async with rows.request(where) as tx:
            found = await FIND_MEMBERS.all(tx, school=where, **values, limit=limit + 1)
            items = [_out(row) for row in await people_reads.people(tx, found[:limit])]
    return PeoplePage(items=items, next=items[-1].id if len(found) > limit else None)


@router.post("", status_code=201, dependencies=[allow(ADMINS, scope="people:write")])
async def create(
    body: PersonIn, caller: CurrentCaller, rows: Rows, school: InSchool, response: Response, idempotency_key: Key = None
) -> PersonWhole:
    """Add a person by hand, once for the same Idempotency-Key; rosters add theirs."""
    person = uuid7()
    facts = body.model_dump(include={"sourced_id", "given_name", "family_name", "language", "timezone"})
    memberships = [m.model_dump() for m in body.memberships]
    contacts = [contact.model_dump() for contact in body.contacts]
    _refuse_key(caller, [membership.role for membership in body.memberships])
    asked = ["people", body.model_dump(mode="json")]
    async with rows.begin() as tx:
        before = await answered(tx, caller, school, idempotency_key, asked, {"id": str(person)})
        if before is None:
            await people.add(tx, person, school, facts | columns_of(body.quiet), memberships, contacts)
        else:
            person = UUID(before["id"])
    response.headers["Location"] = f"/v1/people/{person}"
    return await _answer(rows, school, person, response)


@router.get("/{person_id}", dependencies=[allow(STAFF, scope="people:read")])
async def read(person_id: UUID, rows: Rows, school: InSchool, response: Response) -> PersonWhole:
    """Return one person of the school, also one who has left."""
    return await _answer(rows, school, person_id, response)


@router.patch("/{person_id}", dependencies=[allow(ADMINS, scope="people:write")])
async def change(
    person_id: UUID,
    body: PersonChange,
    caller: CurrentCaller,
    rows: Rows,
    school: InSchool,
    expected: IfMatch,
    response: Response,
) -> PersonWhole:
    """Change a person; with If-Match only if the version is current. Only the group sets `active`."""
    if "active" in body.model_fields_set and not caller.everywhere:
        raise Problem(403, "forbidden", "`active` applies to every school. End the membership instead.")
    async with rows.begin() as tx:
        await people.change(tx, person_id, school, expected, body.given())
    return await _answer(rows, school, person_id, response)


@router.put("/{person_id}/contacts", dependencies=[allow(OFFICE, scope="people:write")])
async def replace_contacts(
    person_id: UUID,
    body: ContactsIn,
    caller: CurrentCaller,
    rows: Rows,
    school: InSchool,
    expected: IfMatch,
    response: Response,
) -> PersonWhole:
    """Replace all addresses of a person. Only administrators replace those of an administrator.

    A mail says at each removed mail address that it was removed.
    """
    contacts = [contact.model_dump() for contact in body.contacts]
    async with rows.begin() as tx:
        await people.lock(tx, person_id, school, None)
        await check_may_replace(tx, caller, person_id, school, contacts)
        removed = await people.replace_contacts(tx, person_id, school, expected, contacts)
        await tell_removed(tx, person_id, school, removed, caller.person)
    return await _answer(rows, school, person_id, response)


@router.put("/{person_id}/memberships", dependencies=[allow(ADMINS, scope="people:write")])
async def join(
    person_id: UUID,
    body: MembershipIn,
    caller: CurrentCaller,
    rows: Rows,
    school: InSchool,
    expected: IfMatch,
    response: Response,
) -> PersonWhole:
    """Give a person a role at the school, or change it. Only the group can add a person of another school."""
    _refuse_key(caller, [body.role])
    async with rows.begin() as tx:
        if not caller.everywhere:
            await people.lock(tx, person_id, school)
        await people.join(tx, person_id, school, expected, body.model_dump())
    return await _answer(rows, school, person_id, response)


@router.delete("/{person_id}/memberships/{role}", dependencies=[allow(ADMINS, scope="people:write")])
async def leave(
    person_id: UUID, role: MemberRole, rows: Rows, school: InSchool, expected: IfMatch, response: Response
) -> PersonWhole:
    """End a membership today. Nothing is deleted: sends and records stay."""
    async with rows.begin() as tx:
        await people.leave(tx, person_id, school, expected, role)
    return await _answer(rows, school, person_id, response)


@router.delete("/{person_id}", status_code=204, dependencies=[allow(PLATFORM, scope="people:write")])
async def erase(person_id: UUID, rows: Rows) -> None:
    """Erase a person: name, addresses, devices and records, here and in everything that was sent before."""
    async with rows.begin() as tx:
        await erasure.erase(tx, person_id, PERSONAL)


def _refuse_key(caller: Caller, roles: list[MemberRole]) -> None:
    """Raise 403 for a key that would make an administrator: they could make keys in turn."""
    if caller.key is not None and "school_admin" in roles:
        raise Problem(403, "forbidden", "A key cannot make administrators. An administrator can.")


def _out(row: dict[str, Any]) -> PersonOut:
    contacts = [ContactIn.model_construct(**contact) for contact in row["contacts"]]
    return PersonOut(**(row | {"contacts": contacts}))


async def _answer(rows: Rows, school: UUID, person: UUID, response: Response) -> PersonWhole:
    async with rows.request(school) as tx:
        row = await one(tx, person)
    response.headers["ETag"] = etag(row["version"])
    contacts = [ContactIn.model_construct(**contact) for contact in row["contacts"]]
    return PersonWhole(**(row | {"contacts": contacts}))


async def one(tx: UnitOfWork, person: UUID) -> dict[str, Any]:
    """Return a person's row with all its parts; 404."""
    row = await people_reads.person(tx, person)
    if row is None:
        raise Problem(404, "not_found")
    return row
