"""Serve the HTTP side of a fake with Granian, on the loop of this process, so that its counters are exact."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import structlog
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP2Settings
from granian.log import LogLevels
from granian.server.embed import Server
from starlette.types import ASGIApp

log = structlog.get_logger()

STREAMS = 100
"""Simultaneous calls of one HTTP/2 connection, as with FCM's own front ends."""
BACKLOG = 1024
LOOPBACK = "127.0.0.1"
"""A fake trusts every client, so it is for this machine only; in a container, for the network of the fakes."""


async def serve(app: ASGIApp, port: int, *, address: str = LOOPBACK, certs: Path | None = None, **facts: Any) -> None:
    """Serve on `address` until SIGTERM, SIGINT or SIGHUP.

    With the certificate in `certs` it speaks TLS, and HTTP/2 or HTTP/1.1 as the client asks for (ALPN).
    """
    server = Server(
        app,
        address=address,
        port=port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.auto,
        http2_settings=HTTP2Settings(max_concurrent_streams=STREAMS),
        websockets=False,
        backlog=BACKLOG,
        log_level=LogLevels.error,
        ssl_cert=certs / "localhost.pem" if certs else None,
        ssl_key=certs / "localhost-key.pem" if certs else None,
    )
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(each, server.stop)
    log.info("fake.starting", http_port=port, tls=certs is not None, **facts)
    await server.serve()
    log.info("fake.stopped", http_port=port)
