"""Starts a service's process: `python -m <service>` calls `serve(...)`."""

import asyncio
import gc
import socket

import uvicorn
import uvloop
from fastapi import FastAPI

from shared.http.provided import Provided
from shared.service.runtime import Runtime
from shared.settings import ServiceSettings
from shared.telemetry import configure_logs


class Server(uvicorn.Server):
    """Tells the service that it is to stop before waiting for answers to end: some have none of their own."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop taking connections, end streams, wait for the rest."""
        Provided(Runtime).by(self._app).stop_soon()
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
        http="httptools",
        server_header=False,
    )
    freeze_gc()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Server(config, app).serve())
