"""What every request passes before it is routed, and every answer before it leaves: paths, and headers for browsers."""

import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.problems import Problem

FOREIGN = re.compile(r"[\x00-\x1f\x7f\\\ufffd]|//|/\.{1,2}(?:/|$)")
"""No route has these in its path; an end of line in particular would be overlooked where patterns are matched."""

NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
PAGE = f"{NOTHING}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": NOTHING,
}
"""On every answer that does not say otherwise itself."""


class Front:
    """Middleware of the gateway."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse paths that are no route's, and add the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                page = headers.get("content-type", "").startswith("text/html")
                for name, value in HEADERS.items():
                    headers.setdefault(name, PAGE if page and value == NOTHING else value)
            await send(message)

        if FOREIGN.search(scope["path"]):
            problem = Problem(400, "bad_request", "The path contains characters that no path of this API has.")
            await problem.response()(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)
