"""The door: who asks, may they, how often; decided before a body is read. What was decided here is audited."""

import json
from typing import Any

import structlog
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.accounts.api_keys import PREFIX, Keys
from gateway.problems import Problem, answer
from gateway.security import audit
from gateway.security.access_control import ACCESS, PUBLIC, UNAUDITED, Caller
from gateway.security.rate_limits import Granted, Limits
from shared.http.tokens import TokenRefused, Verifier
from shared.transactions.unit_of_work import UnitOfWorkFactory

log = structlog.get_logger()

Route = tuple[str, str]


class Routes:
    """Finds the route of a request, as the application's router will: those without parameters first."""

    def __init__(self, known: frozenset[Route]) -> None:
        self._plain = {route for route in known if "{" not in route[1]}
        self._templates = [(route, compile_path(route[1])[0]) for route in sorted(known - self._plain)]
        self._plain_paths = {path for _, path in self._plain}

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route and its path's parameters; None for what the table does not know."""
        if path in self._plain_paths:
            return ((method, path), {}) if (method, path) in self._plain else None
        for route, pattern in self._templates:
            if route[0] == method and (match := pattern.match(path)):
                return route, match.groupdict()
        return None

    def methods(self, path: str) -> list[str]:
        """What a path can be asked for; nothing for one that the table does not know."""
        if path in self._plain_paths:
            return sorted(method for method, known in self._plain if known == path)
        return sorted({route[0] for route, pattern in self._templates if pattern.match(path)})


class Door:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, rows: UnitOfWorkFactory, verify_key: bytes, limits: Limits, keys: Keys) -> None:
        self._app = app
        self._rows = rows
        self._verifier = Verifier(verify_key)
        self._limits = limits
        self._keys = keys
        self._routes = Routes(frozenset(ACCESS) | PUBLIC)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here with a problem."""
        found = self._routes.find(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if found is None:
            if scope["type"] == "http" and (others := self._routes.methods(scope["path"])):
                refusal = Problem(405, "method_not_allowed", headers={"Allow": ", ".join(others)}).response()
                await refusal(scope, receive, send)
                return
            await self._app(scope, receive, send)
            return
        route, parameters = found
        caller: Caller | None = None
        try:
            if route in PUBLIC:
                granted = self._limited([("address", (scope.get("client") or ("-",))[0])])
            else:
                caller = await self._who(scope)
                caller.allowed(*route)
                granted = self._limited(_buckets(caller))
        except Exception as problem:  # noqa: BLE001  # nothing is let in by an error; each becomes an answer
            refusal = answer(problem)
            if caller is not None and refusal.status_code == 403 and _to_be_audited(route):  # noqa: PLR2004
                await self._note(route, parameters, caller, 403, bytes(refusal.body))
            await refusal(scope, receive, send)
            return
        scope["admitted"] = (route, caller)
        outgoing = send if granted is None else _adding(granted.headers(), send)
        if caller is None or not _to_be_audited(route):
            await self._app(scope, receive, outgoing)
            return
        try:
            await self._app(scope, receive, self._audited(route, parameters, caller, outgoing))
        except Exception as problem:
            failed = answer(problem)
            await self._note(route, parameters, caller, failed.status_code, bytes(failed.body))
            raise

    async def _who(self, scope: Scope) -> Caller:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) > 1:
            raise Problem(401, "unauthenticated", "There are several Authorization headers; send one.")
        scheme, _, token = b"".join(given).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            raise Problem(401, "unauthenticated")
        if token.startswith(PREFIX):
            return await self._keys.caller(token)
        try:
            claims = self._verifier.verify(token, "access")
        except TokenRefused as problem:
            raise Problem(401, "unauthenticated", str(problem)) from problem
        return Caller(claims.person, claims.role, claims.school)

    def _limited(self, buckets: list[tuple[str, str]]) -> Granted | None:
        granted = self._limits.take(buckets)
        if granted is not None and granted.wait > 0:
            fields = [(name.decode(), value.decode()) for name, value in granted.headers()]
            wait = str(max(1, round(granted.wait + 0.5)))
            raise Problem(429, "rate_limited", headers=dict(fields) | {"Retry-After": wait})
        return granted

    def _audited(self, route: Route, parameters: dict[str, str], caller: Caller, send: Send) -> Send:
        """Writes the row between the decision and its answer: nobody is told of what the audit does not hold."""
        held: list[Message] = []

        async def audited(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 400:  # noqa: PLR2004
                held.append(message)  # the code is in the body
                return
            if message["type"] == "http.response.start" or held:
                start = held.pop() if held else message
                await self._note(route, parameters, caller, start["status"], message.get("body", b""))
                if start is not message:
                    await send(start)
            await send(message)

        return audited

    async def _note(self, route: Route, parameters: dict[str, str], caller: Caller, status: int, body: bytes) -> None:
        await audit.note(
            self._rows,
            " ".join(route),
            status=status,
            code=_code(body),
            subject=parameters | caller.trail.subject,
            person=caller.person,
            role=caller.role,
            school=caller.trail.school or caller.school,
            key=caller.key,
        )


def _to_be_audited(route: Route) -> bool:
    return route[0] != "GET" and route not in UNAUDITED


def _buckets(caller: Caller) -> list[tuple[str, str]]:
    mine = [("caller", f"{caller.name}:{caller.school or '-'}")]
    return mine if caller.school is None else [*mine, ("school", str(caller.school))]


def _adding(headers: list[tuple[bytes, bytes]], send: Send) -> Send:
    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *headers]
        await send(message)

    return adding


def _code(body: bytes) -> str | None:
    try:
        read: Any = json.loads(body) if body else None
    except ValueError:
        return None
    return read.get("code") if isinstance(read, dict) else None
