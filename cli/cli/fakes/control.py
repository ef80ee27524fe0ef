"""The routes that every fake has beside its protocol: `/`, `/stats`, `/received`, `/faults`."""

import json
from typing import Any, Protocol

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from cli.fakes.page import Row, page
from cli.fakes.received import KEPT

SHOWN = 100
BAD_REQUEST = 400


class Fake(Protocol):
    """The part of a fake that the control routes use."""

    @property
    def name(self) -> str: ...
    def stats(self) -> dict[str, Any]: ...
    def received(self, limit: int, recipient: str | None) -> list[dict[str, Any]]: ...
    def rows(self, limit: int) -> list[Row]: ...
    def current_faults(self) -> dict[str, Any]: ...
    def change_faults(self, change: dict[str, Any]) -> None: ...
    def clear(self) -> None: ...


def control_routes(fake: Fake) -> list[Route]:
    """Show, clear and configure `fake` over HTTP; 400 for a request that is not understood."""

    async def show(_: Request) -> Response:
        shown = page(fake.name, fake.stats(), fake.rows(SHOWN))
        return HTMLResponse(shown, headers={"cache-control": "no-store"})

    async def stats(_: Request) -> Response:
        return JSONResponse(fake.stats())

    async def received(request: Request) -> Response:
        limit = request.query_params.get("limit", "50")
        if not limit.isascii() or not limit.isdigit():
            return _refusal("limit must be a whole number")
        recipient = request.query_params.get("token") or request.query_params.get("recipient")
        return JSONResponse(fake.received(min(int(limit), KEPT), recipient))

    async def clear(_: Request) -> Response:
        fake.clear()
        return JSONResponse(fake.stats())

    async def faults(_: Request) -> Response:
        return JSONResponse(fake.current_faults())

    async def change_faults(request: Request) -> Response:
        return _change_faults(fake, await request.body())

    return [
        Route("/", show),
        Route("/stats", stats),
        Route("/received", received, methods=["GET"]),
        Route("/received", clear, methods=["DELETE"]),
        Route("/faults", faults, methods=["GET"]),
        Route("/faults", change_faults, methods=["POST"]),
    ]


def _change_faults(fake: Fake, content: bytes) -> Response:
    try:
        change = json.loads(content)
        if not isinstance(change, dict) or not isinstance(change.get("reset", False), bool):
            return _refusal("the body must be a JSON object; reset is true or false")
        fake.change_faults(change)
    except ValidationError as problem:
        fields = {".".join(map(str, each["loc"])): each["msg"] for each in problem.errors(include_url=False)}
        return _refusal("unknown faults or values out of range; nothing was changed", fields=fields)
    except ValueError as problem:
        return _refusal(f"not JSON: {problem}")
    return JSONResponse(fake.current_faults())


def _refusal(error: str, **details: Any) -> Response:
    return JSONResponse({"error": error, **details}, BAD_REQUEST)
