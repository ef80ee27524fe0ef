"""`python -m cli.fakes.smtp --smtp-port P --http-port Q`: takes every mail and delivers none.

What was received is at `/`, `/stats` and `/received?limit=&recipient=` of the HTTP port; faults are set with
`POST /faults`. With `--certs` it offers STARTTLS (or speaks TLS at once with `--implicit-tls`).
"""

import argparse
import asyncio
import re
import ssl
from collections import Counter
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import structlog
import uvloop

from cli.fakes.control import control
from cli.fakes.exchange import Exchange
from cli.fakes.faults import Dice, SmtpFaults
from cli.fakes.page import Row
from cli.fakes.received import Arrival, Ledger
from cli.fakes.serving import serve
from cli.fakes.smtp_session import Session
from cli.fakes.smtp_wire import Wire

log = structlog.get_logger()

MESSAGE_ID = re.compile(rb"^message-id:\s*(<[^>]*>)", re.IGNORECASE | re.MULTILINE)
DEFERRED = b"451 4.3.0 Try again later"
REJECTED = b"550 5.1.1 No such mailbox"


class Smtp:
    """State of the sink: what came in, who is connected, the faults switched on."""

    name = "Mail stand-in"

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        credentials: tuple[str, str] | None = None,
    ) -> None:
        self.tls = tls
        self.implicit_tls = implicit_tls
        self.credentials = credentials
        self.sessions: set[Wire] = set()
        self.connections = self.max_connections = 0
        self.refusals: Counter[str] = Counter()
        self.ledger = Ledger()
        self._set(SmtpFaults())

    def opened(self, session: Wire) -> None:
        self.sessions.add(session)
        self.connections += 1
        self.max_connections = max(self.max_connections, len(self.sessions))

    def closed(self, session: Wire) -> None:
        self.sessions.discard(session)

    def refusal(self, recipient: str) -> bytes | None:
        """The reply that refuses this recipient, if one does."""
        outcome = "reject" if recipient in self.rejected else self.recipient_dice.draw() or ""
        if outcome:
            self.refusals["deferred" if outcome == "defer" else "rejected"] += 1
        return {"defer": DEFERRED, "reject": REJECTED}.get(outcome)

    def take(self, recipients: list[str], content: bytes) -> bytes | None:
        """Keep one message for each recipient; None asks the session to hang up without a reply."""
        dropped = self.message_dice.draw() is not None
        head = content[: content.find(b"\r\n\r\n") + 2]
        found = MESSAGE_ID.search(head)
        identity = found[1].decode(errors="replace") if found else ""
        # A dropped message was taken, only its reply was lost: the reader has it, so a repeat is a duplicate.
        outcome = "dropped" if dropped else "accepted"
        for recipient in recipients:
            ordinal = self.ledger.add(outcome, recipient, identity, content, delivered=True)
        return None if dropped else b"250 2.0.0 Ok: queued as %d" % ordinal

    def stats(self) -> dict[str, Any]:
        """Counters since the start or the last `DELETE /received`; one mail to two people counts as two."""
        ledger = self.ledger
        return {
            "sent": ledger.outcomes["accepted"],
            "calls_total": ledger.total + self.refusals.total(),
            "duplicates": ledger.duplicates,
            "distinct_recipients": ledger.recipients.count,
            "open_connections": len(self.sessions),
            "max_connections": self.max_connections,
            "connections": self.connections,
            "kept": len(ledger.arrivals),
            "calls": dict(Counter(ledger.outcomes) + self.refusals),
            "repeated": [{"recipient": key[0], "message_id": key[1], "count": n} for key, n in ledger.repeated.items()],
        }

    def received(self, limit: int, recipient: str | None) -> list[dict[str, Any]]:
        """Mails newest first, with their content exactly as it arrived (bytes as latin-1)."""
        return [
            {
                "ordinal": each.ordinal,
                "time": each.time,
                "outcome": each.outcome,
                "recipient": each.recipient,
                "message_id": each.tag,
                "content": each.content.decode("latin-1"),
            }
            for each in self.ledger.latest(limit, recipient)
        ]

    def rows(self, limit: int) -> list[Row]:
        """The same for the page: subject and text."""
        return [_row(each) for each in self.ledger.latest(limit)]

    @property
    def down(self) -> bool:
        return self.faults.down

    @property
    def latency_s(self) -> float:
        return self.faults.latency_ms / 1000

    def faults_now(self) -> dict[str, Any]:
        """Every fault with its present value."""
        return self.faults.model_dump()

    def change_faults(self, change: dict[str, Any]) -> None:
        """Raises pydantic.ValidationError and changes nothing when the change is not understood."""
        self._set(self.faults.changed(change))

    def clear(self) -> None:
        """Forget what was received; faults stay."""
        self.ledger.clear()
        self.refusals.clear()
        self.connections = self.max_connections = len(self.sessions)

    def app(self, exchange: Exchange) -> None:
        """The HTTP side."""
        control(self, exchange)

    def _set(self, faults: SmtpFaults) -> None:
        self.faults = faults
        self.rejected = frozenset(faults.reject_addresses)
        self.recipient_dice = Dice(faults.seed, {"defer": faults.defer, "reject": faults.reject})
        self.message_dice = Dice(faults.seed, {"drop": faults.drop})
        if faults.down:
            for session in list(self.sessions):
                session.transport.close()


def _row(arrival: Arrival) -> Row:
    mail = message_from_bytes(arrival.content, _class=EmailMessage, policy=policy.default)
    body = mail.get_body(("plain", "html"))
    text = body.get_content() if body else ""
    subject = str(mail.get("subject", ""))
    return Row(arrival.ordinal, arrival.time, arrival.outcome, arrival.recipient, subject, str(text))


async def listen(sink: Smtp, *, smtp_port: int, http_port: int) -> None:
    """Both ports on 127.0.0.1 until a signal ends the process."""
    loop = asyncio.get_running_loop()
    context = sink.tls if sink.implicit_tls else None
    server = await loop.create_server(lambda: Session(sink), "127.0.0.1", smtp_port, ssl=context, backlog=1024)
    async with server:
        await serve(sink.app, http_port, standin="smtp", smtp_port=smtp_port)
        server.close()
        for session in list(sink.sessions):
            session.transport.abort()


def _tls(certs: Path | None) -> ssl.SSLContext | None:
    if certs is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certs / "localhost.pem", certs / "localhost-key.pem")
    return context


def main() -> None:
    parser = argparse.ArgumentParser(description="SMTP sink on 127.0.0.1")
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--certs", type=Path, help="folder made by cli.fakes.certs: offer STARTTLS")
    parser.add_argument("--implicit-tls", action="store_true", help="TLS from the first byte (needs --certs)")
    parser.add_argument("--auth", metavar="USER:PASSWORD", help="ask for this sign-in")
    options = parser.parse_args()
    if options.implicit_tls and options.certs is None:
        parser.error("--implicit-tls needs --certs")
    user, _, password = (options.auth or "").partition(":")
    sink = Smtp(
        tls=_tls(options.certs),
        implicit_tls=options.implicit_tls,
        credentials=(user, password) if options.auth else None,
    )
    uvloop.run(listen(sink, smtp_port=options.smtp_port, http_port=options.http_port))


if __name__ == "__main__":
    main()
