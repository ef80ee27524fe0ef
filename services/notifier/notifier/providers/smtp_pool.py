"""The connections to one SMTP server, which are reused."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import structlog
from aiosmtplib import SMTP
from aiosmtplib.errors import (
    SMTPConnectError,
    SMTPException,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from notifier.providers import Outcome

log = structlog.get_logger()

QUIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server: smtp:// without TLS, smtp+starttls:// upgraded to TLS, smtps:// TLS from the first byte."""

    host: str
    port: int
    user: str | None
    password: str | None = field(repr=False)
    implicit_tls: bool
    start_tls: bool

    @classmethod
    def parse(cls, url: str) -> "Server":
        """Read a URL; raise ValueError naming what is wrong with it, without its password."""
        parts = urlsplit(url.strip())
        if parts.scheme not in ("smtp", "smtp+starttls", "smtps") or not parts.hostname:
            raise ValueError("SMTP_URL must be smtp://, smtp+starttls:// or smtps:// with a host")
        implicit = parts.scheme == "smtps"
        return cls(
            parts.hostname,
            parts.port or (465 if implicit else 587),
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
            implicit,
            parts.scheme == "smtp+starttls",
        )


class ServerUnavailable(Exception):
    """This server does not accept the mail at the moment and received no content; `outcome` says why.

    `at_recipient`: it ended the connection when it was given the recipient, so another connection would end as well.
    """

    def __init__(self, outcome: Outcome, at_recipient: bool = False) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome
        self.at_recipient = at_recipient


class ConnectionPool:
    """Idle connections of one server. After a failure the server is not used for `cooldown` seconds."""

    def __init__(self, server: Server, *, timeout: float, cooldown: float, ca_file: Path | None) -> None:
        self._server = server
        self._timeout = timeout
        self._cooldown = cooldown
        self._ca_file = ca_file
        self._idle: deque[SMTP] = deque()
        self._unavailable: tuple[float, Outcome] | None = None

    def idle(self) -> SMTP | None:
        """Return an idle connection, if one is still open."""
        while self._idle:
            client = self._idle.pop()
            if client.is_connected:
                return client
            client.close()
        return None

    def keep(self, client: SMTP) -> None:
        """Keep a connection for the next mail."""
        if client.is_connected:
            self._idle.append(client)
        else:
            client.close()

    async def connect(self) -> SMTP:
        """Return a new connection, signed in; raise ServerUnavailable."""
        now = asyncio.get_running_loop().time()
        if self._unavailable is not None and now < self._unavailable[0]:
            last = self._unavailable[1]
            raise ServerUnavailable(Outcome(last.kind, last.reason, retry_after=self._unavailable[0] - now))
        client = SMTP(
            hostname=self._server.host,
            port=self._server.port,
            use_tls=self._server.implicit_tls,
            start_tls=self._server.start_tls,
            cert_bundle=str(self._ca_file) if self._ca_file else None,
            timeout=self._timeout,
        )
        try:
            await client.connect()
            if self._server.user is not None:
                await client.login(self._server.user, self._server.password or "")
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()  # otherwise the server's extensions are unknown
        except (SMTPException, OSError) as problem:
            client.close()
            raise self.start_cooldown(connect_outcome(problem)) from problem
        except BaseException:
            client.close()
            raise
        self._unavailable = None
        return client

    def start_cooldown(self, outcome: Outcome) -> ServerUnavailable:
        """Stop using the server for a while; return the error to raise."""
        log.warning("smtp.server_unavailable", host=self._server.host, port=self._server.port, reason=outcome.reason)
        self._unavailable = (asyncio.get_running_loop().time() + self._cooldown, outcome)
        return ServerUnavailable(outcome)

    async def close(self) -> None:
        """Close every idle connection."""
        while (client := self.idle()) is not None:
            try:
                await client.quit(timeout=QUIT_SECONDS)
            except (SMTPException, OSError) as problem:
                log.info("smtp.quit_failed", host=self._server.host, error=type(problem).__name__)
            client.close()


def connect_outcome(problem: SMTPException | OSError) -> Outcome:
    """Return why there is no connection: a refused login or a missing extension is our configuration."""
    if isinstance(problem, SMTPResponseException):
        ours = is_permanent(problem.code) and not isinstance(problem, SMTPConnectError)
        return Outcome("config" if ours else "transient", f"smtp_{problem.code}")
    passing = isinstance(problem, OSError | SMTPConnectError | SMTPServerDisconnected | SMTPTimeoutError)
    return Outcome("transient" if passing else "config", type(problem).__name__)


def is_permanent(code: int) -> bool:
    """4yz may pass later, 5yz never (RFC 5321 section 4.2.1)."""
    return code >= 500  # noqa: PLR2004
