"""`/v1/students`: grade, classes and guardians of a school's students."""

from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field, StringConstraints, model_validator

from gateway.directory import students
from gateway.http.dependencies import InSchool, Rows
from gateway.http.fields import ONE_LINE, Grade, Limit, Strict, Wanted
from gateway.http.json_types import WHOLE, Flag
from gateway.http.pagination import chosen
from gateway.problems import Problem
from gateway.security.access_control import Known, reach
from shared.http.preconditions import IfMatch, etag
from shared.transactions.unit_of_work import Transaction

router = APIRouter(prefix="/v1/students", tags=["students"])

FIELDS = """
SELECT s.student_id AS id, p.given_name, p.family_name, s.grade, s.active, s.version,
    array(SELECT e.class_id FROM enrolment e JOIN school_class c USING (class_id)
           WHERE e.person_id = s.student_id AND e.school_id = s.school_id AND e.role = 'student' AND NOT e.lapsed
             AND c.active ORDER BY e.class_id) AS classes,
    (SELECT coalesce(jsonb_agg(to_jsonb(g) || jsonb_build_object('person_id', g.guardian_id)
                               ORDER BY g.rank, g.guardian_id), '[]')
       FROM guardianship g WHERE g.school_id = s.school_id AND g.student_id = s.student_id) AS guardians
"""
PAGE = f"""
{FIELDS} FROM student s JOIN person p ON p.person_id = s.student_id
WHERE s.school_id = %(school)s AND {{where}} ORDER BY s.student_id LIMIT %(limit)s
"""
CHOICES = {
    "id": "s.student_id = %(id)s",
    "grade": "s.grade = %(grade)s",
    "active": "s.active = %(active)s",
    "school_class": """s.student_id IN (SELECT e.person_id FROM enrolment e
        WHERE e.class_id = %(school_class)s AND e.role = 'student' AND NOT e.lapsed)""",
    "guardian": """s.student_id IN (SELECT g.student_id FROM guardianship g
        WHERE g.school_id = %(school)s AND g.guardian_id = %(guardian)s)""",
    "self": "s.student_id = %(self)s",
    "after": "s.student_id > %(after)s",
}


class GuardianIn(Strict):
    """Somebody who answers for a student; the lowest `rank` is asked first."""

    person_id: UUID
    rank: Annotated[int, Field(ge=1, le=20), WHOLE] = 1
    relationship: Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=ONE_LINE)] = "guardian"
    custody: Flag = True
    billing: Flag = True
    emergency: Flag = True


class GuardiansIn(Strict):
    """All guardians: whoever is not here does not answer for the student any more."""

    guardians: list[GuardianIn] = Field(max_length=20)

    @model_validator(mode="after")
    def each_once(self) -> Self:
        """Somebody named twice would have two ranks."""
        if len({guardian.person_id for guardian in self.guardians}) < len(self.guardians):
            msg = "names a person twice"
            raise ValueError(msg)
        return self


class StudentChange(Strict):
    """Another grade, or none."""

    grade: Grade | None


class Student(BaseModel):
    """A student at one school; `version` is the ETag."""

    id: UUID
    given_name: str
    family_name: str
    grade: str | None
    active: bool
    classes: list[UUID]
    guardians: list[dict[str, Any]]
    version: int


class StudentPage(BaseModel):
    """By id; pass `next` as `after` to go on."""

    items: list[Student]
    next: UUID | None


@router.get("")
async def listing(
    caller: Known,
    rows: Rows,
    school: InSchool,
    grade: Wanted = None,
    school_class: Annotated[UUID | None, Query(alias="class")] = None,
    guardian: UUID | None = None,
    active: bool | None = None,
    after: UUID | None = None,
    limit: Limit = 50,
) -> StudentPage:
    """Students of the school; guardians find their own children, students themselves."""
    values = {"grade": grade, "school_class": school_class, "active": active, "after": after, "guardian": guardian}
    values |= reach(caller)
    async with rows.request(school) as tx:
        found = await tx.rows(chosen(PAGE, CHOICES, values), values | {"school": school, "limit": limit + 1})
    items = [_out(row) for row in found[:limit]]
    return StudentPage(items=items, next=items[-1].id if len(found) > limit else None)


@router.get("/{student_id}")
async def read(student_id: UUID, caller: Known, rows: Rows, school: InSchool, response: Response) -> Student:
    """One student."""
    async with rows.request(school) as tx:
        return await _answer(tx, school, {"id": student_id} | reach(caller), response)


@router.patch("/{student_id}")
async def regrade(
    student_id: UUID,
    body: StudentChange,
    caller: Known,
    rows: Rows,
    school: InSchool,
    expected: IfMatch,
    response: Response,
) -> Student:
    """Move a student to another grade."""
    async with rows.begin() as tx:
        await students.regrade(tx, school, student_id, expected, body.grade)
        return await _answer(tx, school, {"id": student_id} | reach(caller), response)


@router.put("/{student_id}/guardians")
async def replace_guardians(
    student_id: UUID,
    body: GuardiansIn,
    caller: Known,
    rows: Rows,
    school: InSchool,
    expected: IfMatch,
    response: Response,
) -> Student:
    """Replace all guardians; 422 lists those who do not belong to the school."""
    async with rows.begin() as tx:
        guardians = [guardian.model_dump() for guardian in body.guardians]
        await students.replace_guardians(tx, school, student_id, expected, guardians)
        return await _answer(tx, school, {"id": student_id} | reach(caller), response)


def _out(row: dict[str, Any]) -> Student:
    kept = set(GuardianIn.model_fields)
    guardians = [{name: value for name, value in g.items() if name in kept} for g in row["guardians"]]
    return Student(**(row | {"guardians": guardians}))


async def _answer(tx: Transaction, school: UUID, values: dict[str, Any], response: Response) -> Student:
    row = await tx.row(chosen(PAGE, CHOICES, values), values | {"school": school, "limit": 1})
    if row is None:
        raise Problem(404, "not_found")
    response.headers["ETag"] = etag(row["version"])
    return _out(row)
