"""The page for addresses that the console does not have."""

from fastapi import APIRouter, Response

from gateway.console.console_route import ConsoleRoute
from gateway.console.page import ReaderPage
from gateway.problems import Problem
from gateway.security.access_control import EVERYBODY, allow

router = APIRouter(prefix="/console", include_in_schema=False, route_class=ConsoleRoute)


@router.get("/{unknown:path}", dependencies=[allow(EVERYBODY, audience="person")])
async def not_found(unknown: str, page: ReaderPage) -> Response:  # noqa: ARG001  # the route takes any
    """Answer 404 to a person who is signed in."""
    raise Problem(404, "not_found")
