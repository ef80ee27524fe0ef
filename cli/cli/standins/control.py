"""The routes every stand-in has beside its protocol: `/`, `/stats`, `/received`, `/faults`."""

import json
from typing import Any, Protocol
from urllib.parse import parse_qs

from granian.rsgi import Scope
from pydantic import ValidationError

from cli.standins.ledger import KEPT
from cli.standins.page import Row, page
from cli.standins.serving import HTTPProtocol

JSON = [("content-type", "application/json; charset=UTF-8")]
HTML = [("content-type", "text/html; charset=UTF-8"), ("cache-control", "no-store")]
SHOWN = 100


class Standin(Protocol):
    """What the control routes need to know about a stand-in."""

    @property
    def name(self) -> str: ...
    def stats(self) -> dict[str, Any]: ...
    def received(self, limit: int, recipient: str | None) -> list[dict[str, Any]]: ...
    def rows(self, limit: int) -> list[Row]: ...
    def faults_now(self) -> dict[str, Any]: ...
    def change_faults(self, change: dict[str, Any]) -> None: ...
    def clear(self) -> None: ...


async def control(standin: Standin, scope: Scope, protocol: HTTPProtocol) -> None:
    """Answer one of the control routes; 404 for any other, 400 for what cannot be understood."""
    query = {name: values[-1] for name, values in parse_qs(scope.query_string).items()}
    match scope.method, scope.path:
        case "GET", "/":
            protocol.response_str(200, HTML, page(standin.name, standin.stats(), standin.rows(SHOWN)))
        case "GET", "/stats":
            _answer(protocol, 200, standin.stats())
        case "GET", "/received":
            _received(standin, query, protocol)
        case "DELETE", "/received":
            standin.clear()
            _answer(protocol, 200, standin.stats())
        case "GET", "/faults":
            _answer(protocol, 200, standin.faults_now())
        case "POST", "/faults":
            _faults(standin, await protocol(), protocol)
        case _:
            _answer(protocol, 404, {"error": f"no route {scope.method} {scope.path}"})


def _received(standin: Standin, query: dict[str, str], protocol: HTTPProtocol) -> None:
    limit = query.get("limit", "50")
    if not limit.isascii() or not limit.isdigit():
        _answer(protocol, 400, {"error": "limit must be a whole number"})
        return
    recipient = query.get("token") or query.get("recipient")
    _answer(protocol, 200, standin.received(min(int(limit), KEPT), recipient))


def _faults(standin: Standin, body: bytes, protocol: HTTPProtocol) -> None:
    try:
        change = json.loads(body)
        if not isinstance(change, dict) or not isinstance(change.get("reset", False), bool):
            _answer(protocol, 400, {"error": "the body must be a JSON object; reset is true or false"})
            return
        standin.change_faults(change)
    except ValidationError as problem:
        told = {".".join(map(str, each["loc"])): each["msg"] for each in problem.errors(include_url=False)}
        _answer(protocol, 400, {"error": "faults not understood; nothing was changed", "fields": told})
    except ValueError as problem:
        _answer(protocol, 400, {"error": f"not JSON: {problem}"})
    else:
        _answer(protocol, 200, standin.faults_now())


def _answer(protocol: HTTPProtocol, status: int, content: Any) -> None:
    protocol.response_bytes(status, JSON, json.dumps(content).encode())
