"""Problems in the form of RFC 9457, each with a stable code."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from shared.errors import InfrastructureDown, NoSchool, SchoolConnectError, StorageFull, is_full, is_out_of_descriptors
from shared.http.preconditions import DecisionRefused
from shared.persistence.database_errors import INFRASTRUCTURE, is_contention, is_unavailable

log = structlog.get_logger()

CODES = {
    "bad_request": "The request cannot be read.",
    "unauthenticated": "The request has no valid bearer token.",
    "credentials_refused": "These credentials are not accepted; `detail` says which.",
    "forbidden": "This caller is not allowed to do this.",
    "sign_in_again": "This needs a sign-in of the last minutes. Sign in again, then repeat the request.",
    "school_needed": "The token is not bound to a school. Name the school in the request.",
    "membership_needed": "You have several memberships. Choose one with `school` and `role`; `memberships` lists them.",
    "not_found": "No such resource exists, or you are not allowed to see it.",
    "unknown_route": "There is no such route. /docs lists all of them.",
    "method_not_allowed": "This route does not support this method.",
    "conflict": "The request conflicts with the current state. Reload and try again.",
    "drifted": "The selection has another size than you have seen; `count` is its size now. List it again.",
    "too_late": "It is too late for this; `state` gives the current state.",
    "idempotency_conflict": "This idempotency key was used before with another request.",
    "stale": "The resource has changed: If-Match names an older version. Reload it.",
    "precondition_needed": "This change needs a version. Send the ETag of the resource as If-Match.",
    "rate_limited": "Too many requests. Try again after Retry-After seconds.",
    "unsupported_media_type": "This route does not accept this media type.",
    "too_large": "The body is larger than this route accepts.",
    "invalid": "Fields of the request are missing or invalid; `errors` lists all of them.",
    "unknown_people": "Some ids are not people of this school; `people` lists all of them.",
    "unknown_classes": "Some ids are not classes of this school; `classes` lists all of them.",
    "unknown_schools": "Some schools do not exist; `schools` lists all of them.",
    "empty_audience": "The audience is empty: this grade or class has no students.",
    "approval_needed": "Some schools want a second person for large sends; `schools` lists them. Send to each alone.",
    "unknown_school": "There is no such school.",
    "roster_refused": "The roster cannot be used as a whole.",
    "link_unknown": "This link is no link of ours: it was altered, or is incomplete. Get a new one.",
    "link_expired": "This link has ended. Get a new one.",
    "range_not_satisfiable": "The range begins behind the end of the content.",
    "empty_file": "The file has no bytes.",
    "school_full": "The files of this school take all the space that it has. Delete files that are not needed.",
    "storage_full": "There is no room for files. Nothing was stored; try again after Retry-After seconds.",
    "unavailable": "A part of the system is unavailable. Try again after Retry-After seconds.",
    "internal": "The server failed. The error was logged.",
}
"""Every code and its meaning; the documentation lists them from here."""


RETRY_AFTER = {503: "2", 507: "60"}
"""Seconds after which trying again makes sense, by status."""


class Problem(SchoolConnectError):
    """An error that is answered as a problem."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str | None = None,
        /,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(code)
        self.headers = headers or {}
        self.status = status
        self.code = code
        self.detail = detail or CODES[code]
        self.more = more

    def response(self) -> JSONResponse:
        """The problem as JSON; Retry-After where trying again makes sense."""
        body = {
            "type": f"urn:schoolconnect:problem:{self.code}",
            "title": CODES[self.code],
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            **self.more,
        }
        headers = {**self.headers}
        if self.status in RETRY_AFTER:
            headers.setdefault("Retry-After", RETRY_AFTER[self.status])
        if self.status == 401:  # noqa: PLR2004
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse(body, self.status, headers, "application/problem+json")


BY_STATUS = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    412: "stale",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid",
    428: "precondition_needed",
    429: "rate_limited",
}
BY_ROUTER = {
    "Not Found": "There is no such route.",
    "Method Not Allowed": CODES["method_not_allowed"],
    "There was an error parsing the body": "The body is not valid JSON: not UTF-8, too deep, or a number is too long.",
}
"""The framework's messages, in our words."""


PATTERNS = {
    r"^[^\x00]*$": "must not contain the character NUL",
    r"^[^\x00-\x1f\x7f]*$": "must be one line without control characters",
    r"^[^\x00-\x20]+$": "must not contain spaces or control characters",
    r"^[^\x00-\x1f\x7f\\/]+$": "must not contain control characters, / or a backslash",
    r"^[\x21-\x7e]+$": "must consist of printable ASCII characters without spaces",
    r"^[a-z][a-z_]{0,49}$": "must be a name of small letters and _, such as invoice_number",
    r"^[a-z][a-z0-9_]{0,49}$": "must be a name of small letters, digits and _ after a letter, such as trip_2",
    r"^[A-Za-z0-9_-]+$": "must be a cursor from an earlier answer",
    r"^[A-Za-z0-9_][A-Za-z0-9_.:@-]*$": "must be the name of a queue or a worker as their lists have it",
    r"^[A-Za-z0-9_+/-]+$": "must be an IANA timezone, such as Europe/Berlin",
    r"^[A-Z]{3}$": "must be the three letters of a currency, such as EUR",
    r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$": "must be a language tag, such as de or pt-BR",
    r"^[a-z]{2,3}(-[A-Z]{2})?$": "must be a language, with a country or without, such as de or pt-BR",
    r"^([01][0-9]|2[0-3]):[0-5][0-9]$": "must be a time of day, such as 07:30",
    r"^#[0-9a-fA-F]{6}$": "must be a color, such as #1a2b3c",
    r"^[^@\s\x00]+@[^@\s\x00]+$": "must be a mail address, such as ada@example.org",
}
"""What each pattern of a field asks for, in words."""

