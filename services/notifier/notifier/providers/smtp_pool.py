"""The connections to one SMTP server, kept and used again."""

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

GOODBYE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Server:
    """smtp:// plain, smtp+starttls:// upgraded, smtps:// TLS from the first byte."""

    host: str
    port: int
    user: str | None
    password: str | None = field(repr=False)
    implicit_tls: bool
    start_tls: bool

    @classmethod
    def read(cls, url: str) -> "Server":
        """Raises ValueError naming what is wrong with the URL, without its password."""
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


class Away(Exception):
    """This server takes nothing now and was given nothing; `outcome` says why."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


class Pool:
    """Idle connections of one server. After a failed connect the server is left alone for `cooldown` seconds."""

    def __init__(self, server: Server, *, timeout: float, cooldown: float, ca_file: Path | None) -> None:
        self._server = server
        self._timeout = timeout
        self._cooldown = cooldown
        self._ca_file = ca_file
        self._idle: deque[SMTP] = deque()
        self._away: tuple[float, Outcome] | None = None

    def idle(self) -> SMTP | None:
        """A connection used before, if one is still open."""
        while self._idle:
            client = self._idle.pop()
            if client.is_connected:
                return client
            client.close()
        return None

    def keep(self, client: SMTP) -> None:
        """Take a connection back after use."""
        if client.is_connected:
            self._idle.append(client)
        else:
            client.close()

    async def connect(self) -> SMTP:
        """A new connection, signed in; raises Away."""
        now = asyncio.get_running_loop().time()
        if self._away is not None and now < self._away[0]:
            why = self._away[1]
            raise Away(Outcome(why.kind, why.reason, retry_after=self._away[0] - now))
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
                await client.ehlo()  # else nothing is known of the server's extensions
        except (SMTPException, OSError) as problem:
            client.close()
            raise self.leave_alone(unreachable(problem)) from problem
        except BaseException:
            client.close()
            raise
        self._away = None
        return client

    def leave_alone(self, outcome: Outcome) -> Away:
        """Begin a cooldown."""
        log.warning("smtp.server_away", host=self._server.host, port=self._server.port, reason=outcome.reason)
        self._away = (asyncio.get_running_loop().time() + self._cooldown, outcome)
        return Away(outcome)

    async def close(self) -> None:
        """Say goodbye on every idle connection."""
        while (client := self.idle()) is not None:
            try:
                await client.quit(timeout=GOODBYE_SECONDS)
            except (SMTPException, OSError) as problem:
                log.info("smtp.no_goodbye", host=self._server.host, error=type(problem).__name__)
            client.close()


def unreachable(problem: SMTPException | OSError) -> Outcome:
    """Why no connection came about: refused credentials and missing extensions are ours to mend, the rest passes."""
    if isinstance(problem, SMTPResponseException):
        ours = permanent(problem.code) and not isinstance(problem, SMTPConnectError)
        return Outcome("config" if ours else "transient", f"smtp_{problem.code}")
    passing = isinstance(problem, OSError | SMTPConnectError | SMTPServerDisconnected | SMTPTimeoutError)
    return Outcome("transient" if passing else "config", type(problem).__name__)


def permanent(code: int) -> bool:
    """4yz may pass later, 5yz never (RFC 5321 section 4.2.1)."""
    return code >= 500  # noqa: PLR2004
