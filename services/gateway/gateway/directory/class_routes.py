"""`/v1/classes`: classes and enrolments."""

from typing import Self, get_args
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, model_validator
from uuid_utils.compat import uuid7

from gateway.directory import classes
from gateway.directory.class_reads import LIST_CLASSES, LIST_ENROLMENTS, ClassRead, EnrolmentPage
from gateway.http.dependencies import InSchool, Rows
from gateway.http.fields import Code, Grade, Key, Limit, Name, SourcedId, Strict, Until, WantedGrade
from gateway.http.guarded_route import GuardedRoute
from gateway.http.idempotency import answered
from gateway.http.json_types import Flag
from gateway.problems import Problem
from gateway.security.access_control import ADMINS, STAFF, allow
from gateway.security.caller import CurrentCaller
from gateway.tables import ClassKind, ClassRole
from shared.http.preconditions import IfMatch, etag
from shared.transactions.unit_of_work import UnitOfWork

router = APIRouter(prefix="/v1/classes", tags=["classes"], route_class=GuardedRoute)


class ClassIn(Strict):
    """A new class."""

    sourced_id: SourcedId | None = None
    title: Name
    code: Code | None = None
    kind: ClassKind = "scheduled"
    grades: list[Grade] = Field(default=[], max_length=20)


class ClassChange(Strict):
    """A change of a class; each field may be left out. A class that is not `active` has ended."""

    title: Name | None = None
    code: Code | None = None
    kind: ClassKind | None = None
    grades: list[Grade] | None = Field(default=None, max_length=20)
    active: Flag | None = None

    @model_validator(mode="after")
    def something(self) -> Self:
        """Refuse null for every field but the code."""
        if not self.model_fields_set or any(getattr(self, n) is None for n in self.model_fields_set - {"code"}):
            msg = "name at least one field; only code can be null"
            raise ValueError(msg)
        return self


class Class(ClassIn):
    """A class; `version` is its ETag."""

    id: UUID
    title: str
    active: bool
    version: int


class ClassPage(BaseModel):
    """By id; pass `next` as `after` to go on."""

    items: list[Class]
    next: UUID | None


class EnrolmentIn(Until):
    """A person in a class, and their role; `leads` marks the teacher who is responsible for the class."""

    person_id: UUID
    role: ClassRole = "student"
    leads: Flag = False


class EnrolmentsIn(Strict):
    """Up to 1,000 people in one commit."""

    enrolments: list[EnrolmentIn] = Field(min_length=1, max_length=1000)

    @model_validator(mode="after")
    def each_once(self) -> Self:
        """One person in one role, once."""
        if len({(e.person_id, e.role) for e in self.enrolments}) < len(self.enrolments):
            msg = "lists a person twice in one role"
            raise ValueError(msg)
        return self


@router.get("", dependencies=[allow(STAFF, scope="classes:read")])
async def listing(
    rows: Rows,
    school: InSchool,
    grade: WantedGrade = None,
    kind: ClassKind | None = None,
    person: UUID | None = None,
    active: bool | None = None,
    after: UUID | None = None,
    limit: Limit = 50,
) -> ClassPage:
    """Classes of the school."""
    values = {"grade": grade, "kind": kind, "person": person, "active": active, "after": after}
    async with rows.request(school) as tx:
        found = await LIST_CLASSES.all(tx, school=school, **values, limit=limit + 1)
    items = [_out(each) for each in found[:limit]]
    return ClassPage.model_construct(items=items, next=items[-1].id if len(found) > limit else None)


@router.post("", status_code=201, dependencies=[allow(ADMINS, scope="classes:write")])
async def create(
    body: ClassIn, caller: CurrentCaller, rows: Rows, school: InSchool, response: Response, idempotency_key: Key = None
) -> Class:
    """Add a class by hand; under the same Idempotency-Key once."""
    class_id = uuid7()
    asked = ["classes", body.model_dump(mode="json")]
    async with rows.request(school) as tx:
        before = await answered(tx, caller, school, idempotency_key, asked, {"id": str(class_id)})
        if before is None:
            await classes.add(tx, class_id, school, body.model_dump())
        else:
            class_id = UUID(before["id"])
        response.headers["Location"] = f"/v1/classes/{class_id}"
        return await _answer(tx, school, class_id, response)


@router.get("/{class_id}", dependencies=[allow(STAFF, scope="classes:read")])
async def read(class_id: UUID, rows: Rows, school: InSchool, response: Response) -> Class:
    """One class."""
    async with rows.request(school) as tx:
        return await _answer(tx, school, class_id, response)


@router.patch("/{class_id}", dependencies=[allow(ADMINS, scope="classes:write")])
async def change(
    class_id: UUID, body: ClassChange, rows: Rows, school: InSchool, expected: IfMatch, response: Response
) -> Class:
    """Change a class, end it (`active`), or take it up again."""
    async with rows.request(school) as tx:
        await classes.change(tx, school, class_id, expected, body.given())
        return await _answer(tx, school, class_id, response)


@router.get("/{class_id}/enrolments", dependencies=[allow(STAFF, scope="classes:read")])
async def enrolments(
    class_id: UUID,
    rows: Rows,
    school: InSchool,
    role: ClassRole | None = None,
    over: bool | None = None,
    after: UUID | None = None,
    limit: Limit = 50,
) -> EnrolmentPage:
    """List the people of a class. Roles of one person are never split between pages."""
    values = {"role": role, "over": over, "after": after, "limit": limit + len(get_args(ClassRole))}
    async with rows.request(school) as tx:
        await _answer(tx, school, class_id, Response())
        found = await LIST_ENROLMENTS.all(tx, class_id=class_id, school=school, **values)
    items = found[:limit]
    rest = [each for each in found[limit:] if each.person_id == items[-1].person_id]
    more = len(found) > len(items) + len(rest)
    return EnrolmentPage(items=items + rest, next=items[-1].person_id if more else None)


@router.post("/{class_id}/enrolments", dependencies=[allow(ADMINS, scope="classes:write")])
async def enrol(class_id: UUID, body: EnrolmentsIn, rows: Rows, school: InSchool) -> dict[str, int]:
    """Add people to a class, or change their first and last day; 422 lists the people who cannot be in it."""
    async with rows.begin() as tx:
        await classes.enrol(tx, school, class_id, [each.model_dump() for each in body.enrolments])
    return {"enrolled": len(body.enrolments)}


@router.delete(
    "/{class_id}/enrolments/{person_id}", status_code=204, dependencies=[allow(ADMINS, scope="classes:write")]
)
async def withdraw(class_id: UUID, person_id: UUID, rows: Rows, school: InSchool, role: ClassRole = "student") -> None:
    """End a person's place in a class today."""
    async with rows.begin() as tx:
        await classes.withdraw(tx, school, class_id, person_id, role)


def _out(found: ClassRead) -> Class:
    return Class.model_construct(**found.model_dump())


async def _answer(tx: UnitOfWork, school: UUID, class_id: UUID, response: Response) -> Class:
    found = await LIST_CLASSES.first(tx, school=school, id=class_id, limit=1)
    if found is None:
        raise Problem(404, "not_found")
    response.headers["ETag"] = etag(found.version)
    return _out(found)
