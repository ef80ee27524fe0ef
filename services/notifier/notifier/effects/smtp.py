"""Mail over pooled SMTP connections; a second server takes over where the first cannot be reached."""

import asyncio
from collections import deque
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import aiosmtplib
import structlog
from aiosmtplib import SMTP
from aiosmtplib.errors import (
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from notifier.effects import Mail, Outcome

log = structlog.get_logger()

TIMEOUT_SECONDS = 30.0
SERVICE_CLOSING = 421


@dataclass(frozen=True, slots=True)
class Server:
    """smtp:// plain, smtp+starttls:// upgraded, smtps:// TLS from the first byte."""

    host: str
    port: int
    user: str | None
    password: str | None
    implicit_tls: bool
    start_tls: bool

    @classmethod
    def read(cls, url: str) -> "Server":
        """Raises ValueError naming what is wrong with the URL, without its password."""
        parts = urlsplit(url.strip())
        if parts.scheme not in ("smtp", "smtp+starttls", "smtps") or not parts.hostname:
            msg = "SMTP_URL must be smtp://, smtp+starttls:// or smtps:// with a host"
            raise ValueError(msg)
        implicit = parts.scheme == "smtps"
        return cls(
            parts.hostname,
            parts.port or (465 if implicit else 587),
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
            implicit,
            parts.scheme == "smtp+starttls",
        )


class SmtpCourier:
    """At most `connections` mails at once; connections are kept and used again."""

    def __init__(self, urls: str, sender: str, *, connections: int = 8) -> None:
        self._servers = [Server.read(url) for url in urls.split(",") if url.strip()]
        self._sender = sender
        self._limit = asyncio.Semaphore(connections)
        self._idle: deque[SMTP] = deque()

    async def send(self, message: Mail) -> Outcome:
        """Hand one mail to the first server that can be reached."""
        async with self._limit:
            try:
                client = await self._client()
            except SMTPAuthenticationError as problem:
                return Outcome("config", f"smtp_{problem.code}")
            except (SMTPException, OSError) as problem:
                return Outcome("transient", type(problem).__name__)
            outcome = await self._hand_over(client, message)
            if outcome.kind == "unknown" or outcome.reason == f"smtp_{SERVICE_CLOSING}" or not client.is_connected:
                client.close()
            else:
                self._idle.append(client)
            return outcome

    async def _client(self) -> SMTP:
        """A connection that is open; idle ones first. A server may have closed it meanwhile: RSET tells."""
        while self._idle:
            client = self._idle.pop()
            if client.is_connected:
                return client
        problem: Exception | None = None
        for server in self._servers:
            client = SMTP(
                hostname=server.host,
                port=server.port,
                use_tls=server.implicit_tls,
                start_tls=server.start_tls,
                timeout=TIMEOUT_SECONDS,
            )
            try:
                await client.connect()
                if server.user is not None:
                    await client.login(server.user, server.password or "")
            except SMTPAuthenticationError:
                client.close()
                raise
            except (SMTPException, OSError) as found:
                client.close()
                log.warning("smtp.server_away", host=server.host, error=type(found).__name__)
                problem = found
                continue
            return client
        raise problem or SMTPConnectError("no SMTP server is configured")

    async def _hand_over(self, client: SMTP, message: Mail) -> Outcome:
        try:
            _, reply = await client.sendmail(self._sender, [message.recipient], message.content)
        except SMTPRecipientsRefused as problem:
            return _refused(problem.recipients[0].code)
        except SMTPResponseException as problem:
            return _refused(problem.code)
        except SMTPServerDisconnected:
            return Outcome("unknown", "disconnected")
        except (SMTPTimeoutError, SMTPException, OSError) as problem:
            return Outcome("unknown", type(problem).__name__)
        return Outcome("accepted", provider_id=reply[:100] or None)

    async def close(self) -> None:
        """Say goodbye on every idle connection."""
        while self._idle:
            client = self._idle.pop()
            try:
                await client.quit()
            except (SMTPException, OSError, aiosmtplib.SMTPServerDisconnected):
                client.close()


def _refused(code: int) -> Outcome:
    """RFC 5321 section 4.2.1: 4yz may pass later, 5yz never; 530 to 535 are about us, not about the recipient."""
    if 530 <= code <= 535:  # noqa: PLR2004
        return Outcome("config", f"smtp_{code}")
    return Outcome("transient" if code < 500 else "permanent", f"smtp_{code}")  # noqa: PLR2004
