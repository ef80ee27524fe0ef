"""The schools of the group, for administrators of the group: each leads to its pages."""

from fastapi import APIRouter, Response

from gateway.console.console_route import ConsoleRoute
from gateway.console.page import ReaderPage
from gateway.console.query import PAGE_ROWS, Filter, IdFilter
from gateway.console.return_path import safe_return
from gateway.directory import school_routes
from gateway.http.dependencies import Rows
from gateway.security.access_control import PLATFORM, allow
from gateway.security.caller import CurrentCaller

router = APIRouter(prefix="/console/schools", include_in_schema=False, route_class=ConsoleRoute)

FIRST_PAGE = "/console/files"


@router.get("", dependencies=[allow(PLATFORM)])
async def schools(
    page: ReaderPage, caller: CurrentCaller, rows: Rows, to: Filter = None, after: IdFilter = None
) -> Response:
    """List the schools; `to` is the page that one is chosen for."""
    found = await school_routes.listing(caller, rows, after=after, limit=PAGE_ROWS)
    wanted = safe_return(to)
    return page.list_html(
        "schools.html",
        {"to": to},
        after,
        found.next,
        schools=found.items,
        to=wanted.partition("?")[0] if to and wanted != "/console" else FIRST_PAGE,
    )
