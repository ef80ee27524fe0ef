"""The stream by which open pages learn that something has changed. One for each browser: its tabs share it."""

from fastapi import APIRouter

from gateway.console.console_route import ConsoleRoute
from gateway.http.dependencies import Rows
from gateway.live import routes
from gateway.live.routes import LastEvent, Live
from gateway.live.sse_response import EventStream
from gateway.security.access_control import STAFF, allow
from gateway.security.caller import CurrentCaller

router = APIRouter(prefix="/console", include_in_schema=False, route_class=ConsoleRoute)


@router.get("/live", dependencies=[allow(STAFF)])
async def live(caller: CurrentCaller, rows: Rows, hub: Live, last_event_id: LastEvent = None) -> EventStream:
    """Send the changes of the tasks that the caller may see; a page then reads itself again."""
    return await routes.task_events(caller, rows, hub, None, last_event_id)
