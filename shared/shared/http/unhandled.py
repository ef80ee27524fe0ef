"""Answers of services behind the gateway to errors that no route expects: 503 for an outage, 500 for a bug.

They are problems (RFC 9457), so that the gateway passes on what to do, and an outage is no traceback in the log.
"""

from typing import Any

import structlog
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.errors import is_out_of_descriptors
from shared.persistence.database_errors import is_contention, is_unavailable

log = structlog.get_logger()

MEANINGS = {
    503: ("unavailable", "A part of the system is unavailable. Try again after Retry-After seconds."),
    500: ("internal", "The server failed. The error was logged."),
}


def problem_of(problem: Exception) -> JSONResponse:
    """Return the answer to an error that no route expects."""
    if is_unavailable(problem) or is_contention(problem) or is_out_of_descriptors(problem):
        log.warning("request.unavailable", error=type(problem).__name__)
        status, headers = 503, {"Retry-After": "2"}
    else:
        log.error("request.failed", exc_info=problem)
        status, headers = 500, {}
    code, title = MEANINGS[status]
    body = {"type": f"urn:schoolconnect:problem:{code}", "title": title, "status": status, "code": code}
    return JSONResponse(body | {"detail": title}, status, headers, "application/problem+json")


class UnexpectedErrors:
    """Middleware: answers what the routes raise, as long as no answer has begun."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        begun = False

        async def note(message: Any) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, note)
        except Exception as problem:
            if scope["type"] != "http" or begun:
                raise
            await problem_of(problem)(scope, receive, send)
