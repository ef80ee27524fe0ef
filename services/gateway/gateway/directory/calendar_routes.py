"""`/v1/schools/{id}/calendar`: school days, terms, closures."""

from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import Field, model_validator
from uuid_utils.compat import uuid7

from gateway.directory import schools
from gateway.directory.calendar_reads import Calendar, TermIn, calendar_of
from gateway.directory.school_routes import ours
from gateway.http.dependencies import Rows, seen_by
from gateway.http.fields import Span, Strict
from gateway.http.guarded_route import GuardedRoute
from gateway.http.json_types import WHOLE
from gateway.problems import Problem
from gateway.security.access_control import ADMINS, EVERYBODY, allow
from gateway.security.caller import CurrentCaller
from shared.http.preconditions import IfMatch, etag
from shared.transactions.unit_of_work import UnitOfWork

router = APIRouter(prefix="/v1/schools/{school_id}", tags=["schools"], route_class=GuardedRoute)


class CalendarIn(Strict):
    """A part that is left out stays as it is; a part that is given replaces the one before."""

    weekdays: list[Annotated[int, Field(ge=1, le=7), WHOLE]] | None = Field(default=None, min_length=1, max_length=7)
    terms: list[TermIn] | None = Field(default=None, max_length=100)
    closures: list[Span] | None = Field(default=None, max_length=400)

    @model_validator(mode="after")
    def told_apart(self) -> Self:
        """Schedules name a term; two of one name and kind would be a guess."""
        names = [(term.name, term.kind) for term in self.terms or ()]
        if len(set(names)) < len(names):
            msg = "two terms of one kind have the same name"
            raise ValueError(msg)
        return self


@router.get("/calendar", dependencies=[allow(EVERYBODY, scope="schools:read")])
async def calendar(school_id: UUID, caller: CurrentCaller, rows: Rows, response: Response) -> Calendar:
    """School days, terms and closures."""
    async with seen_by(rows, caller) as tx:
        return await _calendar(tx, ours(caller, school_id), response)


@router.put("/calendar", dependencies=[allow(ADMINS, scope="schools:write")])
async def replace_calendar(
    school_id: UUID, body: CalendarIn, caller: CurrentCaller, rows: Rows, expected: IfMatch, response: Response
) -> Calendar:
    """Replace the parts of the calendar that are given."""
    terms = [term.model_dump() for term in body.terms] if body.terms is not None else None
    closures = [closure.model_dump() for closure in body.closures] if body.closures is not None else None
    days = sorted(set(body.weekdays)) if body.weekdays is not None else None
    async with seen_by(rows, caller) as tx:
        await schools.replace_calendar(tx, ours(caller, school_id), expected, days, terms, closures)
        return await _calendar(tx, school_id, response)


@router.post("/closures", status_code=201, dependencies=[allow(ADMINS, scope="schools:write")])
async def close(
    school_id: UUID, body: Span, caller: CurrentCaller, rows: Rows, expected: IfMatch, response: Response
) -> Calendar:
    """Close the school for some days; sends that are scheduled for school days move."""
    async with seen_by(rows, caller) as tx:
        await schools.close(tx, ours(caller, school_id), expected, uuid7(), body.model_dump())
        return await _calendar(tx, school_id, response)


@router.delete("/closures/{closure_id}", status_code=204, dependencies=[allow(ADMINS, scope="schools:write")])
async def reopen(school_id: UUID, closure_id: UUID, caller: CurrentCaller, rows: Rows, expected: IfMatch) -> None:
    """Take a closure back."""
    async with seen_by(rows, caller) as tx:
        await schools.reopen(tx, ours(caller, school_id), expected, closure_id)


async def _calendar(tx: UnitOfWork, school: UUID, response: Response) -> Calendar:
    found = await calendar_of(tx, school)
    if found is None:
        raise Problem(404, "not_found")
    response.headers["ETag"] = etag(found.version)
    return found
