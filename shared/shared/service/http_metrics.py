"""Measures HTTP requests: duration by method, route and status, named as OpenTelemetry names them.

The histogram's count is also the number of requests, those included that a middleware or the server refuses. A route is
the path with the names of its parameters, so that an id is never a label; a request that reached no route is
`unmatched`, a method that HTTP does not define, or that was not received, is `_OTHER`.
"""

import time

from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
UNMATCHED = "unmatched"
OTHER = "_OTHER"
ENDLESS = b"text/event-stream"
"""A stream lasts as long as a client listens, so its duration is not measured."""
REFUSED = "schoolconnect.refused"
"""In a scope: the status by which the server has ended the request while the application was waiting for its body."""


class RequestMetrics:
    """The outermost ASGI application of a server, so that it measures what any middleware answers."""

    def __init__(self, app: ASGIApp, seconds: Histogram) -> None:
        """`seconds`: has the labels method, route and status, in this order."""
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application and measure how long it took."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, endless = time.perf_counter(), "500", False

        async def observed(message: Message) -> None:
            nonlocal status, endless
            if message["type"] == "http.response.start":
                status = str(message["status"])
                endless = any(
                    name == b"content-type" and value.startswith(ENDLESS) for name, value in message.get("headers", ())
                )
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            if not endless:
                method = scope["method"] if scope["method"] in METHODS else OTHER
                route = getattr(scope.get("route"), "path", UNMATCHED)
                status = str(scope.get(REFUSED, status))
                self._seconds.labels(method, route, status).observe(time.perf_counter() - began)

    def count_refused(self, status: int) -> None:
        """Count a request whose head was never complete: no application has seen it, and no time was spent on it."""
        self._seconds.labels(OTHER, UNMATCHED, str(status)).observe(0)
