"""A TCP proxy for tests: between a service and its broker or database it cuts, drops, delays or blocks.

It knows enough of AMQP 0-9-1 to imitate an alarm of RabbitMQ: a connection that publishes gets `connection.blocked`,
and nothing more is read from it; connections that only consume are not affected.
"""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

GONE = (ConnectionError, asyncio.IncompleteReadError, RuntimeError)
"""Errors of a closed connection; uvloop raises RuntimeError."""

HEADER = b"AMQP\x00\x00\x09\x01"
METHOD, END = 1, b"\xce"
OPEN_CHANNEL = struct.pack(">HH", 20, 10)
PUBLISH = struct.pack(">HH", 60, 40)
BLOCKED = struct.pack(">HHB", 10, 60, 3) + b"low"
UNBLOCKED = struct.pack(">HH", 10, 61)


class FaultInjectionProxy:
    """One proxy and its connections. A fault affects present and later connections until it is switched off."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._links: set[_Link] = set()
        self._open = asyncio.Event()
        self._open.set()
        self.seconds = 0.0
        self.alarm = self.dead = False
        self.cuts_first_channel = False

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return len(self._links)

    def cut(self) -> None:
        """Reset all connections."""
        for link in tuple(self._links):
            link.reset()

    def die(self) -> None:
        """Reset all connections and each one that comes, for good."""
        self.dead = True
        self.cut()

    def cut_first_channel(self) -> None:
        """Reset the next connection that opens a channel, when it does."""
        self.cuts_first_channel = True

    def black_hole(self, *, on: bool) -> None:
        """Accept data and connections but forward nothing, in both directions."""
        if on:
            self._open.clear()
        else:
            self._open.set()

    def slow(self, seconds: float) -> None:
        """Delay each piece of data by `seconds`."""
        self.seconds = seconds

    def block(self, *, on: bool) -> None:
        """Switch a memory or disk alarm of the broker on or off."""
        self.alarm = on
        if not on:
            for link in self._links:
                link.unblock()

    async def wait_open(self) -> None:
        """Return when data may be forwarded."""
        if self.seconds:
            await asyncio.sleep(self.seconds)
        await self._open.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection until it ends."""
        if self.dead:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(self, writer, far_writer)
        self._links.add(link)
        try:
            await asyncio.wait(
                {asyncio.ensure_future(link.up(reader)), asyncio.ensure_future(link.down(far_reader))},
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            self._links.discard(link)
            link.reset()


class _Link:
    """One connection through the proxy."""

    def __init__(self, proxy: FaultInjectionProxy, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self._proxy, self._near, self._far = proxy, near, far
        self._unblocked = asyncio.Event()
        self._unblocked.set()

    def reset(self) -> None:
        self._near.transport.abort()
        self._far.transport.abort()

    def unblock(self) -> None:
        if not self._unblocked.is_set():
            self._near.write(_frame(UNBLOCKED))
            self._unblocked.set()

    async def up(self, reader: asyncio.StreamReader) -> None:
        """Forward data from the service; its first bytes show whether it speaks AMQP."""
        with contextlib.suppress(*GONE):
            start = await reader.read(len(HEADER))
            await self._send(self._far, start)
            while start:
                data = await (_read_frame(reader) if start == HEADER else reader.read(65_536))
                if not data:
                    return
                method = data[7:11] if start == HEADER and data[0] == METHOD else b""
                if method == OPEN_CHANNEL and self._proxy.cuts_first_channel:
                    self._proxy.cuts_first_channel = False
                    self.reset()
                    return
                if method == PUBLISH and self._proxy.alarm:
                    self._near.write(_frame(BLOCKED))
                    self._unblocked.clear()
                await self._unblocked.wait()
                await self._send(self._far, data)

    async def down(self, reader: asyncio.StreamReader) -> None:
        """Forward data to the service, in whole AMQP frames, so that the proxy can insert its own between them.

        Only a broker sends 1 as its first byte.
        """
        with contextlib.suppress(*GONE):
            first = await reader.readexactly(1)
            amqp = first[0] == METHOD
            rest = await _read_frame(reader, first) if amqp else first
            while rest:
                await self._send(self._near, rest)
                rest = await (_read_frame(reader) if amqp else reader.read(65_536))

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        await self._proxy.wait_open()
        writer.write(data)
        await writer.drain()


async def _read_frame(reader: asyncio.StreamReader, first: bytes = b"") -> bytes:
    """Read one frame: type, channel, size, payload, end (AMQP 0-9-1, 4.2.3)."""
    head = first + await reader.readexactly(7 - len(first))
    size = struct.unpack(">L", head[3:])[0]
    return head + await reader.readexactly(size + 1)


def _frame(payload: bytes) -> bytes:
    return struct.pack(">BHL", METHOD, 0, len(payload)) + payload + END


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[tuple[str, FaultInjectionProxy]]:
    """Start a proxy for the server in `url`; returns the URL of the proxy and the proxy."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    proxy = FaultInjectionProxy(parts.hostname, parts.port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    user = parts.netloc.rpartition("@")[0]
    try:
        yield urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{port}" if user else f"127.0.0.1:{port}")), proxy
    finally:
        proxy.black_hole(on=False)
        proxy.cut()
        server.close()
        await server.wait_closed()
