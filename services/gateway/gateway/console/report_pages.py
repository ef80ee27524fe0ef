"""Reports of a school: the list, and one report with its progress and its files."""

import datetime as dt
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from gateway.console.chosen_school import ChosenSchool
from gateway.console.console_route import ConsoleRoute
from gateway.console.page import ReaderPage
from gateway.console.people_names import choose_student, names_of
from gateway.console.query import PAGE_ROWS, Filter, IdFilter, ReportKindFilter
from gateway.downloads.links import Links
from gateway.http.dependencies import Configured, Rows, Services
from gateway.problems import Problem
from gateway.reports import routes as report_routes
from gateway.reports.schemas import ReportSummary
from gateway.security.access_control import STAFF, allow
from gateway.security.caller import CurrentCaller
from gateway.tasks import task_routes
from shared.events.reports import REPORT_TASK

router = APIRouter(prefix="/console/reports", include_in_schema=False, route_class=ConsoleRoute)


@router.get("", dependencies=[allow(STAFF)])
async def reports(
    page: ReaderPage,
    school: ChosenSchool,
    caller: CurrentCaller,
    rows: Rows,
    owners: Services,
    kind: ReportKindFilter = None,
    student: IdFilter = None,
    name: Filter = None,
    after: IdFilter = None,
) -> Response:
    """List reports, the newest first; `name` finds the student."""
    choice = await choose_student(rows, school, student, name or "")
    asked = {"kind": kind, "student": choice.student, "name": choice.typed}
    if choice.is_open:
        return page.list_html("reports.html", asked, None, None, reports=[], choice=choice)
    found = await report_routes.listing(school, caller, rows, owners, kind, choice.student, after, PAGE_ROWS)
    names = await names_of(rows, school, (each.student for each in found.items))
    return page.list_html(
        "reports.html", asked, after, found.next, reports=[_shown(each, names) for each in found.items], choice=choice
    )


@router.get("/{report_id}", dependencies=[allow(STAFF)])
async def report(
    report_id: UUID,
    page: ReaderPage,
    school: ChosenSchool,
    caller: CurrentCaller,
    rows: Rows,
    settings: Configured,
    owners: Services,
    links: Links,
) -> Response:
    """Show one report; until its service knows it, the task of its request."""
    try:
        found = await report_routes.read(report_id, school, caller, rows, owners, links)
    except Problem as problem:
        if problem.status != 404:  # noqa: PLR2004
            raise
        task = await task_routes.read(report_id, caller, rows, settings)
        if task.kind != REPORT_TASK or task.school_id != school or task.state == "succeeded":
            raise  # a report that is ready is hidden from this role
        return page.html("report.html", report=None, task=task)
    names = await names_of(rows, school, (found.student, found.requested_by))
    task = await task_routes.read(found.task_id, caller, rows, settings)
    return page.html("report.html", report=_shown(found, names), names=names, files=found.files, task=task)


def _shown(report: ReportSummary, names: dict[str, str]) -> dict[str, Any]:
    """Return a report with the name of its student and its last day."""
    about = names.get(str(report.student)) if report.student else report.grade
    return report.model_dump() | {"about": about, "last": report.ends - dt.timedelta(days=1)}
