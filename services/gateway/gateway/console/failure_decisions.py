"""Decisions about many failures: a page by GET says what is meant, and only a number typed on it decides."""

import datetime as dt
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from uuid_utils.compat import uuid7

from gateway.console.console_route import ConsoleRoute
from gateway.console.failure_pages import back_to_list
from gateway.console.page import Page, ReaderPage
from gateway.console.query import EMPTY, Filter, NumberFilter
from gateway.console.texts import N_
from gateway.http.dependencies import Rows
from gateway.http.fields import MOST
from gateway.operations import failure_groups, failure_routes
from gateway.operations.failure_reads import READ_FAILURE
from gateway.operations.failure_selection import FILTERS, DiscardIn, FailureSelection
from gateway.problems import Problem
from gateway.security.access_control import PLATFORM, allow
from gateway.security.audit import Audited
from gateway.security.caller import CurrentCaller
from shared.transactions.unit_of_work import UnitOfWorkFactory

router = APIRouter(prefix="/console/failures", include_in_schema=False, route_class=ConsoleRoute)

Action = Literal["retry", "discard"]
OTHER_NUMBER = N_("Type the number of failures shown above, to show that you mean all of them.")
NO_REASON = N_("Say why they are closed: the reason stays with them and in the audit.")
DRIFTED = N_("The number of failures has changed. Look at it again, then decide.")
Word = Annotated[str, Form(max_length=500)]


@router.get("/confirm/{action}", dependencies=[allow(PLATFORM)])
async def confirm(
    action: Action,
    page: ReaderPage,
    rows: Rows,
    failure: NumberFilter = None,
    service: Filter = None,
    queue: Filter = None,
    fingerprint: Filter = None,
    type: Filter = None,  # noqa: A002  # the field's name in the API
) -> Response:
    """Say in words which failures are meant, and how many they are now."""
    filters = {"failure": failure, "service": service, "queue": queue, "fingerprint": fingerprint, "type": type}
    return await _ask(page, rows, action, filters | {"school": page.school})


@router.post("/confirm/{action}", dependencies=[allow(PLATFORM)])
async def decide(
    action: Action,
    page: ReaderPage,
    caller: CurrentCaller,
    rows: Rows,
    audited: Audited,
    count: Annotated[int, Form(ge=0)] = 0,
    seen_until: Annotated[dt.datetime | None, Form()] = None,
    typed: Word = "",
    reason: Annotated[str, Form(max_length=5_000)] = "",
    key: Annotated[str, Form(max_length=200)] = "",
    failure: Annotated[int | None, EMPTY, Form(ge=1, le=MOST)] = None,
    service: Word = "",
    queue: Word = "",
    fingerprint: Word = "",
    type: Word = "",  # noqa: A002  # the field's name in the API
) -> Response:
    """Retry or discard what the page has shown; nothing happens when its number has changed since."""
    given = {"failure": failure, "service": service, "queue": queue, "fingerprint": fingerprint, "type": type}
    filters: dict[str, Any] = {name: value or None for name, value in given.items()} | {"school": page.school}
    kept = {"typed": typed, "reason": reason}
    if _digits(typed) != str(count):
        return await _ask(page, rows, action, filters, 422, {"typed": page.text(OTHER_NUMBER)}, kept)
    if action == "discard" and not reason.strip():
        return await _ask(page, rows, action, filters, 422, {"reason": page.text(NO_REASON)}, kept)
    seen = {"seen_until": seen_until, "count": count, "everything": not any(filters.values())}
    try:
        if action == "retry":
            selection = FailureSelection.model_validate(filters | seen)
            made = await failure_routes.retry_many(selection, caller, rows, audited, Response(), key or None)
            return RedirectResponse(page.href(f"/console/tasks/{made.task_id}"), 303)
        closing = DiscardIn.model_validate(filters | seen | {"reason": reason})
        closed = await failure_routes.discard(closing, caller, rows, audited)
        return RedirectResponse(back_to_list(page, closed.discarded), 303)
    except ValidationError as problem:
        raise Problem(422, "invalid") from problem
    except Problem as problem:
        if problem.code not in ("drifted", "conflict"):
            raise
        message = page.text(DRIFTED) if problem.code == "drifted" else problem.detail
        return await _ask(page, rows, action, filters, 409, {"form": message}, kept | {"typed": ""})


async def _ask(
    page: Page,
    rows: UnitOfWorkFactory,
    action: Action,
    filters: dict[str, Any],
    status: int = 200,
    errors: dict[str, str] | None = None,
    kept: dict[str, str] | None = None,
) -> Response:
    count, seen_until = await _selected(rows, filters)
    given = {name: value for name, value in filters.items() if value is not None and name != "school"}
    values = {"typed": "", "reason": ""} | (kept or {})
    return page.html(
        "failure_confirm.html",
        status,
        action=action,
        filters=given,
        count=count,
        seen_until=seen_until.isoformat(),
        key=str(uuid7()),
        errors=errors or {},
        kept=values,
    )


async def _selected(rows: UnitOfWorkFactory, filters: dict[str, Any]) -> tuple[int, dt.datetime]:
    """Return how many open failures a filter has now, and the time until which they were seen."""
    async with rows.begin() as tx:
        if filters.get("failure") is None:
            found = await failure_groups.group(tx, dict.fromkeys(FILTERS) | filters, 1)
            return found.count, found.seen_until
        one = await READ_FAILURE.first(tx, id=filters["failure"])
        return int(one is not None and one.state == "open"), dt.datetime.now(dt.UTC)


def _digits(typed: str) -> str:
    """Return a number as it was typed, in any script and with its separators left out."""
    return "".join(str(int(each)) for each in typed if each.isdecimal())
