"""`python -m cli.fakes.fcm --port P --certs DIR`: a fake of Firebase Cloud Messaging, HTTP v1, over TLS.

`POST /v1/projects/{id}/messages:send` and `POST /token` answer as documented (HTTP/1.1 and HTTP/2). `/`, `/stats` and
`/received?limit=&token=` show what was received; `POST /faults` switches faults on.
"""

import argparse
import asyncio
import datetime as dt
import json
from collections import Counter
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from zlib import crc32

import uvloop
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from cli.fakes.control import BAD_REQUEST, control_routes
from cli.fakes.faults import Dice, FcmFaults
from cli.fakes.fcm_protocol import DENIED, ERRORS, RETRY_LATER, UNAUTHENTICATED, ErrorAnswer, Invalid, read
from cli.fakes.oauth import GrantRefused, Grants
from cli.fakes.page import Row
from cli.fakes.received import Received
from cli.fakes.server import LOOPBACK, serve

RATES = ("drop", "unavailable", "quota", "internal", "sender_id_mismatch", "third_party_auth")
OUTCOMES = {None: "accepted", "drop": "dropped"}
DELIVERED = frozenset({None, "drop"})
LOST_BYTES = b"64"


class Fcm:
    """Received messages, issued tokens and the faults that are switched on."""

    name = "Fake FCM"

    def __init__(self, account: dict[str, str]) -> None:
        self.project = account["project_id"]
        self.grants = Grants(account)
        self.messages = Received()
        self.refusals: Counter[str] = Counter()
        self.in_flight = self.max_in_flight = 0
        self.clients: set[str] = set()
        self._set(FcmFaults())

    def app(self) -> Router:
        """Both endpoints of FCM and the control routes."""
        send = Route("/v1/projects/{project}/messages:send", self.send, methods=["POST"])
        return Router([send, Route("/token", self.token, methods=["POST"]), *control_routes(self)])

    async def send(self, request: Request) -> Response:
        """Answer one `messages:send`."""
        content = await request.body()
        if request.path_params["project"] != self.project:
            return self._refuse("permission_denied", DENIED)
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            if self.faults.latency_ms:
                await asyncio.sleep(self.faults.latency_ms / 1000)
        finally:
            self.in_flight -= 1
        if request.client:
            self.clients.add(f"{request.client.host}:{request.client.port}")
        if not self.grants.admits(request.headers.get("authorization", "")):
            return self._refuse("unauthenticated", UNAUTHENTICATED)
        try:
            target, tag = read(content)
        except Invalid as problem:
            return self._refuse("invalid_argument", problem.answer)
        return self._deliver(target, tag, content)

    def _deliver(self, target: str, tag: str, content: bytes) -> Response:
        fault = self.dice.draw()
        if fault is None and self._is_unregistered(target):
            fault = "unregistered"
        # FCM took a dropped message, only its answer is lost: the device shows it, so a repeat is a duplicate.
        outcome = OUTCOMES.get(fault) or str(fault)
        ordinal = self.messages.add(outcome, target, tag, content, delivered=fault in DELIVERED)
        if fault is None:
            return JSONResponse({"name": f"projects/{self.project}/messages/0:{ordinal}"})
        if fault == "drop":
            return LostAnswer()
        later = fault in RETRY_LATER and self.faults.retry_after_s is not None
        return _error(ERRORS[fault], {"retry-after": self._retry_after()} if later else None)

    async def token(self, request: Request) -> Response:
        """Answer one request for an access token."""
        form, faults = await request.body(), self.faults
        try:
            granted = self.grants.grant(form, lifetime_s=faults.token_lifetime_s, refused=faults.refuse_grants)
        except GrantRefused as problem:
            self.refusals["grant_refused"] += 1
            return JSONResponse(problem.answer, BAD_REQUEST)
        return JSONResponse(granted)

    def _refuse(self, outcome: str, refusal: ErrorAnswer) -> Response:
        self.refusals[outcome] += 1
        return _error(refusal)

    def _is_unregistered(self, token: str) -> bool:
        # A share of the token space, not of the calls: an unregistered token must stay unregistered.
        share = crc32(f"{self.faults.seed}:{token}".encode()) / 2**32
        return token in self.unregistered or share < self.faults.unregistered

    def _retry_after(self) -> str:
        seconds = self.faults.retry_after_s or 0
        if self.faults.retry_after_as_date:
            return format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds), usegmt=True)
        return str(seconds)

    def stats(self) -> dict[str, Any]:
        """Counters since the start or the last `DELETE /received`; `calls` by outcome."""
        messages = self.messages
        calls = Counter(messages.outcomes) + self.refusals
        return {
            "sent": messages.outcomes["accepted"],
            "calls_total": calls.total() - calls["grant_refused"],
            "duplicates": messages.duplicates,
            "distinct_tokens": messages.recipients.count,
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "connections": len(self.clients),
            "tokens_issued": self.grants.issued,
            "kept": len(messages.kept),
            "calls": dict(calls),
            "repeated": [{"token": key[0], "tag": key[1], "count": n} for key, n in messages.repeated.items()],
        }

    def received(self, limit: int, recipient: str | None) -> list[dict[str, Any]]:
        """Messages that FCM accepted, dropped or answered with an error about their token, newest first."""
        return [
            {
                "ordinal": each.ordinal,
                "time": each.time,
                "outcome": each.outcome,
                "token": each.recipient,
                "tag": each.tag,
                "message": json.loads(each.content)["message"],
            }
            for each in self.messages.latest(limit, recipient)
        ]

    def rows(self, limit: int) -> list[Row]:
        """The same for the page."""
        shown = []
        for each in self.messages.latest(limit):
            message = json.loads(each.content)["message"]
            note, data = message.get("notification", {}), message.get("data", {})
            text = note.get("body") or ", ".join(f"{key}: {value}" for key, value in data.items())
            title = note.get("title", "")
            shown.append(Row(each.ordinal, each.time, each.outcome, each.recipient, title, text))
        return shown

    def current_faults(self) -> dict[str, Any]:
        """Every fault with its present value."""
        return self.faults.model_dump()

    def change_faults(self, change: dict[str, Any]) -> None:
        """Raises pydantic.ValidationError and changes nothing when the change is not understood."""
        change = dict(change)
        revoke = change.pop("revoke_tokens", False)
        self._set(self.faults.changed(change))
        if revoke:
            self.grants.revoke()

    def clear(self) -> None:
        """Forget what was received; faults and issued tokens stay."""
        self.messages.clear()
        self.refusals.clear()
        self.max_in_flight = self.in_flight
        self.clients.clear()

    def _set(self, faults: FcmFaults) -> None:
        self.faults = faults
        self.unregistered = frozenset(faults.unregistered_tokens)
        self.dice = Dice(faults.seed, {name: getattr(faults, name) for name in RATES})


class LostAnswer(Response):
    """Begin an answer and end it before its content: the client cannot know what became of its request."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", LOST_BYTES)]})
        await send({"type": "http.response.body", "body": b" ", "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def _error(answer: ErrorAnswer, headers: dict[str, str] | None = None) -> Response:
    return Response(answer.body, answer.status, headers, media_type="application/json")


def main() -> None:
    parser = argparse.ArgumentParser(description="fake FCM HTTP v1, over TLS")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--address", default=LOOPBACK, help="where it listens (default: this machine only)")
    parser.add_argument("--certs", type=Path, required=True, help="folder made by cli.fakes.certs")
    options = parser.parse_args()
    account = json.loads((options.certs / "service-account.json").read_text())
    uvloop.run(serve(Fcm(account).app(), options.port, address=options.address, certs=options.certs, fake="fcm"))


if __name__ == "__main__":
    main()
