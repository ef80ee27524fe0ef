"""`python -m cli.fakes.smtp --smtp-port P --http-port Q`: a fake mail server that accepts every mail and delivers none.

`/`, `/stats` and `/received?limit=&recipient=` of the HTTP port show what was received; `POST /faults` switches faults
on. With `--certs` it offers STARTTLS (or speaks TLS from the first byte with `--implicit-tls`).
"""

import argparse
import asyncio
import hmac
import re
import ssl
from collections import Counter
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

import uvloop
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from starlette.routing import Router

from cli.fakes.control import control_routes
from cli.fakes.faults import Dice, SmtpFaults
from cli.fakes.page import Row
from cli.fakes.received import Received, ReceivedMessage
from cli.fakes.server import LOOPBACK, serve

MESSAGE_ID = re.compile(rb"^message-id:\s*(<[^>]*>)", re.IGNORECASE | re.MULTILINE)
BUSY = "421 4.7.0 Not this one"
OK, DEFERRED, REJECTED = "250 2.1.5 Ok", "451 4.3.0 Try again later", "550 5.1.1 No such mailbox"
NOT_ACCEPTED = "530 5.7.0 Authentication required"
NEEDS_UTF8 = "553 5.6.7 Address needs SMTPUTF8"
SIZE_LIMIT = 10 * 1024 * 1024


