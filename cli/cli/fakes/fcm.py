"""`python -m cli.fakes.fcm --port P --certs DIR`: Firebase Cloud Messaging, HTTP v1, over TLS.

`POST /v1/projects/{id}/messages:send` and `POST /token` answer as documented (HTTP/1.1 and HTTP/2); what was
received is at `/`, `/stats` and `/received?limit=&token=`; faults are set with `POST /faults`.
"""

import argparse
import asyncio
import datetime as dt
import json
import re
from collections import Counter
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from zlib import crc32

import structlog
import uvloop

from cli.fakes.control import control
from cli.fakes.exchange import JSON, Exchange
from cli.fakes.faults import Dice, FcmFaults
from cli.fakes.fcm_protocol import (
    DENIED,
    ERRORS,
    RETRY_LATER,
    UNAUTHENTICATED,
    ErrorAnswer,
    Invalid,
    Reader,
)
from cli.fakes.oauth import GrantRefused, Grants, answer
from cli.fakes.page import Row
from cli.fakes.received import Ledger
from cli.fakes.serving import serve

log = structlog.get_logger()

SEND = re.compile(r"/v1/projects/([^/]+)/messages:send")
RATES = ("drop", "unavailable", "quota", "internal", "sender_id_mismatch", "third_party_auth")
OUTCOMES = {None: "accepted", "drop": "dropped"}
TAKEN = frozenset({None, "drop"})


class Fcm:
    """State of the stand-in: what came in, the tokens issued, the faults switched on."""

    name = "FCM stand-in"

    def __init__(self, account: dict[str, str]) -> None:
        self.project = account["project_id"]
        self.send_path = f"/v1/projects/{self.project}/messages:send"
        self.accepted = b'{\n  "name": "projects/%b/messages/0:%%d"\n}\n' % self.project.encode()
        self.grants = Grants(account)
        self.read = Reader().read
        self.ledger = Ledger()
        self.refusals: Counter[str] = Counter()
        self.in_flight = self.max_in_flight = 0
        self.clients: set[str] = set()
        self._set(FcmFaults())

    def app(self, exchange: Exchange) -> None:
        """Route one request; the sends first, they come by the thousand."""
        method, path = exchange.head.method, exchange.head.path
        if path == self.send_path and method == "POST":
            self.in_flight += 1
            self.max_in_flight = max(self.max_in_flight, self.in_flight)
            if self.latency_s:
                asyncio.get_running_loop().call_later(self.latency_s, self._send, exchange)
            else:
                self._send(exchange)
        elif method == "POST" and path == "/token":
            self._token(exchange)
        elif method == "POST" and SEND.fullmatch(path):
            self._refuse(exchange, "permission_denied", DENIED)
        else:
            control(self, exchange)

    def _send(self, exchange: Exchange) -> None:
        self.in_flight -= 1
        self.clients.add(exchange.client)
        if not self.grants.admits(exchange.head.authorization):
            self._refuse(exchange, "unauthenticated", UNAUTHENTICATED)
            return
        content = exchange.content
        try:
            target, tag = self.read(content)
        except Invalid as problem:
            self._refuse(exchange, "invalid_argument", problem.answer)
            return
        fault = self.dice.draw() if self.any_fault else None
        if fault is None and self.any_dead and self._dead(target):
            fault = "unregistered"
        # A dropped message was taken, only its answer was lost: the device shows it, a repeat is a duplicate.
        outcome = OUTCOMES.get(fault) or str(fault)
        ordinal = self.ledger.add(outcome, target, tag, content, delivered=fault in TAKEN)
        if fault is None:
            exchange.answer(200, self.accepted % ordinal)
        elif fault == "drop":
            exchange.hang_up()
        else:
            later = fault in RETRY_LATER and self.faults.retry_after_s is not None
            headers = (*JSON, ("retry-after", self._retry_after())) if later else JSON
            exchange.answer(ERRORS[fault].status, ERRORS[fault].body, headers)

    def _token(self, exchange: Exchange) -> None:
        try:
            granted = self.grants.grant(
                exchange.content, lifetime_s=self.faults.token_lifetime_s, refused=self.faults.refuse_grants
            )
        except GrantRefused as problem:
            self.refusals["grant_refused"] += 1
            exchange.answer(400, answer(problem.answer))
        else:
            exchange.answer(200, answer(granted))

    def _refuse(self, exchange: Exchange, outcome: str, refusal: ErrorAnswer) -> None:
        self.refusals[outcome] += 1
        exchange.answer(refusal.status, refusal.body)

    def _dead(self, token: str) -> bool:
        # A share of the token space, not of the calls: a token once dead must stay dead.
        share = crc32(f"{self.faults.seed}:{token}".encode()) / 2**32
        return token in self.dead_tokens or share < self.faults.unregistered

    def _retry_after(self) -> str:
        seconds = self.faults.retry_after_s or 0
        if self.faults.retry_after_as_date:
            return format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds), usegmt=True)
        return str(seconds)

    def stats(self) -> dict[str, Any]:
        """Counters since the start or the last `DELETE /received`; `calls` by outcome."""
        ledger = self.ledger
        calls = Counter(ledger.outcomes) + self.refusals
        return {
            "sent": ledger.outcomes["accepted"],
            "calls_total": calls.total() - calls["grant_refused"],
            "duplicates": ledger.duplicates,
            "distinct_tokens": ledger.recipients.count,
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "connections": len(self.clients),
            "tokens_issued": self.grants.issued,
            "kept": len(ledger.arrivals),
            "calls": dict(calls),
            "repeated": [{"token": key[0], "tag": key[1], "count": n} for key, n in ledger.repeated.items()],
        }

    def received(self, limit: int, recipient: str | None) -> list[dict[str, Any]]:
        """Messages that got as far as a device or an error of FCM, newest first."""
        return [
            {
                "ordinal": each.ordinal,
                "time": each.time,
                "outcome": each.outcome,
                "token": each.recipient,
                "tag": each.tag,
                "message": json.loads(each.content)["message"],
            }
            for each in self.ledger.latest(limit, recipient)
        ]

    def rows(self, limit: int) -> list[Row]:
        """The same for the page."""
        shown = []
        for each in self.ledger.latest(limit):
            message = json.loads(each.content)["message"]
            note, data = message.get("notification", {}), message.get("data", {})
            text = note.get("body") or ", ".join(f"{key}: {value}" for key, value in data.items())
            title = note.get("title", "")
            shown.append(Row(each.ordinal, each.time, each.outcome, each.recipient, title, text))
        return shown

    def faults_now(self) -> dict[str, Any]:
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
        self.ledger.clear()
        self.refusals.clear()
        self.max_in_flight = self.in_flight
        self.clients.clear()

    def _set(self, faults: FcmFaults) -> None:
        self.faults = faults
        self.latency_s = faults.latency_ms / 1000
        self.dead_tokens = frozenset(faults.unregistered_tokens)
        self.any_dead = bool(self.dead_tokens or faults.unregistered)
        self.any_fault = any(getattr(faults, name) for name in RATES)
        self.dice = Dice(faults.seed, {name: getattr(faults, name) for name in RATES})


def main() -> None:
    parser = argparse.ArgumentParser(description="FCM HTTP v1 stand-in on 127.0.0.1, over TLS")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certs", type=Path, required=True, help="folder made by cli.fakes.certs")
    options = parser.parse_args()
    account = json.loads((options.certs / "service-account.json").read_text())
    uvloop.run(serve(Fcm(account).app, options.port, certs=options.certs, standin="fcm"))


if __name__ == "__main__":
    main()
