"""Replays: a service reads the log again into a projection. A dry run counts first; only after it can one start."""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Query, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, StringConstraints, ValidationError
from uuid_utils.compat import uuid7

from gateway.console.console_route import ConsoleRoute
from gateway.console.log_pages import in_zone
from gateway.console.page import Page, ReaderPage
from gateway.console.refusals import refusal_text
from gateway.console.texts import N_
from gateway.http.dependencies import Configured, Rows
from gateway.operations import replay_requests, replay_routes
from gateway.operations.replay_selection import ReplayAccepted, ReplayIn
from gateway.problems import Problem, readable
from gateway.security.access_control import PLATFORM, allow
from gateway.security.audit import Audited
from gateway.security.caller import Caller, CurrentCaller
from gateway.settings import Settings
from gateway.tasks import task_routes
from gateway.tasks.reads import Task
from gateway.tasks.task_search import TaskFilter
from shared.events import replay_task
from shared.http.fields import NO_NUL

router = APIRouter(prefix="/console/replays", include_in_schema=False, route_class=ConsoleRoute)

LATEST = 5
"""Replays of each service that the list shows."""
SHOWN = frozenset({409, 422, 503})
NO_DRY_RUN = N_("A replay starts after a dry run of the same projection that has ended.")
Text = Annotated[str, StringConstraints(max_length=500, pattern=NO_NUL)]


class Wish(BaseModel):
    """The form as it was typed; it stays in the address of the dry run, from which the replay starts."""

    target: Text = ""
    """Service and projection, with a slash between them."""
    mode: Text = ""
    since: Text = ""
    until: Text = ""
    types: Text = ""
    force: Text = ""
    key: Text = ""

    def request(self, page: Page, *, dry_run: bool) -> ReplayIn:
        """Return the request of the API; raises ValidationError."""
        service, _, projection = self.target.partition("/")
        asked: dict[str, Any] = {
            "service": service,
            "projection": projection or None,
            "mode": self.mode or None,
            "since": _instant(page, self.since),
            "until": _instant(page, self.until),
            "types": self.types.replace(",", " ").split(),
            "schools": [page.school] if page.school else [],
            "force": bool(self.force),
            "dry_run": dry_run,
        }
        return ReplayIn.model_validate(asked)

    @property
    def chosen(self) -> dict[str, str]:
        """The fields that the address of a dry run has."""
        return {name: value for name, value in self.model_dump().items() if value and name != "key"}


@router.get("", dependencies=[allow(PLATFORM)])
async def replays(page: ReaderPage, caller: CurrentCaller, rows: Rows, settings: Configured) -> Response:
    """Show the form, and the latest replays."""
    return await _form(page, Wish(), caller, rows, settings)


@router.post("", dependencies=[allow(PLATFORM)])
async def count(
    page: ReaderPage,
    caller: CurrentCaller,
    rows: Rows,
    settings: Configured,
    audited: Audited,
    wish: Annotated[Wish, Form()],
) -> Response:
    """Make a dry run, and lead to its page."""
    try:
        made = await _replay(page, wish, caller, rows, audited, dry_run=True)
    except ValidationError as problem:
        message = "; ".join(each["message"] for each in readable(problem.errors()))
        return await _form(page, wish, caller, rows, settings, 422, message)
    except Problem as problem:
        if problem.status not in SHOWN:
            raise
        listed = "; ".join(each["message"] for each in problem.more.get("errors", ()))
        return await _form(page, wish, caller, rows, settings, problem.status, listed or refusal_text(page, problem))
    return RedirectResponse(page.href(f"/console/replays/{made.task_id}", **wish.chosen), 303)


@router.get("/{task_id}", dependencies=[allow(PLATFORM)])
async def dry_run(
    task_id: UUID,
    page: ReaderPage,
    caller: CurrentCaller,
    rows: Rows,
    settings: Configured,
    wish: Annotated[Wish, Query()],
) -> Response:
    """Show what a dry run has counted, and start the replay from there."""
    task = await _dry_run(task_id, wish, caller, rows, settings)
    return page.html("replay.html", task=task, wish=wish, key=str(uuid7()), ready=_is_ready(task, wish))


@router.post("/{task_id}/start", dependencies=[allow(PLATFORM)])
async def start(
    task_id: UUID,
    page: ReaderPage,
    caller: CurrentCaller,
    rows: Rows,
    settings: Configured,
    audited: Audited,
    wish: Annotated[Wish, Query()],
    key: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Start the replay whose dry run has ended; its task shows the progress and can be stopped."""
    if not _is_ready(await _dry_run(task_id, wish, caller, rows, settings), wish):
        raise Problem(409, "conflict", page.text(NO_DRY_RUN))
    try:
        made = await _replay(page, wish.model_copy(update={"key": key}), caller, rows, audited, dry_run=False)
    except ValidationError as problem:
        raise Problem(422, "invalid", errors=readable(problem.errors())) from problem
    return RedirectResponse(page.href(f"/console/tasks/{made.task_id}"), 303)


async def _replay(
    page: Page, wish: Wish, caller: Caller, rows: Rows, audited: Audited, *, dry_run: bool
) -> ReplayAccepted:
    body = wish.request(page, dry_run=dry_run)
    return await replay_routes.replay(body, caller, rows, audited, Response(), wish.key or None)


async def _dry_run(task_id: UUID, wish: Wish, caller: Caller, rows: Rows, settings: Settings) -> Task:
    """Return the task of a replay of the service; 404 for another task."""
    task = await task_routes.read(task_id, caller, rows, settings)
    if task.kind != replay_task(wish.target.partition("/")[0]):
        raise Problem(404, "not_found")
    return task


def _is_ready(task: Task, wish: Wish) -> bool:
    """Return whether a dry run of this projection has ended and found events."""
    result = task.result or {}
    same = result.get("handler") == wish.target.replace("/", ".")
    return task.state == "succeeded" and bool(result.get("dry_run")) and same and result.get("events", 0) > 0


def _instant(page: Page, typed: str) -> dt.datetime | str | None:
    """Return a time of the form in the page's zone; what is no time stays as it is, and is refused with its reason."""
    try:
        return in_zone(dt.datetime.fromisoformat(typed), page.tz) if typed else None
    except ValueError:
        return typed


async def _form(
    page: Page,
    wish: Wish,
    caller: Caller,
    rows: Rows,
    settings: Settings,
    status: int = 200,
    error: str | None = None,
) -> Response:
    async with rows.begin() as tx:
        live = await replay_requests.replays_of(tx)
    latest = [
        task
        for service in live
        for task in (
            await task_routes.listing(caller, rows, settings, TaskFilter(kind=replay_task(service), limit=LATEST))
        ).items
    ]
    targets = [f"{service}/{name}" for service, can in sorted(live.items()) for name in sorted(can["projections"])]
    shown = wish.model_copy(update={"key": str(uuid7())})
    latest.sort(key=lambda task: task.created_at, reverse=True)
    return page.html("replays.html", status, wish=shown, targets=targets, tasks=latest, error=error)