class Smtp:
    """Received mails, open connections and the faults that are switched on; the handler of aiosmtpd's sessions."""

    name = "Fake mail server"

    def __init__(self) -> None:
        self.open: set[Connection] = set()
        self.connections = self.max_connections = 0
        self.refusals: Counter[str] = Counter()
        self.messages = Received()
        self._set(SmtpFaults())

    async def handle_MAIL(  # noqa: N802  # aiosmtpd's name
        self, _server: "Connection", _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Reply to MAIL FROM."""
        if self.faults.refuse_clients:
            self.refusals["client_refused"] += 1
            return NOT_ACCEPTED
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return OK

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self, server: "Connection", _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Reply to RCPT TO."""
        if address in self.ending:
            self.refusals["deferred"] += 1
            server.end(reply=address in self.faults.busy_addresses)
            return BUSY
        if not address.isascii() and not envelope.smtp_utf8:
            return NEEDS_UTF8
        fault = "reject" if address in self.rejected else self.recipient_dice.draw()
        if fault is None:
            envelope.rcpt_tos.append(address)
            return OK
        self.refusals["deferred" if fault == "defer" else "rejected"] += 1
        return DEFERRED if fault == "defer" else REJECTED

    async def handle_DATA(self, server: "Connection", _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep a mail, once for each recipient, and reply to its content."""
        if self.faults.latency_ms:
            await asyncio.sleep(self.faults.latency_ms / 1000)
        dropped = self.message_dice.draw() is not None
        content = envelope.original_content or b""
        found = MESSAGE_ID.search(content[: content.find(b"\r\n\r\n") + 2])
        identity = found[1].decode(errors="replace") if found else ""
        # The server took a dropped mail, only its reply is lost: the reader has it, so a repeat is a duplicate.
        outcome = "dropped" if dropped else "accepted"
        ordinal = 0
        for recipient in envelope.rcpt_tos:
            ordinal = self.messages.add(outcome, recipient, identity, content, delivered=True)
        if dropped:
            server.abort()
        return f"250 2.0.0 Ok: queued as {ordinal}"

    def stats(self) -> dict[str, Any]:
        """Counters since the start or the last `DELETE /received`; one mail to two people counts as two."""
        messages = self.messages
        return {
            "sent": messages.outcomes["accepted"],
            "calls_total": messages.total + self.refusals.total(),
            "duplicates": messages.duplicates,
            "distinct_recipients": messages.recipients.count,
            "open_connections": len(self.open),
            "max_connections": self.max_connections,
            "connections": self.connections,
            "kept": len(messages.kept),
            "calls": dict(Counter(messages.outcomes) + self.refusals),
            "repeated": [
                {"recipient": key[0], "message_id": key[1], "count": n} for key, n in messages.repeated.items()
            ],
        }

    def received(self, limit: int, recipient: str | None) -> list[dict[str, Any]]:
        """Mails, newest first, with their content exactly as it arrived (bytes as latin-1)."""
        return [
            {
                "ordinal": each.ordinal,
                "time": each.time,
                "outcome": each.outcome,
                "recipient": each.recipient,
                "message_id": each.tag,
                "content": each.content.decode("latin-1"),
            }
            for each in self.messages.latest(limit, recipient)
        ]

    def rows(self, limit: int) -> list[Row]:
        """The same for the page: subject and text."""
        return [_row(each) for each in self.messages.latest(limit)]

    def current_faults(self) -> dict[str, Any]:
        """Every fault with its present value."""
        return self.faults.model_dump()

    def change_faults(self, change: dict[str, Any]) -> None:
        """Raises pydantic.ValidationError and changes nothing when the change is not understood."""
        self._set(self.faults.changed(change))

    def clear(self) -> None:
        """Forget what was received; faults stay."""
        self.messages.clear()
        self.refusals.clear()
        self.connections = self.max_connections = len(self.open)

    def opened(self, connection: "Connection") -> None:
        """Count a new connection."""
        self.open.add(connection)
        self.connections += 1
        self.max_connections = max(self.max_connections, len(self.open))

    def _set(self, faults: SmtpFaults) -> None:
        self.faults = faults
        self.rejected = frozenset(faults.reject_addresses)
        self.ending = frozenset((*faults.busy_addresses, *faults.reset_addresses))
        self.recipient_dice = Dice(faults.seed, {"defer": faults.defer, "reject": faults.reject})
        self.message_dice = Dice(faults.seed, {"drop": faults.drop})
        if faults.down:
            for connection in list(self.open):
                connection.abort()


class Connection(SMTP):
    """One SMTP session, counted by the fake. aiosmtpd speaks the protocol.

    uvloop's transports are no asyncio.Transport by type, but have its methods: hence the casts.
    """

    def __init__(self, fake: Smtp, **options: Any) -> None:
        super().__init__(
            fake,
            hostname="localhost",
            ident="ESMTP fake",
            data_size_limit=SIZE_LIMIT,
            enable_SMTPUTF8=True,
            auth_require_tls=False,
            **options,
        )
        self.fake = fake

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self not in self.fake.open:  # aiosmtpd calls this again after STARTTLS
            self.fake.opened(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.fake.open.discard(self)
        super().connection_lost(error)

    def end(self, *, reply: bool) -> None:
        """Close the connection, after the reply that follows or without it."""
        if not reply:
            self.abort()
        elif self.transport is not None:
            asyncio.get_running_loop().call_soon(self.transport.close)

    def abort(self) -> None:
        """Close the connection without another reply."""
        if self.transport is not None:
            cast("asyncio.Transport", self.transport).abort()


class Unavailable(asyncio.Protocol):
    """Greet with 421 and close, as a server does that goes down (RFC 5321 section 3.1)."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(b"421 4.3.2 localhost is going down\r\n")
        transport.close()


def _row(message: ReceivedMessage) -> Row:
    mail = message_from_bytes(message.content, _class=EmailMessage, policy=policy.default)
    body = mail.get_body(("plain", "html"))
    text = body.get_content() if body else ""
    subject = str(mail.get("subject", ""))
    return Row(message.ordinal, message.time, message.outcome, message.recipient, subject, str(text))


async def listen(fake: Smtp, options: argparse.Namespace) -> None:
    """Serve both ports until a signal ends the process."""
    tls = _tls(options.certs)
    upgrade = {} if options.implicit_tls else {"tls_context": tls}
    signin = {"auth_required": True, "authenticator": _authenticator(options.auth)} if options.auth else {}

    def connect() -> asyncio.Protocol:
        return Unavailable() if fake.faults.down else Connection(fake, **upgrade, **signin)

    server = await asyncio.get_running_loop().create_server(
        connect, options.address, options.smtp_port, ssl=tls if options.implicit_tls else None, backlog=1024
    )
    async with server:
        await serve(
            Router(control_routes(fake)),
            options.http_port,
            address=options.address,
            fake="smtp",
            smtp_port=options.smtp_port,
        )
        server.close()
        for connection in list(fake.open):
            connection.abort()


def _authenticator(user_and_password: str) -> Any:
    def check(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
        given = data.login + b":" + data.password if isinstance(data, LoginPassword) else b""
        return AuthResult(success=hmac.compare_digest(given, user_and_password.encode()), handled=False)

    return check


def _tls(certs: Path | None) -> ssl.SSLContext | None:
    if certs is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certs / "localhost.pem", certs / "localhost-key.pem")
    return context


def main() -> None:
    parser = argparse.ArgumentParser(description="fake mail server")
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--address", default=LOOPBACK, help="where it listens (default: this machine only)")
    parser.add_argument("--certs", type=Path, help="folder made by cli.fakes.certs: offer STARTTLS")
    parser.add_argument("--implicit-tls", action="store_true", help="TLS from the first byte (needs --certs)")
    parser.add_argument("--auth", metavar="USER:PASSWORD", help="require this sign-in")
    options = parser.parse_args()
    if options.implicit_tls and options.certs is None:
        parser.error("--implicit-tls needs --certs")
    uvloop.run(listen(Smtp(), options))


if __name__ == "__main__":
    main()
