"""HTTP connections with limits: uvicorn's protocol, which waits for ever, and the times and places of `connections`."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.service.connections import ConnectionTable
from shared.service.http_metrics import REFUSED

MOST_HEAD_BYTES = 65_536
UNREAD_MILLISECONDS = 30_000
"""Time after which a client that takes nothing of an answer, or has vanished, is cut off (tcp(7))."""
LINGER_SECONDS = 2.0
"""How long the rest of a body is still received after its answer, so that the client reads the answer (RFC 9112, 9.6).
"""


class BoundedProtocol(HttpToolsProtocol):
    """One connection of a client."""

    table: ConnectionTable
    count_refused: Callable[[int], None]
    """Called with the status of each answer to a head that was never complete."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.address = "-"
        self._timer: asyncio.TimerHandle | None = None
        self._requests = 0
        """Requests whose head is complete and whose answer is not."""
        self._receiving = "head"
        self._received = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Take a place and start the time for the first request."""
        super().connection_made(transport)
        if self.client:
            self.address = self.client[0]
        if (opened := transport.get_extra_info("socket")) is not None and opened.family != socket.AF_UNIX:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MILLISECONDS)
        self._within(self.table.limits.headers_within, self._late)
        self.table.join(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self._stop_timer()
        self.table.leave(self)
        super().connection_lost(exc)

    def give_way(self) -> None:
        """Close: another connection needs the place."""
        self._stop_timer()
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse what was received; a head that never ends is refused."""
        if self._receiving == "nothing":
            self._expect_head()
        if self._receiving == "head":
            self._received += len(data)
        super().data_received(data)
        if self._receiving == "head" and self._received > MOST_HEAD_BYTES:
            self._refuse(431, b"Request Header Fields Too Large")

    def _expect_head(self) -> None:
        self._receiving, self._received = "head", 0
        self._within(self.table.limits.headers_within, self._late)

    def on_message_begin(self) -> None:
        """Start the time for the head of a request that follows another at once."""
        super().on_message_begin()
        if self._receiving == "nothing":
            self._expect_head()

    def on_headers_complete(self) -> None:
        """Keep the place while the request is answered, and start the time for its body."""
        self._receiving, self._received = "body", 0
        self._requests += 1
        self.table.busy(self)
        self._within(self.table.limits.body_pause, self._check_body)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count the body."""
        self._received += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the time for the body."""
        self._receiving = "nothing"
        self._stop_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Give the place to others when nothing is in progress."""
        super().on_response_complete()
        self._requests -= 1
        if self._requests == 0 and not self.transport.is_closing():
            self.table.idle(self)
            if self._receiving == "body":
                self._within(LINGER_SECONDS, self.transport.close)

    def _check_body(self) -> None:
        """Refuse a client that sends too little; while the application does not read, it is not the client's fault."""
        limits = self.table.limits
        if self._received < limits.body_rate * limits.body_pause and not self.flow.read_paused:
            self._late()
            return
        self._received = 0
        self._within(limits.body_pause, self._check_body)

    def _late(self) -> None:
        if self._requests and self._receiving == "head":
            self._within(self.table.limits.headers_within, self._late)  # an earlier request is being answered
            return
        self._refuse(408, b"Request Timeout")

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._note_refused(400)
        super().send_400_response(msg)

    def _note_refused(self, status: int) -> None:
        """Count a refused head; a request that the application has is counted there, with this status."""
        if self._receiving == "body":
            self.scope[REFUSED] = status  # type: ignore[literal-required]
        else:
            self.count_refused(status)

    def _refuse(self, status: int, reason: bytes) -> None:
        """Close, with an answer if none was begun."""
        self._stop_timer()
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self._note_refused(status)
            answer = b"HTTP/1.1 %d %s\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            self.transport.write(answer % (status, reason))
        self.transport.close()

    def _within(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, then)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def bounded(table: ConnectionTable, count_refused: Callable[[int], None] = lambda _: None) -> type[BoundedProtocol]:
    """Return the class of the connections of a table: uvicorn makes each by itself."""
    return type("TableProtocol", (BoundedProtocol,), {"table": table, "count_refused": staticmethod(count_refused)})
