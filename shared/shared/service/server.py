"""Runs a service's HTTP server: `python -m <service>` calls `run(...)`."""

import asyncio
import gc
import socket
import sys
from collections.abc import Callable
from typing import NoReturn, TypeVar

import uvicorn
import uvloop
from fastapi import FastAPI
from pydantic import ValidationError

from shared.errors import Refused
from shared.http.provided import Provided
from shared.service.bounded_protocol import bounded
from shared.service.connections import ConnectionLimits, ConnectionTable, places, raise_descriptor_limit
from shared.service.http_metrics import RequestMetrics
from shared.service.refusal import REFUSED, report_refusal, wrong_settings
from shared.service.runtime import Runtime
from shared.settings import ServiceSettings
from shared.telemetry import Metrics, configure_logs

LOOK_SECONDS = 0.02

S = TypeVar("S", bound=ServiceSettings)


class Server(uvicorn.Server):
    """Stops so that no request is lost: see `shutdown`."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, last_answers: float = 0.0) -> None:
        super().__init__(config)
        self._app = app
        self._last_answers = last_answers

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, end event streams, answer the last requests of open connections, close them.

        uvicorn alone closes idle connections at once, also those on which a client is just sending.
        """
        Provided(Runtime).by(self._app).stop_soon()
        for server in self.servers:
            server.close()
        loop = asyncio.get_running_loop()
        until = loop.time() + self._last_answers
        while self.server_state.connections and loop.time() < until and not self.force_exit:
            await asyncio.sleep(LOOK_SECONDS)
        await super().shutdown(sockets)


GRACEFUL_SECONDS = 5
"""How long a stop waits for open responses, before the messages that are being handled."""
COLLECT_AFTER = (10_000, 20, 50)
"""Objects, then collections of the generation below: each message leaves a few cycles, and looking for them as often as
Python does by itself costs more than the message's own decoding."""


def freeze_gc() -> None:
    """Exempt the loaded modules from garbage collection: checking them would stop the process for 0.1 s."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    gc.enable()


def configured(settings: ServiceSettings, app: FastAPI) -> uvicorn.Config:
    """Return how uvicorn serves: with limits of connections, and no proxy believed that is not configured.

    Metrics are outermost: they count what middleware and connections refuse, too.
    """
    metrics = Provided(Metrics).by(app)
    measured = RequestMetrics(app, metrics.requests)
    proxies = settings.proxies
    most, backlog = places(raise_descriptor_limit(), settings.connections)
    limits = ConnectionLimits(
        most,
        settings.connections_per_address,
        settings.header_seconds,
        settings.body_seconds,
        settings.body_rate,
        proxies,
    )
    return uvicorn.Config(
        measured,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
        timeout_keep_alive=settings.keep_alive_seconds,
        lifespan="on",
        http=bounded(ConnectionTable(limits, metrics.connections_closed.inc), measured.count_refused),
        ws="none",
        backlog=backlog,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=[str(network) for network in proxies],
        server_header=False,
    )


def run(name: str, read_settings: Callable[[], S], build: Callable[[S], FastAPI]) -> None:
    """Serve until SIGINT or SIGTERM; then drain within `settings.drain` seconds.

    A process that cannot start as it is configured ends with one sentence and the code 78.
    """
    try:
        settings = read_settings()
        configure_logs(name, settings.log_level, settings.log_format)
        app = build(settings)
    except ValidationError as problem:
        configure_logs(name, "INFO", "json")
        _refuse(wrong_settings(problem))
    except Refused as problem:
        _refuse(problem)
    else:
        _serve(settings, app)


def _refuse(problem: Refused) -> NoReturn:
    report_refusal(problem)
    sys.exit(REFUSED)


def _serve(settings: ServiceSettings, app: FastAPI) -> None:
    config = configured(settings, app)
    freeze_gc()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Server(config, app, settings.last_answers).serve(listening(settings, config)))


def listening(settings: ServiceSettings, config: uvicorn.Config) -> list[socket.socket]:
    """Return the sockets to serve on: the inherited one or that of HOST and PORT, and the operators' one.

    Processes that inherit one socket share its waiting connections, so none is refused while they are replaced.
    """
    inherited = settings.listen_descriptor
    sockets = [config.bind_socket() if inherited is None else socket.socket(fileno=inherited)]
    if settings.operations_port is not None:
        operators = uvicorn.Config(config.app, host=settings.host, port=settings.operations_port, log_config=None)
        sockets.append(operators.bind_socket())
    return sockets
