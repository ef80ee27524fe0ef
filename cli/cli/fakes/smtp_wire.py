"""The wire of one SMTP connection: what comes in, replies in one write for all that one read brought, and STARTTLS."""

import asyncio
import ssl
from abc import abstractmethod
from typing import Protocol, cast


class Mailbox(Protocol):
    """What a session asks of the sink behind it."""

    tls: ssl.SSLContext | None
    implicit_tls: bool
    credentials: tuple[str, str] | None

    @property
    def down(self) -> bool: ...
    @property
    def latency_s(self) -> float: ...
    def opened(self, session: "Wire") -> None: ...
    def closed(self, session: "Wire") -> None: ...
    def refusal(self, recipient: str) -> bytes | None: ...
    def take(self, recipients: list[str], content: bytes) -> bytes | None:
        """Keep a message; the reply, or None to hang up without one."""


class Wire(asyncio.Protocol):
    """What is said is read from `buffer` by `_next`; while `held`, nothing is."""

    transport: asyncio.Transport

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self.buffer = bytearray()
        self.replies: list[bytes] = []
        self.secured = mailbox.implicit_tls
        self.greeted = self.held = self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio.Transport, they only behave like one.
        self.transport = cast("asyncio.Transport", transport)
        self.mailbox.opened(self)
        if not self.mailbox.down:  # else 421 is the greeting (RFC 5321 section 3.1)
            self._reply(b"220 localhost ESMTP stand-in")
        self._proceed()

    def connection_lost(self, _problem: Exception | None) -> None:
        self.ended = True
        self.mailbox.closed(self)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.held:
            self._proceed()

    def _proceed(self) -> None:
        while not (self.held or self.ended):
            if self.mailbox.down:
                self._reply(b"421 4.3.2 localhost is going down")
                self.ended = True
            elif not self._next():
                break
        if self.replies and not self.transport.is_closing():
            self.transport.write(b"".join(self.replies))
        self.replies.clear()
        if self.ended:
            self.transport.close()

    @abstractmethod
    def _next(self) -> bool:
        """Take one thing from the buffer; False when it is not there whole."""

    def _secure(self, context: ssl.SSLContext) -> None:
        # What came in the clear behind STARTTLS is dropped: it may be an attacker's (RFC 3207, section 6).
        self.buffer.clear()
        self.held, self.greeted = True, False
        self.transport.pause_reading()
        self.transport.write(b"220 2.0.0 Ready to start TLS\r\n")
        self.upgrade = asyncio.ensure_future(self._upgrade(context))

    async def _upgrade(self, context: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        try:
            secured = await loop.start_tls(self.transport, self, context, server_side=True)
        except OSError:
            secured = None
        if secured is None:
            self.transport.abort()
            return
        self.transport, self.secured, self.held = secured, True, False
        self._proceed()

    def _reply(self, line: bytes) -> None:
        self.replies.append(line + b"\r\n")
