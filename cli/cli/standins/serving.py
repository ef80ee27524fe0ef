"""One HTTP server in this process and on this loop: one worker, so that counters are exact."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import structlog
from granian._granian import RSGIHTTPProtocol as HTTPProtocol
from granian.constants import Interfaces
from granian.http import HTTP2Settings
from granian.rsgi import Scope
from granian.server.embed import Server

__all__ = ["App", "HTTPProtocol", "serve"]

log = structlog.get_logger()

App = Callable[[Scope, HTTPProtocol], Awaitable[None]]

STREAMS = 100
"""Concurrent streams per HTTP/2 connection, as Google's front ends allow."""
COLLECT_EVERY = 100_000


async def serve(app: App, port: int, *, certs: Path | None = None, **facts: Any) -> None:
    """Serve on 127.0.0.1 until SIGTERM, SIGINT or SIGHUP; TLS with the certificate in `certs` if given."""
    server = Server(
        app,
        address="127.0.0.1",
        port=port,
        interface=Interfaces.RSGI,
        websockets=False,
        log_enabled=False,
        backlog=1024,
        http2_settings=HTTP2Settings(max_concurrent_streams=STREAMS),
        ssl_cert=certs / "localhost.pem" if certs else None,
        ssl_key=certs / "localhost-key.pem" if certs else None,
    )
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(each, server.stop)
    # What is received is kept and full of nothing that the collector could free: looking through it again and again
    # would cost more than the requests.
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY)
    log.info("standin.starting", http_port=port, tls=certs is not None, **facts)
    await server.serve()
    log.info("standin.stopped", http_port=port)
