"""Problems as RFC 9457 has them: each has a stable `code`, and no answer repeats what a person sent."""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg_pool import PoolClosed, PoolTimeout
from starlette.exceptions import HTTPException

from shared.db import infrastructure
from shared.errors import NoSchool, SchoolConnectError

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
AGAIN_AFTER = "2"
LONGEST_NAME = 64

CODES: dict[str, tuple[int, str]] = {
    "bad_cursor": (400, "The cursor is not one of ours"),
    "sign_in_required": (401, "A valid bearer token is needed"),
    "role_not_allowed": (403, "This role may not do that"),
    "audience_not_allowed": (403, "This role may not address that audience"),
    "school_not_yours": (403, "The token is for another school"),
    "school_needed": (403, "The token names no school, and neither does the request"),
    "not_found": (404, "There is nothing here, or it is not yours to see"),
    "method_not_allowed": (405, "This address does not take that method"),
    "key_reused": (409, "The Idempotency-Key was used for another request"),
    "conflict": (409, "The state of things does not allow that"),
    "too_large": (413, "The body is larger than allowed"),
    "media_type": (415, "This content type is not taken here"),
    "invalid": (422, "Some fields are not valid"),
    "unknown_ids": (422, "Some ids are unknown, or belong to another school"),
    "nobody": (422, "The audience has nobody in it"),
    "expired": (422, "The expiry is in the past"),
    "internal": (500, "Something went wrong on our side"),
    "refused": (400, "The request was refused"),
    "owner_failed": (502, "The service that owns this answered with an error"),
    "owner_down": (503, "The service that owns this cannot be reached now"),
    "database_down": (503, "The database cannot be reached now"),
}
"""Every code there is: its HTTP status and its title."""


class Problem(Exception):
    """An answer that is not the one hoped for. `errors` lists every place; `code` is a key of CODES."""

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})

    def response(self, request: Request) -> JSONResponse:
        """The problem document."""
        status, title = CODES[self.code]
        body: dict[str, Any] = {
            "type": f"urn:schoolconnect:problem:{self.code}",
            "title": title,
            "status": status,
            "code": self.code,
            "instance": request.url.path,
        }
        if self.detail:
            body["detail"] = self.detail
        if self.errors:
            body["errors"] = list(self.errors)
        return JSONResponse(body, status, self.headers, MEDIA_TYPE)


def unknown_ids(loc: Sequence[str | int], ids: Sequence[object]) -> Problem:
    """422 naming every id that the caller's school does not know."""
    return Problem("unknown_ids", errors=[{"loc": list(loc), "code": "unknown_id", "id": str(i)} for i in ids])


def away(code: str) -> Problem:
    """503 with Retry-After."""
    return Problem(code, headers={"Retry-After": AGAIN_AFTER})


def install(app: FastAPI) -> None:
    """Let every error leave as a problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(NoSchool, _no_school)
    for away_error in (psycopg.Error, PoolTimeout, PoolClosed, ConnectionError):
        app.add_exception_handler(away_error, _database)
    app.add_exception_handler(SchoolConnectError, _internal)
    app.add_exception_handler(Exception, _internal)


async def _problem(request: Request, problem: Exception) -> JSONResponse:
    assert isinstance(problem, Problem)
    return problem.response(request)


async def _invalid(request: Request, problem: Exception) -> JSONResponse:
    assert isinstance(problem, RequestValidationError)
    errors = [
        {"loc": _place(error["loc"]), "code": error["type"], "message": _message(error)} for error in problem.errors()
    ]
    return Problem("invalid", errors=errors).response(request)


def _place(loc: Sequence[Any]) -> list[str | int]:
    """Where, as JSON path segments; a segment that the caller made up and that is long says nothing useful."""
    return [part if isinstance(part, int) else str(part)[:LONGEST_NAME] for part in loc]


def _message(error: Mapping[str, Any]) -> str:
    """Pydantic's sentence. Those that quote the input are replaced by one that does not."""
    quoting = ("json_invalid", "value_error", "datetime", "date", "uuid", "url")
    if error["type"] == "json_invalid":
        return "not valid JSON"
    if error["type"] == "value_error":
        return str(error.get("ctx", {}).get("error", "not valid"))
    if error["type"].startswith(quoting):
        return "not valid"
    return str(error["msg"])


async def _http(request: Request, problem: Exception) -> JSONResponse:
    assert isinstance(problem, HTTPException)
    codes = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "media_type", 422: "invalid"}
    code = codes.get(problem.status_code, "refused" if problem.status_code < 500 else "internal")  # noqa: PLR2004
    return Problem(code, headers=problem.headers).response(request)


async def _no_school(request: Request, _: Exception) -> JSONResponse:
    return Problem("school_needed").response(request)


async def _database(request: Request, problem: Exception) -> JSONResponse:
    if infrastructure(problem):
        log.warning("request.database_away", error=type(problem).__name__)
        return away("database_down").response(request)
    return await _internal(request, problem)


async def _internal(request: Request, problem: Exception) -> JSONResponse:
    log.error("request.failed", path=_route(request), exc_info=problem)
    return Problem("internal").response(request)


def _route(request: Request) -> str:
    """The route's template: a path may hold what belongs in no log."""
    return str(getattr(request.scope.get("route"), "path", "unknown"))
