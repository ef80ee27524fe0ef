"""Starts a service's process: `python -m <service>` calls `serve(...)`."""

import asyncio
import gc
import socket
from typing import Any

import uvicorn
import uvloop
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.settings import ServiceSettings
from shared.telemetry import configure_logs


class Gathered(asyncio.Transport):
    """What is written in one turn of the loop goes out in one write: head and content of an answer are two of them."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._parts: list[bytes | bytearray | memoryview] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, soon."""
        if not self._parts:
            asyncio.get_running_loop().call_soon(self._send)
        self._parts.append(data)

    def _send(self) -> None:
        if self._parts:
            self._transport.write(b"".join(self._parts))
            self._parts.clear()

    def close(self) -> None:
        """Send the rest and close."""
        self._send()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether it is."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As the transport below has it."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Take nothing for a while."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on."""
        self._transport.resume_reading()


class Protocol(HttpToolsProtocol):
    """Uvicorn's; uvloop would send each write of its by itself."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(Gathered(transport))


class Server(uvicorn.Server):
    """Tells the service that it is to stop before waiting for answers to end: some have none of their own."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop taking connections, end streams, wait for the rest."""
        self._app.state.service.runtime.stop_soon()
        await super().shutdown(sockets)


COLLECT_AFTER = (10_000, 20, 50)
"""Objects, then collections of the generation below: each message leaves a few cycles, and looking for them as often as
Python does by itself costs more than the message's own decoding."""


def freeze_gc() -> None:
    """Set apart what was loaded for good: looking at it again takes the collector 0.1 s, in which nothing else runs."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def run(name: str, settings: ServiceSettings, app: FastAPI) -> None:
    """Serve until SIGINT or SIGTERM; then drain within `settings.drain` seconds."""
    configure_logs(name, settings.log_level, settings.log_format)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        lifespan="on",
        http=Protocol,
        server_header=False,
    )
    freeze_gc()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Server(config, app).serve())
