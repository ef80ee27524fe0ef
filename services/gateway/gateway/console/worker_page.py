"""The processes that do the work."""

from fastapi import APIRouter, Response

from gateway.console.console_route import ConsoleRoute
from gateway.console.page import ReaderPage
from gateway.console.query import WorkerStateFilter
from gateway.http.dependencies import Rows
from gateway.security.access_control import PLATFORM, allow
from gateway.tasks import task_routes

router = APIRouter(prefix="/console/workers", include_in_schema=False, route_class=ConsoleRoute)


@router.get("", dependencies=[allow(PLATFORM)])
async def workers(page: ReaderPage, rows: Rows, state: WorkerStateFilter = None) -> Response:
    """List the workers."""
    found = await task_routes.workers(rows, state)
    return page.html("workers.html", workers=found.items, asked={"state": state})
