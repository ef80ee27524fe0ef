"""The routes every stand-in has beside its protocol: `/`, `/stats`, `/received`, `/faults`."""

import json
from typing import Any, Protocol
from urllib.parse import parse_qs

from pydantic import ValidationError

from cli.fakes.exchange import HTML, Exchange
from cli.fakes.page import Row, page
from cli.fakes.received import KEPT

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


def control(standin: Standin, exchange: Exchange) -> None:
    """Answer one of the control routes; 404 for any other, 400 for what cannot be understood."""
    query = {name: values[-1] for name, values in parse_qs(exchange.head.query).items()}
    match exchange.head.method, exchange.head.path:
        case "GET", "/":
            shown = page(standin.name, standin.stats(), standin.rows(SHOWN))
            exchange.answer(200, shown.encode(), HTML)
        case "GET", "/stats":
            _answer(exchange, 200, standin.stats())
        case "GET", "/received":
            _received(standin, query, exchange)
        case "DELETE", "/received":
            standin.clear()
            _answer(exchange, 200, standin.stats())
        case "GET", "/faults":
            _answer(exchange, 200, standin.faults_now())
        case "POST", "/faults":
            _faults(standin, exchange)
        case method, path:
            _answer(exchange, 404, {"error": f"no route {method} {path}"})


def _received(standin: Standin, query: dict[str, str], exchange: Exchange) -> None:
    limit = query.get("limit", "50")
    if not limit.isascii() or not limit.isdigit():
        _answer(exchange, 400, {"error": "limit must be a whole number"})
        return
    recipient = query.get("token") or query.get("recipient")
    _answer(exchange, 200, standin.received(min(int(limit), KEPT), recipient))


def _faults(standin: Standin, exchange: Exchange) -> None:
    try:
        change = json.loads(exchange.content)
        if not isinstance(change, dict) or not isinstance(change.get("reset", False), bool):
            _answer(exchange, 400, {"error": "the body must be a JSON object; reset is true or false"})
            return
        standin.change_faults(change)
    except ValidationError as problem:
        told = {".".join(map(str, each["loc"])): each["msg"] for each in problem.errors(include_url=False)}
        _answer(exchange, 400, {"error": "faults not understood; nothing was changed", "fields": told})
    except ValueError as problem:
        _answer(exchange, 400, {"error": f"not JSON: {problem}"})
    else:
        _answer(exchange, 200, standin.faults_now())


def _answer(exchange: Exchange, status: int, content: Any) -> None:
    exchange.answer(status, json.dumps(content).encode())
