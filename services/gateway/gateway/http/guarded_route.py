"""The kind of route that all of the API has: admission first, then the body up to its limit, then FastAPI.

FastAPI reads a body before it solves dependencies, so what comes before the body wraps the route's handler
(`APIRoute.get_route_handler`, FastAPI's hook for that).
"""

from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, ClassVar

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.params import Depends
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute

from gateway.http.body_limit import BodyLimit
from gateway.problems import Problem
from gateway.security.access_control import Access, take_mark
from gateway.security.admission import API, Admission, Door
from shared.http.provided import Provided

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

ADMISSION = Provided(Admission)
BODY_LIMIT = Provided(BodyLimit)


class GuardedRoute(APIRoute):
    """A route that names its roles: `dependencies=[allow(…)]` or `[public()]`."""

    limits_body: ClassVar[bool] = True
    door: ClassVar[Door] = API

    def __init__(
        self, path: str, endpoint: Callable[..., Any], *, dependencies: Sequence[Depends] | None = None, **options: Any
    ) -> None:
        self.access, others = take_mark(path, dependencies or ())
        super().__init__(path, endpoint, dependencies=others, **options)

    def get_route_handler(self) -> Handler:
        """Admit a request, then pass it on."""
        handler = self.get_admitted_handler()
        if self.access.roles is not None and not _takes_school(self.dependant):
            handler = _without_school(handler)
        if self.limits_body:
            handler = _body_limited(handler)

        async def handle(request: Request) -> Response:
            return await ADMISSION.by(request.app).respond(request, self.access, self.path_format, handler, self.door)

        return handle

    def get_admitted_handler(self) -> Handler:
        """Return the handler of admitted requests."""
        return super().get_route_handler()


class UploadRoute(GuardedRoute):
    """A route that streams its body and counts for itself."""

    limits_body = False


def _body_limited(handler: Handler) -> Handler:
    async def handle(request: Request) -> Response:
        return await handler(BODY_LIMIT.by(request.app).applied(request))

    return handle


def _takes_school(dependant: Dependant) -> bool:
    """Return whether a route or one of its dependencies reads `?school=`."""
    named = any(field.alias == "school" for field in dependant.query_params)
    return named or any(_takes_school(each) for each in dependant.dependencies)


def _without_school(handler: Handler) -> Handler:
    """Refuse `?school=` where it would be ignored: a request must not act on another school than its sender means."""

    async def handle(request: Request) -> Response:
        if "school" in request.query_params:
            message = "this route takes no school: it follows from the token or from what the path names"
            raise Problem(422, "invalid", errors=[{"loc": ["query", "school"], "code": "unknown", "message": message}])
        return await handler(request)

    return handle


def access_table(routes: Iterable[BaseRoute]) -> dict[tuple[str, str], Access]:
    """Return (method, path) → access, for the API's routes of an application or a router."""
    return {
        (method, route.path_format): route.access
        for route in (context.original_route for context in iter_route_contexts(tuple(routes)))
        if isinstance(route, GuardedRoute)
        for method in route.methods or ()
    }
