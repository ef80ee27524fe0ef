"""Admission: finds the caller, checks access and limits before a body is read, and audits the result.

The order of refusals is fixed: 405, 401, 429, 403, and 401 again for access that has ended; then what the route itself
refuses. Limits come before anything is written, and refused requests have a limit of their own.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gateway.problems import Problem, answer
from gateway.security import audit
from gateway.security.access_control import Access
from gateway.security.audit import AuditContext
from gateway.security.caller import API_KEY_PREFIX, Caller
from gateway.security.rate_limits import Grant, RateLimiter
from shared.http.tokens import TokenRefused, Use, Verifier
from shared.persistence.database import replace_nul
from shared.transactions.unit_of_work import UnitOfWorkFactory

REFUSED = frozenset({401, 403})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

Handler = Callable[[Request], Awaitable[Response]]


class Door(Protocol):
    """How callers of some routes show who they are, and how their errors are answered."""

    def credential(self, request: Request, access: Access) -> tuple[str, Use]:
        """Return an API key, or a token and its use; raise 401 without one."""

    async def answer(self, request: Request, problem: Exception) -> Response:
        """Return an error as an answer."""


class ApiDoor:
    """Takes the bearer token of a header, or a ticket in the address where a route allows one; answers in JSON."""

    def credential(self, request: Request, access: Access) -> tuple[str, Use]:
        """Return the token of the request."""
        given = request.headers.getlist("authorization")
        if len(given) > 1:
            raise Problem(401, "unauthenticated", "The request has several Authorization headers. Send one.")
        ticket = request.query_params.get("ticket") if access.ticket and not given else None
        if ticket is not None:
            return ticket, "stream"
        scheme, _, token = "".join(given).partition(" ")
        if scheme.lower() != "bearer":
            raise Problem(401, "unauthenticated")
        return token, "access"

    async def answer(self, request: Request, problem: Exception) -> Response:
        """Return an error as a problem."""
        return answer(problem, request.headers.get("content-type", ""))


API = ApiDoor()


class KeyOwners(Protocol):
    """Finds the callers of API keys."""

    def remembered(self, secret: str) -> Caller | None:
        """Return the caller of a key that was found a moment ago."""

    async def caller(self, secret: str) -> Caller:
        """Return the caller of a key; 401 when it cannot be used."""


class AccessCheck(Protocol):
    """Knows whether what a token stands on has ended."""

    async def check(self, caller: Caller) -> None:
        """Raise 401 when it has."""

    def changed(self) -> None:
        """Note that access may have been changed."""


class Admission:
    """Admits requests to routes; one for an application."""

    def __init__(
        self,
        rows: UnitOfWorkFactory,
        verifier: Verifier,
        keys: KeyOwners,
        standing: AccessCheck,
        limiter: RateLimiter,
        fixed_paths: frozenset[str],
    ) -> None:
        """`fixed_paths`: paths of routes without parameters. None of them is the parameter of another route."""
        self._rows = rows
        self._verifier = verifier
        self._keys = keys
        self._standing = standing
        self._limiter = limiter
        self._fixed_paths = fixed_paths

    async def respond(
        self, request: Request, access: Access, path: str, handler: Handler, door: Door = API
    ) -> Response:
        """Return the answer of a route, or a refusal; audited before it is sent. `path` is the route's template."""
        if request.scope["path"] != path and request.scope["path"] in self._fixed_paths:
            raise HTTPException(405)
        context, caller, grant, admitted = AuditContext(), None, None, False
        try:
            if access.roles is None:
                kind = "link" if access.audience == "link" else "address"
                grant = self._limited([(kind, _address(request))])
            else:
                caller = await self._authenticated(request, access, door)
                grant = self._limited(_buckets(caller))
                access.check(caller)
                await self._standing.check(caller)
            admitted = True
            request.state.caller, request.state.audit = caller, context
            response = await handler(request)
        except Exception as failure:  # noqa: BLE001  # each becomes an answer: nothing is admitted by an error
            problem: Exception = failure
            if not admitted:
                problem = self._too_many(request, caller, problem) or problem
            response = await door.answer(request, problem)
            context.code = problem.code if isinstance(problem, Problem) else None
        if access.audited or access.roles is None:
            self._ended(request)
        if grant is not None:
            response.headers.update(grant.headers())
        # A refusal by role or scope is audited too; one for a missing token or a limit has no actor.
        if caller is not None and _is_audited(request, access) and (admitted or response.status_code == 403):  # noqa: PLR2004
            await self._note(request, path, caller, context, response)
        return response

    async def _authenticated(self, request: Request, access: Access, door: Door) -> Caller:
        token, use = door.credential(request, access)
        if use == "access" and token.startswith(API_KEY_PREFIX):
            if (known := self._keys.remembered(token)) is not None:
                return known
            return await self._owner(token, ("unknown key", _address(request)))
        try:
            claims = self._verifier.verify(token, use)
        except TokenRefused as problem:
            raise Problem(401, "unauthenticated", str(problem)) from problem
        return Caller(
            claims.person,
            claims.role,
            claims.school,
            until=claims.until,
            session=claims.session,
            signed_in=claims.signed_in.timestamp() if claims.signed_in else None,
        )

    async def _owner(self, key: str, failing: tuple[str, str]) -> Caller:
        """Find the owner of a key; an address that has sent too many unknown ones is not asked for."""
        if self._limiter.is_empty(failing):
            raise Problem(429, "rate_limited", headers={"Retry-After": "1"})
        try:
            return await self._keys.caller(key)
        except Problem:
            self._limiter.acquire([failing])
            raise

    def _too_many(self, request: Request, caller: Caller | None, refusal: Exception) -> Problem | None:
        """Count a refusal; return 429 when there were too many, which is then what is answered."""
        if not isinstance(refusal, Problem) or refusal.status not in REFUSED:
            return None
        try:
            self._limited([("refused", caller.name if caller else _address(request))])
        except Problem as problem:
            return problem
        return None

    def _ended(self, request: Request) -> None:
        """Ask for each caller again after a change that may have ended access."""
        if request.method not in SAFE:
            self._standing.changed()

    def _limited(self, buckets: list[tuple[str, str]]) -> Grant | None:
        grant = self._limiter.acquire(buckets)
        if grant is not None and grant.wait > 0:
            wait = str(max(1, round(grant.wait + 0.5)))
            raise Problem(429, "rate_limited", headers=grant.headers() | {"Retry-After": wait})
        return grant

    async def _note(
        self, request: Request, path: str, caller: Caller, context: AuditContext, response: Response
    ) -> None:
        named = {name: replace_nul(value) for name, value in request.path_params.items()}
        await audit.note(
            self._rows,
            f"{request.method} {path}",
            status=response.status_code,
            code=context.code or _code(response),
            subject=named | context.subject,
            person=caller.person,
            role=caller.role,
            school=context.school or caller.school,
            key=caller.key,
        )


def _address(request: Request) -> str:
    return request.client.host if request.client else "-"


def _is_audited(request: Request, access: Access) -> bool:
    return access.audited and request.method != "GET"


def _buckets(caller: Caller) -> list[tuple[str, str]]:
    mine = [("caller", f"{caller.name}:{caller.school or '-'}")]
    return mine if caller.school is None else [*mine, ("school", str(caller.school))]


def _code(response: Response) -> str | None:
    """Return the code of a problem; other answers have none."""
    if response.status_code < 400 or not response.body:  # noqa: PLR2004
        return None
    try:
        read: Any = json.loads(bytes(response.body))
    except ValueError:
        return None
    return read.get("code") if isinstance(read, dict) else None
