"""`/v1/classes`: classes and enrolments."""

import datetime as dt
from typing import Literal, Self, get_args
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, model_validator
from uuid_utils.compat import uuid7

from gateway.directory import classes
from gateway.http.dependencies import InSchool, Rows
from gateway.http.fields import Code, Grade, Key, Limit, Name, SourcedId, Strict, Until, Wanted
from gateway.http.idempotency import answered
from gateway.http.json_types import Flag
from gateway.http.pagination import chosen
from gateway.problems import Problem
from gateway.security.access_control import Known
from shared.http.preconditions import IfMatch, etag
from shared.transactions.unit_of_work import Transaction

router = APIRouter(prefix="/v1/classes", tags=["classes"])

ClassKind = Literal["homeroom", "scheduled"]
ClassRole = Literal["student", "teacher", "administrator", "proctor", "aide"]

PAGE = """
SELECT c.class_id AS id, c.sourced_id, c.title, c.code, c.kind, c.grades, c.active, c.version
FROM school_class c WHERE c.school_id = %(school)s AND {where} ORDER BY c.class_id LIMIT %(limit)s
"""
CHOICES = {
    "id": "c.class_id = %(id)s",
    "grade": "%(grade)s = ANY(c.grades)",
    "kind": "c.kind = %(kind)s",
    "active": "c.active = %(active)s",
    "person": """c.class_id IN (SELECT e.class_id FROM enrolment e
        WHERE e.person_id = %(person)s AND e.school_id = %(school)s AND NOT e.lapsed)""",
    "after": "c.class_id > %(after)s",
}
ENROLMENTS = """
SELECT person_id, role, leads, starts, ends, lapsed AS over FROM enrolment
WHERE class_id = %(class_id)s AND school_id = %(school)s AND {where} ORDER BY person_id, role LIMIT %(limit)s
"""
ENROLLED = {
    "role": "role = %(role)s",
    "over": "lapsed = %(over)s",
    "after": "person_id > %(after)s",
}


class ClassIn(Strict):
    """A new class."""

    sourced_id: SourcedId | None = None
    title: Name
    code: Code | None = None
    kind: ClassKind = "scheduled"
    grades: list[Grade] = Field(default=[], max_length=20)


class ClassChange(Strict):
    """What may be left out of a change; a class that is not `active` is over."""

    title: Name | None = None
    code: Code | None = None
    kind: ClassKind | None = None
    grades: list[Grade] | None = Field(default=None, max_length=20)
    active: Flag | None = None

    @model_validator(mode="after")
    def something(self) -> Self:
        """Only the code can be taken away."""
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
    """Somebody in a class, and as what; `leads` marks the teacher who answers for it."""

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
            msg = "names a person twice in one role"
            raise ValueError(msg)
        return self


class Enrolment(BaseModel):
    """Somebody in a class."""

    person_id: UUID
    role: ClassRole
    leads: bool
    starts: dt.date | None
    ends: dt.date | None
    over: bool


class EnrolmentPage(BaseModel):
    """By person; pass `next` as `after` to go on."""

    items: list[Enrolment]
    next: UUID | None


@router.get("")
async def listing(
    _: Known,
    rows: Rows,
    school: InSchool,
    grade: Wanted = None,
    kind: ClassKind | None = None,
    person: UUID | None = None,
    active: bool | None = None,
    after: UUID | None = None,
    limit: Limit = 50,
) -> ClassPage:
    """Classes of the school."""
    values = {"grade": grade, "kind": kind, "person": person, "active": active, "after": after}
    async with rows.request(school) as tx:
        found = await tx.rows(chosen(PAGE, CHOICES, values), values | {"school": school, "limit": limit + 1})
    items = [Class.model_construct(**row) for row in found[:limit]]
    return ClassPage.model_construct(items=items, next=items[-1].id if len(found) > limit else None)


@router.post("", status_code=201)
async def create(
    body: ClassIn, caller: Known, rows: Rows, school: InSchool, response: Response, idempotency_key: Key = None
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


@router.get("/{class_id}")
async def read(class_id: UUID, _: Known, rows: Rows, school: InSchool, response: Response) -> Class:
    """One class."""
    async with rows.request(school) as tx:
        return await _answer(tx, school, class_id, response)


@router.patch("/{class_id}")
async def change(
    class_id: UUID, body: ClassChange, _: Known, rows: Rows, school: InSchool, expected: IfMatch, response: Response
) -> Class:
    """Change a class, end it (`active`), or take it up again."""
    async with rows.request(school) as tx:
        await classes.change(tx, school, class_id, expected, body.given())
        return await _answer(tx, school, class_id, response)


@router.get("/{class_id}/enrolments")
async def enrolments(
    class_id: UUID,
    _: Known,
    rows: Rows,
    school: InSchool,
    role: ClassRole | None = None,
    over: bool | None = None,
    after: UUID | None = None,
    limit: Limit = 50,
) -> EnrolmentPage:
    """Who is in a class. Roles of one person are never split between pages."""
    values = {"role": role, "over": over, "after": after}
    async with rows.request(school) as tx:
        await _answer(tx, school, class_id, Response())
        ids = {"class_id": class_id, "school": school, "limit": limit + len(get_args(ClassRole))}
        found = [Enrolment(**row) for row in await tx.rows(chosen(ENROLMENTS, ENROLLED, values), values | ids)]
    items = found[:limit]
    rest = [each for each in found[limit:] if each.person_id == items[-1].person_id]
    more = len(found) > len(items) + len(rest)
    return EnrolmentPage(items=items + rest, next=items[-1].person_id if more else None)


@router.post("/{class_id}/enrolments")
async def enrol(class_id: UUID, body: EnrolmentsIn, _: Known, rows: Rows, school: InSchool) -> dict[str, int]:
    """Put people into a class, or change since when and until when; 422 lists everybody who cannot be."""
    async with rows.begin() as tx:
        await classes.enrol(tx, school, class_id, [each.model_dump() for each in body.enrolments])
    return {"enrolled": len(body.enrolments)}


@router.delete("/{class_id}/enrolments/{person_id}", status_code=204)
async def withdraw(
    class_id: UUID, person_id: UUID, _: Known, rows: Rows, school: InSchool, role: ClassRole = "student"
) -> None:
    """Take somebody out of a class today."""
    async with rows.begin() as tx:
        await classes.withdraw(tx, school, class_id, person_id, role)


async def _answer(tx: Transaction, school: UUID, class_id: UUID, response: Response) -> Class:
    row = await tx.row(chosen(PAGE, CHOICES, {"id": class_id}), {"id": class_id, "school": school, "limit": 1})
    if row is None:
        raise Problem(404, "not_found")
    response.headers["ETag"] = etag(row["version"])
    return Class.model_construct(**row)
