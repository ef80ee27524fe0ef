"""One HTTP server on the loop of this process, so that counters are exact: HTTP/2 where TLS agrees on it, else 1.1."""

import asyncio
import contextlib
import gc
import signal
import ssl
from pathlib import Path
from typing import Any

import structlog

from cli.fakes.exchange import App
from cli.fakes.http1 import Http1
from cli.fakes.http2 import Http2

__all__ = ["serve"]

log = structlog.get_logger()

BACKLOG = 1024
COLLECT_EVERY = 100_000
CLOSING = 1.0


class Agreed(asyncio.Protocol):
    """A new connection, which becomes one of HTTP/2 or HTTP/1.1."""

    def __init__(self, app: App, connections: set[Http1 | Http2]) -> None:
        self.app = app
        self.connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        secured = transport.get_extra_info("ssl_object")
        two = secured is not None and secured.selected_alpn_protocol() == "h2"
        spoken: Http1 | Http2 = Http2(self.app) if two else Http1(self.app)
        self.connections.difference_update([each for each in self.connections if each.ended])
        self.connections.add(spoken)
        transport.set_protocol(spoken)
        spoken.connection_made(transport)


async def serve(app: App, port: int, *, certs: Path | None = None, **facts: Any) -> None:
    """Serve on 127.0.0.1 until SIGTERM, SIGINT or SIGHUP; TLS with the certificate in `certs` if given."""
    loop = asyncio.get_running_loop()
    connections: set[Http1 | Http2] = set()
    stopping = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(each, stopping.set)
    # What is received is kept and full of nothing that the collector could free: looking through it again and again
    # would cost more than the requests.
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY)
    log.info("standin.starting", http_port=port, tls=certs is not None, **facts)
    server = await loop.create_server(
        lambda: Agreed(app, connections), "127.0.0.1", port, ssl=_tls(certs), backlog=BACKLOG
    )
    await stopping.wait()
    server.close()
    for spoken in connections:
        spoken.go_away()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(server.wait_closed(), CLOSING)
    log.info("standin.stopped", http_port=port)


def _tls(certs: Path | None) -> ssl.SSLContext | None:
    if certs is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certs / "localhost.pem", certs / "localhost-key.pem")
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context
