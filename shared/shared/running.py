"""Starts a service's process: `python -m <service>` calls `serve(...)`."""

import asyncio

import uvicorn
import uvloop
from fastapi import FastAPI

from shared.settings import ServiceSettings
from shared.telemetry import configure_logs


def serve(name: str, settings: ServiceSettings, app: FastAPI) -> None:
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
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve())
