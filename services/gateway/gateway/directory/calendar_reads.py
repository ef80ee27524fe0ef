"""Answers about calendars, and the statements that select them."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel
from sqlmodel import col

from gateway.http.fields import Span
from gateway.tables import CalendarRow, ClosureRow, SchoolRow, TermRow
from shared.persistence.query import Query, given, showing
from shared.transactions.unit_of_work import UnitOfWork

WEEKDAYS = [1, 2, 3, 4, 5]
"""Of a school that never set its calendar."""


class TermIn(Span):
    """A part of the school year. Terms and semesters are published, else grading periods, else school years."""

    kind: Literal["term", "semester", "gradingPeriod", "schoolYear"] = "term"


class TermOut(TermIn):
    """A term; `sourced_id` is the roster's."""

    term_id: UUID
    sourced_id: str | None


class ClosureOut(Span):
    """Days without school."""

    closure_id: UUID


class Week(BaseModel):
    """The school days of a school, as far as they are known, and the version of its calendar."""

    weekdays: list[int] | None
    version: int | None


class Calendar(BaseModel):
    """ISO weekdays with school (1 is Monday), terms and closures; `version` is its ETag."""

    school_id: UUID
    weekdays: list[int]
    terms: list[TermOut]
    closures: list[ClosureOut]
    version: int


READ_WEEK = Query(
    Week,
    showing(Week, CalendarRow)
    .select_from(SchoolRow)
    .join(CalendarRow, col(CalendarRow.school_id) == SchoolRow.school_id, isouter=True)
    .where(col(SchoolRow.school_id) == given("school")),
)
LIST_TERMS = Query(
    TermOut,
    showing(TermOut, TermRow)
    .where(col(TermRow.school_id) == given("school"))
    .order_by(col(TermRow.starts), col(TermRow.ends), col(TermRow.name)),
)
LIST_CLOSURES = Query(
    ClosureOut,
    showing(ClosureOut, ClosureRow)
    .where(col(ClosureRow.school_id) == given("school"))
    .order_by(col(ClosureRow.starts), col(ClosureRow.ends), col(ClosureRow.name)),
)


async def calendar_of(tx: UnitOfWork, school: UUID) -> Calendar | None:
    """Read the calendar of a school; None where there is no such school."""
    week = await READ_WEEK.first(tx, school=school)
    if week is None:
        return None
    return Calendar(
        school_id=school,
        weekdays=week.weekdays or WEEKDAYS,
        terms=await LIST_TERMS.all(tx, school=school),
        closures=await LIST_CLOSURES.all(tx, school=school),
        version=week.version or 1,
    )
