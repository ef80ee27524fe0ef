"""A port for operators: metrics and status are answered there, and nowhere else; the API is not answered there."""

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

PRIVATE = frozenset({"/metrics", "/health/status"})
EVERYWHERE = frozenset({"/health/live", "/health/ready"})
"""For the load balancer in front of the service's port, too."""


class OperationsPort:
    """Middleware of a service that listens on two ports."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 404 on the wrong port, as for a route that does not exist."""
        if scope["type"] == "http" and scope["path"] not in EVERYWHERE:
            server = scope.get("server") or (None, None)
            if (server[1] == self._port) != (scope["path"] in PRIVATE):
                await PlainTextResponse("Not found.", 404)(scope, receive, send)
                return
        await self._app(scope, receive, send)
