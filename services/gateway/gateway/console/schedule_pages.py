"""Schedules of a school: the list with the next runs, one schedule, and what a person decides about it."""

import json
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse

from gateway.console.chosen_school import ChosenSchool
from gateway.console.console_route import ConsoleRoute
from gateway.console.page import Page, ReaderPage
from gateway.console.people_names import names_of
from gateway.console.query import PAGE_ROWS, IdFilter, ScheduleStateFilter
from gateway.console.schedule_rule import rule_text
from gateway.console.vocabulary import SYSTEM_JOBS
from gateway.http.dependencies import Rows, Services
from gateway.schedules import routes as schedule_routes
from gateway.schedules.routes import Mine, Seen
from gateway.security.access_control import ADMINS, PLATFORM, STAFF, allow
from gateway.security.caller import Caller, CurrentCaller
from shared.events.schedules import ScheduleState

router = APIRouter(prefix="/console/schedules", include_in_schema=False, route_class=ConsoleRoute)
system_router = APIRouter(prefix="/console/system-schedules", include_in_schema=False, route_class=ConsoleRoute)

COMING = 5
"""Runs that the page of a schedule names."""
Version = Annotated[str, Form(max_length=100)]


@router.get("", dependencies=[allow(STAFF)])
async def schedules(
    page: ReaderPage,
    school: ChosenSchool,
    caller: CurrentCaller,
    rows: Rows,
    owners: Services,
    state: ScheduleStateFilter = None,
    after: IdFilter = None,
) -> Response:
    """List schedules, the newest first."""
    return await _list(page, school, caller, rows, owners, state, after, system=False)


@system_router.get("", dependencies=[allow(ADMINS)])
async def system_schedules(
    page: ReaderPage,
    school: ChosenSchool,
    caller: CurrentCaller,
    rows: Rows,
    owners: Services,
    state: ScheduleStateFilter = None,
    after: IdFilter = None,
) -> Response:
    """List what the system does by itself, for the school and for the whole group."""
    return await _list(page, school, caller, rows, owners, state, after, system=True)


@router.get("/{schedule_id}", dependencies=[allow(STAFF)])
async def schedule(which: Seen, page: ReaderPage, caller: CurrentCaller, rows: Rows, owners: Services) -> Response:
    """Show one schedule with its message and its next runs, in the school's time."""
    found, version = await _read(which, page, caller, rows, owners)
    coming: list[str] = []
    if found["state"] == "active" and found.get("rule") and found["rule"]["kind"] != "once":
        asked = {"rule": found["rule"], "timezone": found["timezone"], "count": COMING}
        answer = await owners.send_command("scheduler", "POST", "/v1/schedules/preview", caller, which.school, asked)
        coming = json.loads(bytes(answer.body))["runs"]
    names = await names_of(rows, which.school, (found.get("requested_by"),))
    own = caller.person is not None and which.created_by == caller.person
    mine = (which.accepted and own) or _may_decide(caller, found)
    return page.html("schedule.html", schedule=found, version=version, coming=coming, names=names, mine=mine)


@router.get("/{schedule_id}/run-now", dependencies=[allow(STAFF)])
async def ask_run(which: Mine, page: ReaderPage, caller: CurrentCaller, rows: Rows, owners: Services) -> Response:
    """Ask before a schedule runs at once."""
    found, version = await _read(which, page, caller, rows, owners)
    return page.html("schedule_confirm.html", schedule=found, version=version, verb="run-now")


@router.get("/{schedule_id}/delete", dependencies=[allow(STAFF)])
async def ask_delete(which: Mine, page: ReaderPage, caller: CurrentCaller, rows: Rows, owners: Services) -> Response:
    """Ask before a schedule ends for good."""
    found, version = await _read(which, page, caller, rows, owners)
    return page.html("schedule_confirm.html", schedule=found, version=version, verb="delete")


@router.post("/{schedule_id}/run-now", dependencies=[allow(STAFF)])
async def run_now(
    which: Mine, page: ReaderPage, caller: CurrentCaller, owners: Services, version: Version = ""
) -> Response:
    """Run a schedule now; a second press of the button has an old version, and runs nothing."""
    await schedule_routes.run_now(which, caller, owners, version or None)
    return _back(page, which.id)


@router.post("/{schedule_id}/delete", dependencies=[allow(STAFF)])
async def delete(
    which: Mine, page: ReaderPage, caller: CurrentCaller, rows: Rows, owners: Services, version: Version = ""
) -> Response:
    """End a schedule for good."""
    await schedule_routes.cancel(which, caller, rows, owners, version or None)
    return _back(page, which.id)


@router.post("/{schedule_id}/pause", dependencies=[allow(STAFF)])
async def pause(
    which: Mine, page: ReaderPage, caller: CurrentCaller, owners: Services, version: Version = ""
) -> Response:
    """Pause a schedule."""
    await schedule_routes.pause(which, caller, owners, version or None)
    return _back(page, which.id)


@router.post("/{schedule_id}/resume", dependencies=[allow(STAFF)])
async def resume(
    which: Mine, page: ReaderPage, caller: CurrentCaller, owners: Services, version: Version = ""
) -> Response:
    """Resume a schedule."""
    await schedule_routes.resume(which, caller, owners, version or None)
    return _back(page, which.id)


async def _list(
    page: Page,
    school: UUID,
    caller: Caller,
    rows: Rows,
    owners: Services,
    state: ScheduleState | None,
    after: UUID | None,
    *,
    system: bool,
) -> Response:
    found = await schedule_routes.listing(school, caller, rows, owners, system, state, after, PAGE_ROWS)
    shown = [_shown(page, each) for each in found["items"]]
    return page.list_html("schedules.html", {"state": state}, after, found["next"], schedules=shown, system=system)


def _may_decide(caller: Caller, schedule: Mapping[str, Any]) -> bool:
    """Return whether an administrator decides: those of the group only about schedules that no school has."""
    return caller.role in (ADMINS if schedule.get("school_id") else PLATFORM)


async def _read(which: Seen, page: Page, caller: Caller, rows: Rows, owners: Services) -> tuple[dict[str, Any], str]:
    answer = await schedule_routes.read(which, caller, rows, owners)
    found = json.loads(bytes(answer.body))
    missing = {"rule": None, "message": None, "next_run": None, "last_run": None}
    return _shown(page, missing | found), answer.headers.get("etag", "")


def _shown(page: Page, schedule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schedule with its title and its rule in words."""
    message = schedule["message"] or {}
    job = schedule.get("emits") or ""
    title = message.get("title") or message.get("template") or page.text(SYSTEM_JOBS.get(job, job))
    return {**schedule, "of_system": job in SYSTEM_JOBS, "title": title, "says": rule_text(page, schedule["rule"])}


def _back(page: Page, schedule: UUID) -> Response:
    return RedirectResponse(page.href(f"/console/schedules/{schedule}"), 303)
