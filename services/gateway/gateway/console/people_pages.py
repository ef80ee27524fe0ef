"""People of a school: the list and its search, one person, and families that no channel reaches."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from gateway.console.chosen_school import ChosenSchool
from gateway.console.console_route import ConsoleRoute
from gateway.console.page import ReaderPage
from gateway.console.people_names import names_of
from gateway.console.query import EMPTY, PAGE_ROWS, Filter, IdFilter, RoleFilter
from gateway.directory import people_routes, student_routes
from gateway.directory.reachability import bounced_addresses, unreachable_students
from gateway.http.dependencies import Rows, Services
from gateway.http.fields import WantedGrade
from gateway.problems import Problem
from gateway.security.access_control import STAFF, allow
from gateway.security.caller import CurrentCaller

router = APIRouter(prefix="/console/people", include_in_schema=False, route_class=ConsoleRoute)

MOST_SKIPPED = 100_000
GradeFilter = Annotated[WantedGrade, EMPTY]


@router.get("", dependencies=[allow(STAFF)])
async def people(
    page: ReaderPage,
    school: ChosenSchool,
    caller: CurrentCaller,
    rows: Rows,
    name: Filter = None,
    role: RoleFilter = None,
    grade: GradeFilter = None,
    after: IdFilter = None,
) -> Response:
    """List people; `name` is a part of a name."""
    found = await people_routes.listing(
        caller, rows, str(school), None, role, grade, None, after, PAGE_ROWS, name=(name or "").strip() or None
    )
    asked = {"name": name, "role": role, "grade": grade}
    return page.list_html(
        "people.html", asked, after, found.next, people=[_shown(each.model_dump(), school) for each in found.items]
    )


@router.get("/reachability", dependencies=[allow(STAFF)])
async def reachability(
    page: ReaderPage,
    school: ChosenSchool,
    caller: CurrentCaller,
    rows: Rows,
    owners: Services,
    after: Annotated[int, Query(ge=0, le=MOST_SKIPPED)] = 0,
) -> Response:
    """List the families that an emergency message would not reach."""
    bounced = await bounced_addresses(owners, caller, school)
    async with rows.request(school) as tx:
        found, students = await unreachable_students(tx, school, bounced, PAGE_ROWS, after)
    total = found[0]["total"] if found else 0
    next_after = after + PAGE_ROWS if after + len(found) < total else None
    return page.list_html("reachability.html", {}, after, next_after, found=found, total=total, students=students)


@router.get("/{person_id}", dependencies=[allow(STAFF)])
async def person(
    person_id: UUID, page: ReaderPage, school: ChosenSchool, caller: CurrentCaller, rows: Rows
) -> Response:
    """Show one person, with their guardians or their children."""
    found = await people_routes.read(person_id, rows, school, Response())
    shown = _shown(found.model_dump(), school)
    guardians: list[dict[str, Any]] = []
    try:
        student = await student_routes.read(person_id, caller, rows, school, Response())
        guardians = [each.model_dump() for each in student.guardians]
    except Problem as problem:
        if problem.status != 404:  # noqa: PLR2004
            raise
    children = (await student_routes.listing(caller, rows, school, guardian=person_id)).items
    names = await names_of(rows, school, (each["person_id"] for each in guardians))
    return page.html("person.html", person=shown, guardians=guardians, children=children, names=names)


def _shown(person: dict[str, Any], school: UUID) -> dict[str, Any]:
    """Return a person with their name and their memberships of this school only."""
    here = [each for each in person["memberships"] if each["school_id"] == school]
    return person | {"name": f"{person['given_name']} {person['family_name']}", "memberships": here}
