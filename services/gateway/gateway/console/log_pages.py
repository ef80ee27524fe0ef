"""The event log: browse it by time, type, school, subject and correlation; one event with what followed from it."""

import datetime as dt
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Response

from gateway.console.console_route import ConsoleRoute
from gateway.console.page import Page, ReaderPage
from gateway.console.query import PAGE_ROWS, Filter, IdFilter, MomentFilter, ReadFlag
from gateway.console.refusals import refusal_text
from gateway.console.texts import N_
from gateway.operations import log_routes
from gateway.operations.log_routes import Reader
from gateway.problems import Problem
from gateway.security.access_control import PLATFORM, allow

router = APIRouter(prefix="/console/log", include_in_schema=False, route_class=ConsoleRoute)

NO_TYPE = N_("This type is no event.")
NO_PAGE = N_("This page of the log cannot be found. Go back to its first page.")


@router.get("", dependencies=[allow(PLATFORM)])
async def events(
    page: ReaderPage,
    log: Reader,
    since: MomentFilter = None,
    until: MomentFilter = None,
    type: Filter = None,  # noqa: A002  # the field's name in the API
    subject: Filter = None,
    correlation: IdFilter = None,
    after: Filter = None,
    read: ReadFlag = False,
) -> Response:
    """List events, the oldest first; without a time those of the last day. Times are those of the page's zone."""
    asked = {"since": since, "until": until, "type": type, "subject": subject, "correlation": correlation}
    asked = {name: value.isoformat() if isinstance(value, dt.datetime) else value for name, value in asked.items()}
    if not read:
        return page.html("log.html", asked=asked, address=page.href(page.path, **asked, after=after, read=1))
    begin, end = in_zone(since, page.tz), in_zone(until, page.tz)
    try:
        found = await log_routes.browse(log, begin, end, type, page.school, subject, correlation, after, PAGE_ROWS)
    except Problem as problem:
        message = _message(page, problem)
        return page.list_html(
            "log.html", asked, after, None, problem.status, events=[], refused=message, read=None, address=None
        )
    return page.list_html(
        "log.html", asked, after, found.next, events=found.items, refused=None, read=found, address=None
    )


@router.get("/{event_id}", dependencies=[allow(PLATFORM)])
async def event(event_id: UUID, page: ReaderPage, log: Reader, read: ReadFlag = False) -> Response:
    """Show an event and what followed from it; of many that followed from the same event, the first ones."""
    if not read:
        return page.reading(page.text(N_("Event")), "/console/log", page.text(N_("Event log")))
    return page.html("event.html", found=await log_routes.tree(event_id, log), most=PAGE_ROWS)


def in_zone(given: dt.datetime | None, zone: ZoneInfo) -> dt.datetime | None:
    """Return a time of a form as an instant; one that names its offset is one already."""
    return given.replace(tzinfo=zone) if given is not None and given.tzinfo is None else given


def _message(page: Page, problem: Problem) -> str:
    """Return a refusal beside the filter, which can then be changed."""
    wrong = {str(error["loc"][-1]) for error in problem.more.get("errors", ())}
    texts = {"type": NO_TYPE, "after": NO_PAGE}
    return next((page.text(text) for name, text in texts.items() if name in wrong), refusal_text(page, problem))
