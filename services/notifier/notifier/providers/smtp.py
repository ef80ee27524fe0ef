"""Mail over pooled SMTP connections; the next server takes over where one cannot be used (RFC 5321)."""

import asyncio
import re
from email.utils import parseaddr
from pathlib import Path

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPException, SMTPRecipientRefused, SMTPResponseException, SMTPSenderRefused

from notifier.providers import Mail, Outcome
from notifier.providers.smtp_pool import Away, Pool, Server, permanent

TIMEOUT_SECONDS = 30.0
"""For each reply; a mail needs at most three on a connection that stands."""
COOLDOWN_SECONDS = 10.0
CLOSING, TOO_BIG = 421, 552
NO_MAILBOX = frozenset({550, 551, 553})
ENHANCED = re.compile(r"5\.\d{1,3}\.\d{1,3}(?=\s|$)")
"""The status code that says why (RFC 2034, RFC 3463)."""
MAILBOX = re.compile(r"5\.(1\.(0|1|2|3|6|10)|2\.1|0\.0)$")
"""About the recipient's address or mailbox; 5.7 is policy, 5.2.2 a full mailbox, 5.3 the system, 5.1.8 our sender."""
SIGN_IN = range(530, 536)
"""Authentication required, too weak, failed: about us, not about the recipient (RFC 4954 section 6)."""


class SmtpCourier:
    """At most `connections` mails at once; connections are kept and used again."""

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
        servers = [Server.read(url) for url in urls.split(",") if url.strip()]
        if not servers:
            raise ValueError("SMTP_URL names no server")
        self._pools = [Pool(server, timeout=timeout, cooldown=cooldown, ca_file=ca_file) for server in servers]
        self._sender = sender
        self._limit = asyncio.Semaphore(connections)

    async def send(self, message: Mail) -> Outcome:
        """Hand one mail to the first server that can be used; it is given to one only."""
        away: list[Outcome] = []
        async with self._limit:
            for pool in self._pools:
                try:
                    return await self._through(pool, message)
                except Away as problem:
                    away.append(problem.outcome)
        # Only where every server refuses us it is the configuration; else one of them may be back soon.
        return next((outcome for outcome in away if outcome.kind != "config"), away[0])

    async def _through(self, pool: Pool, message: Mail) -> Outcome:
        while (client := pool.idle()) is not None:
            try:
                return await self._using(pool, client, message)
            except Away:
                continue  # the server had closed an idle connection: that says nothing about a new one
        client = await pool.connect()
        try:
            return await self._using(pool, client, message)
        except Away as problem:
            raise pool.leave_alone(problem.outcome) from problem

    async def _using(self, pool: Pool, client: SMTP, message: Mail) -> Outcome:
        try:
            outcome = await hand_over(client, self._sender, message)
        except BaseException:
            client.close()
            raise
        pool.keep(client)
        return outcome

    async def close(self) -> None:
        """Say goodbye on every idle connection."""
        for pool in self._pools:
            await pool.close()


async def hand_over(client: SMTP, sender: str, message: Mail) -> Outcome:
    """One mail transaction. Raises Away where the connection is gone and the server was given no content."""
    refusal = await _address(client, sender, message)
    if refusal is not None:
        return refusal
    try:
        reply = await client.data(message.content)
    except SMTPResponseException as problem:
        if problem.code == CLOSING:
            client.close()
        await _reset(client)
        return refused(problem)
    except (SMTPException, OSError) as problem:
        client.close()
        return Outcome("unknown", type(problem).__name__)
    return Outcome("accepted", provider_id=reply.message[:100] or None)


async def _address(client: SMTP, sender: str, message: Mail) -> Outcome | None:
    """MAIL and RCPT; None when the server waits for the content."""
    # aiosmtplib sends to what parseaddr makes of an address; one that comes out different is not the one we mean.
    if parseaddr(message.recipient)[1] != message.recipient:
        return Outcome("permanent", "address_not_usable")
    options, encoding = _parameters(client, sender, message)
    if encoding != "ascii" and not client.supports_extension("smtputf8"):
        return Outcome("permanent", "smtputf8_not_offered")
    try:
        await client.mail(sender, options=options, encoding=encoding)
        await client.rcpt(message.recipient, encoding=encoding)
    except SMTPResponseException as problem:
        if problem.code == CLOSING:
            raise Away(Outcome("transient", f"smtp_{CLOSING}")) from problem
        await _reset(client)
        return refused(problem)
    except ValueError:
        await _reset(client)
        return Outcome("permanent", "address_not_usable")
    except (SMTPException, OSError) as problem:
        raise Away(Outcome("transient", type(problem).__name__)) from problem
    return None


def _parameters(client: SMTP, sender: str, message: Mail) -> tuple[list[str], str]:
    """MAIL parameters and the encoding of addresses: utf-8 needs SMTPUTF8 (RFC 6531)."""
    options = [f"SIZE={len(message.content)}"] if client.supports_extension("size") else []
    if not message.content.isascii() and client.supports_extension("8bitmime"):
        options.append("BODY=8BITMIME")
    if sender.isascii() and message.recipient.isascii():
        return options, "ascii"
    return [*options, "SMTPUTF8"], "utf-8"


async def _reset(client: SMTP) -> None:
    """Clear the envelope for the next mail; a connection on which that fails is not kept."""
    if not client.is_connected:
        return
    try:
        await client.rset()
    except (SMTPException, OSError):
        client.close()


def refused(problem: SMTPResponseException) -> Outcome:
    """A reply that is not about the connection. A refused sender is refused for every recipient."""
    code = problem.code
    ours = code in SIGN_IN or (isinstance(problem, SMTPSenderRefused) and permanent(code) and code != TOO_BIG)
    if ours:
        return Outcome("config", f"smtp_{code}")
    if not permanent(code):
        return Outcome("transient", f"smtp_{code}")
    told = ENHANCED.match(problem.message)
    reason = f"smtp_{code}_{told[0]}" if told else f"smtp_{code}"
    gone = isinstance(problem, SMTPRecipientRefused) and (
        MAILBOX.match(told[0]) is not None if told else code in NO_MAILBOX
    )
    return Outcome("bounced" if gone else "permanent", reason)
