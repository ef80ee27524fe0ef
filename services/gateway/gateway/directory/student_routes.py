"""`/v1/students`: grade, classes and guardians of a school's students."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field, StringConstraints, model_validator

from gateway.directory import student_reads, students
from gateway.directory.student_reads import FIND_STUDENTS
from gateway.http.dependencies import InSchool, Rows
from gateway.http.fields import ONE_LINE, Grade, Limit, Strict, WantedGrade
from gateway.http.guarded_route import GuardedRoute
from gateway.http.json_types import WHOLE, Flag
from gateway.problems import Problem
from gateway.security.access_control import ADMINS, EVERYBODY, allow
from gateway.security.caller import CurrentCaller, student_scope
from shared.http.preconditions import IfMatch, etag
from shared.transactions.unit_of_work import UnitOfWork

router = APIRouter(prefix="/v1/students", tags=["students"], route_class=GuardedRoute)


class GuardianIn(Strict):
    """A person who is responsible for a student; the lowest `rank` is asked first.

    `custody`, `billing` and `emergency` are independent. Absences go to guardians with either of custody and
    emergency: set both to false to keep them from a person. `reached_by` in the answer says what still reaches each.
    """

    person_id: UUID
    rank: Annotated[int, Field(ge=1, le=20), WHOLE] = 1
    relationship: Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=ONE_LINE)] = "guardian"
    custody: Flag = True
    billing: Flag = True
    emergency: Flag = True


Reach = Literal["absences", "behavior", "payments", "reports", "sends"]
"""`sends` are those to guardians without a responsibility in the audience."""


def reached_by(guardian: Mapping[str, Any]) -> list[Reach]:
    """Return what reaches a guardian with these responsibilities."""
    custody, billing, emergency = (bool(guardian[name]) for name in ("custody", "billing", "emergency"))
    reach: dict[Reach, bool] = {
        "absences": custody or emergency,
        "behavior": custody,
        "payments": billing,
        "reports": custody,
        "sends": True,
    }
    return [name for name, reaches in reach.items() if reaches]


class GuardiansIn(Strict):
    """All guardians of a student; others are no longer responsible for the student."""

    guardians: list[GuardianIn] = Field(max_length=20)

    @model_validator(mode="after")
    def each_once(self) -> Self:
        """Refuse a person who is named twice: they would have two ranks."""
        if len({guardian.person_id for guardian in self.guardians}) < len(self.guardians):
            msg = "lists a person twice"
            raise ValueError(msg)
        return self


class StudentChange(Strict):
    """Another grade, or none."""

    grade: Grade | None


class Guardian(GuardianIn):
    """A guardian of a student; `reached_by` are the messages that still reach this person."""

    reached_by: list[Reach]


class Student(BaseModel):
    """A student at one school; `version` is the ETag."""

    id: UUID
    given_name: str
    family_name: str
    grade: str | None
    active: bool
    classes: list[UUID]
    guardians: list[Guardian]
    version: int


class StudentPage(BaseModel):
    """By id; pass `next` as `after` to go on."""

    items: list[Student]
    next: UUID | None


@router.get("", dependencies=[allow(EVERYBODY, scope="students:read")])
async def listing(
    caller: CurrentCaller,
    rows: Rows,
    school: InSchool,
    grade: WantedGrade = None,
    school_class: Annotated[UUID | None, Query(alias="class")] = None,
    guardian: UUID | None = None,
    active: bool | None = None,
    after: UUID | None = None,
    limit: Limit = 50,
) -> StudentPage:
    """Students of the school; guardians find their own children, students themselves."""
    values = {"grade": grade, "school_class": school_class, "active": active, "after": after, "guardian": guardian}
    values |= student_scope(caller)
    async with rows.request(school) as tx:
        found = await FIND_STUDENTS.all(tx, school=school, **values, limit=limit + 1)
        items = [_out(row) for row in await student_reads.students(tx, school, found[:limit])]
    return StudentPage(items=items, next=items[-1].id if len(found) > limit else None)


@router.get("/{student_id}", dependencies=[allow(EVERYBODY, scope="students:read")])
async def read(student_id: UUID, caller: CurrentCaller, rows: Rows, school: InSchool, response: Response) -> Student:
    """Return one student."""
    async with rows.request(school) as tx:
        return await _answer(tx, school, {"id": student_id} | student_scope(caller), response)


@router.patch("/{student_id}", dependencies=[allow(ADMINS, scope="students:write")])
async def regrade(
    student_id: UUID,
    body: StudentChange,
    caller: CurrentCaller,
    rows: Rows,
    school: InSchool,
    expected: IfMatch,
    response: Response,
) -> Student:
    """Move a student to another grade."""
    async with rows.begin() as tx:
        await students.regrade(tx, school, student_id, expected, body.grade)
        return await _answer(tx, school, {"id": student_id} | student_scope(caller), response)


@router.put("/{student_id}/guardians", dependencies=[allow(ADMINS, scope="students:write")])
async def replace_guardians(
    student_id: UUID,
    body: GuardiansIn,
    caller: CurrentCaller,
    rows: Rows,
    school: InSchool,
    expected: IfMatch,
    response: Response,
) -> Student:
    """Replace all guardians; 422 lists people who do not belong to the school."""
    async with rows.begin() as tx:
        guardians = [guardian.model_dump() for guardian in body.guardians]
        await students.replace_guardians(tx, school, student_id, expected, guardians)
        return await _answer(tx, school, {"id": student_id} | student_scope(caller), response)


def _out(row: dict[str, Any]) -> Student:
    kept = set(GuardianIn.model_fields)
    guardians = [
        {name: value for name, value in g.items() if name in kept} | {"reached_by": reached_by(g)}
        for g in row["guardians"]
    ]
    return Student(**(row | {"guardians": guardians}))


async def _answer(tx: UnitOfWork, school: UUID, values: dict[str, Any], response: Response) -> Student:
    found = await FIND_STUDENTS.all(tx, school=school, **values, limit=1)
    if not found:
        raise Problem(404, "not_found")
    (row,) = await student_reads.students(tx, school, found)
    response.headers["ETag"] = etag(row["version"])
    return _out(row)
