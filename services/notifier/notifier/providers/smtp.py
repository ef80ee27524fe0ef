"""Mail over pooled SMTP connections; where one server cannot be used, the next one is tried (RFC 5321)."""

import asyncio
import re
from email.utils import parseaddr
from pathlib import Path

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPException, SMTPRecipientRefused, SMTPResponseException, SMTPSenderRefused

from notifier.providers import Mail, Outcome
from notifier.providers.smtp_pool import ConnectionPool, Server, ServerUnavailable, is_permanent

TIMEOUT_SECONDS = 30.0
"""For each reply; a mail needs at most three on an open connection."""
COOLDOWN_SECONDS = 10.0
SERVICE_CLOSING, TOO_BIG = 421, 552
NO_MAILBOX = frozenset({550, 551, 553})
ENHANCED = re.compile(r"5\.\d{1,3}\.\d{1,3}(?=\s|$)")
"""The status code that gives the reason (RFC 2034, RFC 3463)."""
MAILBOX = re.compile(r"5\.(1\.(0|1|2|3|6|10)|2\.1|0\.0)$")
"""About the recipient's address or mailbox; 5.7 is policy, 5.2.2 a full mailbox, 5.3 the system, 5.1.8 our sender."""
AUTHENTICATION = range(530, 536)
"""Authentication required, too weak, failed: about us, not about the recipient (RFC 4954 section 6)."""


class SmtpCourier:
    """Sends at most `connections` mails at once; connections are reused."""

    def __init__(
        self,
        urls: str,
        sender: str,
        *,
        connections: int = 8,
        timeout: float = TIMEOUT_SECONDS,
        cooldown: float = COOLDOWN_SECONDS,
        ca_file: Path | None = None,
    ) -> None:
        servers = [Server.parse(url) for url in urls.split(",") if url.strip()]
        if not servers:
            raise ValueError("SMTP_URL names no server")
        self._pools = [
            ConnectionPool(server, timeout=timeout, cooldown=cooldown, ca_file=ca_file) for server in servers
        ]
        self._sender = sender
        self._limit = asyncio.Semaphore(connections)

    async def send(self, message: Mail) -> Outcome:
        """Send one mail through the first server that can be used; only one server receives it."""
        unavailable: list[Outcome] = []
        async with self._limit:
            for pool in self._pools:
                try:
                    return await self._through(pool, message)
                except ServerUnavailable as problem:
                    unavailable.append(problem.outcome)
        # It is the configuration only where every server refuses us; otherwise one may be available again soon.
        return next((outcome for outcome in unavailable if outcome.kind != "config"), unavailable[0])

    async def _through(self, pool: ConnectionPool, message: Mail) -> Outcome:
        """Send over an idle connection, or over a new one where the server had closed the idle one.

        The cooldown begins only where no connection can be made: what ends one that works may be this mail's own
        trouble, and the limiter's circuit breaker judges it by several recipients.
        """
        if (client := pool.idle()) is not None:
            try:
                return await self._using(pool, client, message)
            except ServerUnavailable as problem:
                if problem.at_recipient:
                    raise
        return await self._using(pool, await pool.connect(), message)

    async def _using(self, pool: ConnectionPool, client: SMTP, message: Mail) -> Outcome:
        try:
            outcome = await send_mail(client, self._sender, message)
        except BaseException:
            client.close()
            raise
        pool.keep(client)
        return outcome

    async def close(self) -> None:
        """Close every idle connection."""
        for pool in self._pools:
            await pool.close()


async def send_mail(client: SMTP, sender: str, message: Mail) -> Outcome:
    """Perform one mail transaction; raise ServerUnavailable where the connection is lost before the content."""
    refusal = await _send_envelope(client, sender, message)
    if refusal is not None:
        return refusal
    try:
        reply = await client.data(message.content)
    except SMTPResponseException as problem:
        if problem.code == SERVICE_CLOSING:
            client.close()
        await _reset(client)
        return refusal_outcome(problem)
    except (SMTPException, OSError) as problem:
        client.close()
        return Outcome("unknown", type(problem).__name__)
    return Outcome("accepted", provider_id=reply.message[:100] or None)


async def _send_envelope(client: SMTP, sender: str, message: Mail) -> Outcome | None:
    """Send MAIL and RCPT; return None when the server waits for the content."""
    # aiosmtplib sends to the result of parseaddr; where that differs, it is another address than ours.
    if parseaddr(message.recipient)[1] != message.recipient:
        return Outcome("permanent", "address_not_usable")
    options, encoding = _parameters(client, sender, message)
    if encoding != "ascii" and not client.supports_extension("smtputf8"):
        return Outcome("permanent", "smtputf8_not_offered")
    at_recipient = False
    try:
        await client.mail(sender, options=options, encoding=encoding)
        at_recipient = True
        await client.rcpt(message.recipient, encoding=encoding)
    except SMTPResponseException as problem:
        if problem.code == SERVICE_CLOSING:
            raise ServerUnavailable(Outcome("transient", f"smtp_{SERVICE_CLOSING}"), at_recipient) from problem
        await _reset(client)
        return refusal_outcome(problem)
    except ValueError:
        await _reset(client)
        return Outcome("permanent", "address_not_usable")
    except (SMTPException, OSError) as problem:
        raise ServerUnavailable(Outcome("transient", type(problem).__name__), at_recipient) from problem
    return None


def _parameters(client: SMTP, sender: str, message: Mail) -> tuple[list[str], str]:
    """Return MAIL's parameters and the encoding of addresses: utf-8 needs SMTPUTF8 (RFC 6531)."""
    options = [f"SIZE={len(message.content)}"] if client.supports_extension("size") else []
    if not message.content.isascii() and client.supports_extension("8bitmime"):
        options.append("BODY=8BITMIME")
    if sender.isascii() and message.recipient.isascii():
        return options, "ascii"
    return [*options, "SMTPUTF8"], "utf-8"


async def _reset(client: SMTP) -> None:
    """Clear the envelope for the next mail; close a connection on which that fails."""
    if not client.is_connected:
        return
    try:
        await client.rset()
    except (SMTPException, OSError):
        client.close()


def refusal_outcome(problem: SMTPResponseException) -> Outcome:
    """Return the outcome of a reply about the mail. A refused sender is refused for all recipients."""
    code = problem.code
    ours = code in AUTHENTICATION or (isinstance(problem, SMTPSenderRefused) and is_permanent(code) and code != TOO_BIG)
    if ours:
        return Outcome("config", f"smtp_{code}")
    if not is_permanent(code):
        return Outcome("transient", f"smtp_{code}")
    status = ENHANCED.match(problem.message)
    reason = f"smtp_{code}_{status[0]}" if status else f"smtp_{code}"
    gone = isinstance(problem, SMTPRecipientRefused) and (
        MAILBOX.match(status[0]) is not None if status else code in NO_MAILBOX
    )
    return Outcome("bounced" if gone else "permanent", reason)