OWN_STEP = re.compile(r"[a-z-]+\[.*\]|constrained-\w+", re.DOTALL)
"""Steps such as `function-before[check(), date]`, `literal['a']` and `constrained-str`."""


def readable(errors: Sequence[Any]) -> list[dict[str, Any]]:
    """Errors of pydantic without the values that were sent, and ours without pydantic's preface."""
    return [{"loc": _place(e["loc"]), "code": e["type"], "message": _message(e)} for e in errors]


def _place(parts: Sequence[Any]) -> list[str]:
    """Return the way to a field, without the steps of pydantic's own that name a check and no field."""
    return [str(part) for part in parts if not (isinstance(part, str) and OWN_STEP.fullmatch(part))]


def _message(error: Any) -> str:
    if error["type"] == "json_invalid":
        # FastAPI leaves the reason there; Python's own errors name the expected value, never the given one.
        return f"is not valid JSON from this character on: {error.get('ctx', {}).get('error', error['msg'])}"
    if error["type"] == "string_pattern_mismatch":
        return PATTERNS.get(error["ctx"]["pattern"], str(error["msg"]))
    return str(error["msg"]).removeprefix("Value error, ")


KINDS = (
    Problem,
    DecisionRefused,
    RequestValidationError,
    HTTPException,
    NoSchool,
    InfrastructureDown,
    psycopg.DataError,
)
"""Errors that have an answer of their own."""
NOT_AN_OBJECT = frozenset({"model_attributes_type", "model_type", "dict_type"})


def _invalid(problem: RequestValidationError, content_type: str) -> JSONResponse:
    unread = any(tuple(error["loc"]) == ("body",) and error["type"] in NOT_AN_OBJECT for error in problem.errors())
    if unread and not _json(content_type):
        return Problem(415, "unsupported_media_type", "Send JSON with Content-Type: application/json").response()
    return Problem(422, "invalid", errors=readable(problem.errors())).response()


def _json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _http(problem: HTTPException) -> JSONResponse:
    code = BY_STATUS.get(problem.status_code, "bad_request")
    if problem.status_code == 404 and problem.detail == "Not Found":  # noqa: PLR2004  # the router's own
        code = "unknown_route"
    detail = BY_ROUTER.get(str(problem.detail), str(problem.detail))
    response = Problem(problem.status_code, code, detail).response()
    response.headers.update(problem.headers or {})
    return response


def _has_no_space(problem: Exception) -> bool:
    # FastAPI turns an error of the temporary file, to which a large form goes, into one of a body it cannot parse.
    return isinstance(problem, StorageFull) or is_full(problem) or is_full(problem.__cause__)


def answer(problem: Exception, content_type: str = "") -> JSONResponse:  # noqa: PLR0911  # one each
    """Return any error as an answer: a problem as it is, an unavailable infrastructure as 503, a bug as 500.

    `content_type`: of the request, if its body may be the cause.
    """
    if isinstance(problem, Problem):
        return problem.response()
    if isinstance(problem, DecisionRefused):
        return Problem(problem.status_code, problem.code, problem.message, **problem.more).response()
    if isinstance(problem, RequestValidationError):
        return _invalid(problem, content_type)
    if _has_no_space(problem):
        log.error("request.storage_full", error=str(problem))
        return Problem(507, "storage_full").response()
    if isinstance(problem, HTTPException):
        return _http(problem)
    if isinstance(problem, NoSchool):
        return Problem(400, "school_needed").response()
    if isinstance(problem, psycopg.DataError):
        # A value that PostgreSQL cannot hold, such as a NUL or a number beyond its type.
        log.warning("request.bad_value", error=type(problem).__name__)
        return Problem(422, "invalid", errors=[]).response()
    if is_unavailable(problem) or is_contention(problem) or is_out_of_descriptors(problem):
        log.warning("request.unavailable", error=type(problem).__name__)
        return Problem(503, "unavailable").response()
    log.error("request.failed", exc_info=problem)
    return Problem(500, "internal").response()


def allowed_methods(routes: Iterable[BaseRoute], path: str) -> set[str]:
    """Return the methods of a path. A path that is a route by itself is not the parameter of another."""
    found = [each for each in iter_route_contexts(tuple(routes)) if each.methods and each.path_regex.match(path)]
    itself = [each for each in found if not each.param_convertors]
    return {method for each in itself or found for method in each.methods or ()}


def install(app: FastAPI) -> None:
    """Make every error of the application a problem."""

    async def handle(request: Request, problem: Exception) -> JSONResponse:
        return answer(problem, request.headers.get("content-type", ""))

    async def handle_method(request: Request, _: Exception) -> JSONResponse:
        allowed = sorted(allowed_methods(request.app.routes, request.scope["path"]))
        return Problem(405, "method_not_allowed", headers={"Allow": ", ".join(allowed)}).response()

    app.add_exception_handler(405, handle_method)
    for kind in (*KINDS, *INFRASTRUCTURE, Exception):
        app.add_exception_handler(kind, handle)
