"""The audit: who decided or administered what, and what was refused."""

import datetime as dt
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Response

from gateway.accounts import administration_routes
from gateway.console.console_route import ConsoleRoute
from gateway.console.page import ReaderPage
from gateway.console.query import PAGE_ROWS, DayFilter, Filter, FlagFilter, IdFilter
from gateway.http.dependencies import Rows
from gateway.security.access_control import ADMINS, allow
from gateway.security.caller import CurrentCaller

router = APIRouter(prefix="/console/audit", include_in_schema=False, route_class=ConsoleRoute)


@router.get("", dependencies=[allow(ADMINS)])
async def acts(
    page: ReaderPage,
    caller: CurrentCaller,
    rows: Rows,
    school: Filter = None,
    person: IdFilter = None,
    key: IdFilter = None,
    action: Filter = None,
    since: DayFilter = None,
    until: DayFilter = None,
    refused: FlagFilter = None,
    after: IdFilter = None,
) -> Response:
    """List acts, the newest first; days are those of the page's zone."""
    asked = {"person": person, "key": key, "action": action, "since": since, "until": until, "refused": refused}
    found = await administration_routes.read_audit(
        caller,
        rows,
        school,
        person,
        key,
        action,
        _midnight(since, page.tz),
        _midnight(until and until + dt.timedelta(days=1), page.tz),
        refused=refused is not None,
        after=after,
        limit=PAGE_ROWS,
    )
    return page.list_html("audit.html", asked, after, found.next, acts=found.items)


def _midnight(day: dt.date | None, zone: ZoneInfo) -> dt.datetime | None:
    return None if day is None else dt.datetime.combine(day, dt.time(), zone)
