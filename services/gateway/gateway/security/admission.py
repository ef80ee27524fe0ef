"""Admission: finds the caller, checks access and limits before a body is read, and audits the result.

The order of refusals is fixed: 405, 401, 403, 429; then what the route itself refuses.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gateway.problems import Problem, answer
from gateway.security import audit
from gateway.security.access_control import Access
from gateway.security.audit import AuditContext
from gateway.security.caller import API_KEY_PREFIX, Caller
from gateway.security.rate_limits import Grant, RateLimiter
from shared.http.tokens import TokenRefused, Verifier
from shared.persistence.database import replace_nul
from shared.transactions.unit_of_work import UnitOfWorkFactory

Handler = Callable[[Request], Awaitable[Response]]
KeyOwner = Callable[[str], Awaitable[Caller]]
"""Finds the caller of an API key; 401 when it is unknown, revoked or expired."""


class Admission:
    """Admits requests to routes; one for an application."""

    def __init__(
        self,
        rows: UnitOfWorkFactory,
        verifier: Verifier,
        key_owner: KeyOwner,
        limiter: RateLimiter,
        fixed_paths: frozenset[str],
    ) -> None:
        """`fixed_paths`: paths of routes without parameters. None of them is the parameter of another route."""
        self._rows = rows
        self._verifier = verifier
        self._key_owner = key_owner
        self._limiter = limiter
        self._fixed_paths = fixed_paths

    async def respond(self, request: Request, access: Access, path: str, handler: Handler) -> Response:
        """Return the answer of a route, or a refusal; audited before it is sent. `path` is the route's template."""
        if request.scope["path"] != path and request.scope["path"] in self._fixed_paths:
            raise HTTPException(405)
        context, caller, grant, admitted = AuditContext(), None, None, False
        try:
            if access.roles is None:
                kind = "link" if access.audience == "link" else "address"
                grant = self._limited([(kind, request.client.host if request.client else "-")])
            else:
                caller = await self._authenticated(request, access)
                access.check(caller)
                grant = self._limited(_buckets(caller))
            admitted = True
            request.state.caller, request.state.audit = caller, context
            response = await handler(request)
        except Exception as problem:  # noqa: BLE001  # each becomes an answer: nothing is admitted by an error
            response = answer(problem, request.headers.get("content-type", ""))
        if grant is not None:
            response.headers.update(grant.headers())
        # A refusal by role or scope is audited too; one for a missing token or a limit has no actor.
        if caller is not None and _is_audited(request, access) and (admitted or response.status_code == 403):  # noqa: PLR2004
            await self._note(request, path, caller, context, response)
        return response

    async def _authenticated(self, request: Request, access: Access) -> Caller:
        given = request.headers.getlist("authorization")
        if len(given) > 1:
            raise Problem(401, "unauthenticated", "The request has several Authorization headers. Send one.")
        ticket = request.query_params.get("ticket") if access.ticket and not given else None
        scheme, _, token = ("".join(given) if ticket is None else f"bearer {ticket}").partition(" ")
        if scheme.lower() != "bearer":
            raise Problem(401, "unauthenticated")
        if token.startswith(API_KEY_PREFIX):
            return await self._key_owner(token)
        try:
            claims = self._verifier.verify(token, "access" if ticket is None else "stream")
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
            code=_code(response),
            subject=named | context.subject,
            person=caller.person,
            role=caller.role,
            school=context.school or caller.school,
            key=caller.key,
        )


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
