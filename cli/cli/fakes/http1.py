"""The server's side of one HTTP/1.1 connection (RFC 9112); parsed by httptools, one request at a time."""

import asyncio
from collections import deque
from http import HTTPStatus
from typing import cast

import httptools

from cli.fakes.exchange import BODY_LIMIT, JSON, TOO_LARGE, App, Exchange, Head, Headers, head

BAD_REQUEST = 400
LINGER = 1.0
"""Seconds for a client that is refused to stop sending and read why: RFC 9112, section 9.6."""


class Http1(asyncio.Protocol):
    """Keeps the connection open as long as the client wants; requests in a row are answered in their order."""

    transport: asyncio.Transport

    def __init__(self, app: App) -> None:
        self.app = app
        self.parser = httptools.HttpRequestParser(self)
        self.waiting: deque[tuple[Head, bytes, bool]] = deque()
        self.busy = self.proceeding = self.ended = False
        self._begin()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio.Transport, they only behave like one.
        self.transport = cast("asyncio.Transport", transport)
        host, port = transport.get_extra_info("peername")[:2]
        self.client = f"{host}:{port}"

    def connection_lost(self, _problem: Exception | None) -> None:
        self.ended = True

    def data_received(self, data: bytes) -> None:
        if self.ended:
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(BAD_REQUEST)
        except httptools.HttpParserError:
            self._refuse(TOO_LARGE if self.size > BODY_LIMIT else BAD_REQUEST)
        self._proceed()

    def on_message_begin(self) -> None:
        self._begin()

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"authorization":
            self.authorization = value

    def on_body(self, body: bytes) -> None:
        self.size += len(body)
        if self.size > BODY_LIMIT:
            raise ValueError("the body is too large")
        self.parts.append(body)

    def on_message_complete(self) -> None:
        method = self.parser.get_method().decode("latin-1")
        asked = head(method, self.target.decode("latin-1"), self.authorization.decode("latin-1"))
        self.waiting.append((asked, b"".join(self.parts), self.parser.should_keep_alive()))

    def answer(self, stream: int, status: int, content: bytes, headers: Headers) -> None:
        """Answer the request that is under way."""
        if not self.ended:
            self._write(status, b"" if stream else content, headers, len(content), self.kept)
            if not self.kept:
                self.hang_up()
            self.busy = False
            if not self.proceeding:
                self._proceed()

    def hang_up(self) -> None:
        """Close the connection; earlier answers still reach the client."""
        self.ended = True
        self.transport.close()

    def go_away(self) -> None:
        """Close the connection: the server stops."""
        self.hang_up()

    def _begin(self) -> None:
        self.target = self.authorization = b""
        self.parts: list[bytes] = []
        self.size = 0

    def _proceed(self) -> None:
        self.proceeding = True
        while self.waiting and not (self.busy or self.ended):
            asked, content, self.kept = self.waiting.popleft()
            self.busy = True
            # A HEAD is answered without the content.
            self.app(Exchange(asked, content, self.client, self, int(asked.method == "HEAD")))
        self.proceeding = False

    def _refuse(self, status: int) -> None:
        self.waiting.clear()
        self.ended = True
        self._write(status, b"", JSON, 0, kept=False)
        # Closed with something unread, TCP resets the connection, and the client may lose the answer.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        asyncio.get_running_loop().call_later(LINGER, self.transport.close)

    def _write(self, status: int, content: bytes, headers: Headers, length: int, kept: bool) -> None:
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in headers)]
        lines += [f"content-length: {length}", *(() if kept else ("connection: close",)), "", ""]
        self.transport.write("\r\n".join(lines).encode("latin-1") + content)
