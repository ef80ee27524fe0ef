"""Passes reads and decisions to the service that owns the data, with a token for the caller."""

import datetime as dt
import time
from typing import Any
from uuid import UUID

import httpx
import structlog
from fastapi.responses import JSONResponse, Response

from gateway.http.trust import authorities
from gateway.problems import BY_STATUS, CODES, Problem, readable
from gateway.security.caller import Caller
from shared.http.tokens import Claims, Signer
from shared.trace_context import trace_headers

log = structlog.get_logger()

TTL = dt.timedelta(seconds=60)
MOST_TOKENS = 10_000
LIMITS = httpx.Limits(max_connections=32, max_keepalive_connections=16, keepalive_expiry=3)
"""Per owner, so that one that is slow takes no connections from the others. Idle ones are dropped before the owner does
it (uvicorn: after 5 s; LAST_ANSWERS of one that stops: 4 s), or a request would go out on a connection that is just
being closed."""
WAITS = httpx.Timeout(10, connect=2, pool=2)
PASSED_ON = frozenset({404, 409, 412, 422, 428})
"""Errors that an owner may answer to the caller; any other error is between it and the gateway."""


class ServiceClients:
    """The other services, by name."""

    def __init__(self, urls: dict[str, str], signing_key: bytes) -> None:
        self.urls = urls
        self._signer = Signer(signing_key)
        self._tokens: dict[Claims, tuple[float, str]] = {}
        self._clients = {
            name: httpx.AsyncClient(base_url=url, timeout=WAITS, limits=LIMITS, verify=authorities(), trust_env=False)
            for name, url in urls.items()
        }

    async def get(
        self, owner: str, path: str, caller: Caller, school: UUID, params: dict[str, Any] | None = None
    ) -> httpx.Response:
        """Ask an owner; 503 while it is unavailable. The caller decides about a 404."""
        response = await self._ask(owner, "GET", path, caller, school, params=params)
        if response.status_code != 404:  # noqa: PLR2004
            _check(owner, response)
        return response

    async def send_command(
        self,
        owner: str,
        method: str,
        path: str,
        caller: Caller,
        school: UUID,
        body: Any = None,
        *,
        if_match: str | None = None,
        params: dict[str, Any] | None = None,
    ) -> Response:
        """Let an owner decide (POST, PUT, PATCH, DELETE) and return its answer: 200, 201, 202 or 204 with its ETag.

        `body` is anything that is JSON once dumped. Raises Problem: 404, 409 (`too_late`, `conflict`), 412 `stale`,
        422, 428, with the owner's own code where it gave one (`DecisionRefused`), and 503 with Retry-After while
        the owner is unavailable; whether it was decided is unknown then, and a repeat is safe.
        """
        headers = {} if if_match is None else {"If-Match": if_match}
        response = await self._ask(owner, method, path, caller, school, params=params, json=body, headers=headers)
        _check(owner, response)
        return relay_response(response)

    async def _ask(
        self,
        owner: str,
        method: str,
        path: str,
        caller: Caller,
        school: UUID,
        *,
        headers: dict[str, str] | None = None,
        **content: Any,
    ) -> httpx.Response:
        claims = Claims(person=caller.person, role=caller.role, school=school, use="internal")
        signed = {"Authorization": f"Bearer {self._token(claims)}", **trace_headers()}
        try:
            return await self._clients[owner].request(method, path, headers=signed | (headers or {}), **content)
        except httpx.TransportError as problem:
            log.warning("owner.away", owner=owner, error=type(problem).__name__)
            raise Problem(
                503, "unavailable", f"The {owner} service is unavailable. Accepted requests are safe."
            ) from problem

    def _token(self, claims: Claims) -> str:
        """Return an internal token that is valid for at least half its time."""
        until, token = self._tokens.get(claims, (0.0, ""))
        now = time.monotonic()
        if until < now:
            token = self._signer.sign(claims, TTL)
            if len(self._tokens) >= MOST_TOKENS:
                self._tokens.clear()
            self._tokens[claims] = (now + TTL.total_seconds() / 2, token)
        return token

    async def ready(self, owner: str) -> dict[str, Any]:
        """Return an owner's own state, for people: one that lacks something is not ready, though it takes requests."""
        try:
            response = await self._clients[owner].get("/health/ready", timeout=1.5)
            found = dict(response.json())
            return found | {"status": "not ready"} if found.get("reasons") else found
        except (httpx.TransportError, ValueError) as problem:
            return {"status": "away", "reasons": [type(problem).__name__]}

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.aclose()


def relay_response(response: httpx.Response) -> Response:
    """Return an owner's answer as our own: its body and its ETag only."""
    headers = {"ETag": response.headers["etag"]} if "etag" in response.headers else {}
    if not response.content:
        return Response(status_code=response.status_code, headers=headers)
    return JSONResponse(response.json(), response.status_code, headers)


def _check(owner: str, response: httpx.Response) -> None:
    """Raise an owner's refusal as a problem of the public API."""
    if not response.is_error:
        return
    status = response.status_code
    if status not in PASSED_ON:
        log.error("owner.refused", owner=owner, status=status)
        reason = "could not answer" if status >= 500 else "does not accept the gateway's question"  # noqa: PLR2004
        raise Problem(503, "unavailable", f"The {owner} {reason}.")
    raise _refusal(status, response)


def _refusal(status: int, response: httpx.Response) -> Problem:
    try:
        detail = response.json().get("detail")
    except (ValueError, AttributeError):
        detail = None
    if isinstance(detail, dict) and detail.get("code") in CODES:
        more = {name: value for name, value in detail.items() if name not in ("code", "message")}
        return Problem(status, detail["code"], detail.get("message"), **more)
    if isinstance(detail, list):
        return Problem(status, BY_STATUS[status], errors=readable(detail))
    return Problem(status, BY_STATUS[status], detail if isinstance(detail, str) else None)
