"""Heartbeats: each worker reports its state every few seconds, in transient messages."""

import asyncio
import datetime as dt
import json
import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from io import FileIO
from typing import Any

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from shared.errors import InfrastructureDown, Undeliverable
from shared.messaging.connection import CONNECTION_PROBLEMS, connected
from shared.messaging.publisher import Publisher
from shared.messaging.topology import TELEMETRY
from shared.telemetry import Metrics, installed_version

IN_PROGRESS = "schoolconnect_messages_in_progress"
HANDLED = "schoolconnect_messages_handled_total"

log = structlog.get_logger()


class HeartbeatListener:
    """Receives the heartbeats of all workers from a queue of its own, which is deleted with its connection."""

    def __init__(self, url: str, on_beat: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        self._url = url
        self._on_beat = on_beat

    async def run(self) -> None:
        """Listen until cancelled; reconnects after a loss. An unreadable heartbeat is dropped and logged."""
        while True:
            try:
                await self._listen()
            except CONNECTION_PROBLEMS as problem:
                log.warning("heartbeats.interrupted", error=type(problem).__name__)
            await asyncio.sleep(1.0)

    async def _listen(self) -> None:
        async with connected(self._url, "heartbeats") as connection:
            channel = await connection.channel(publisher_confirms=False)
            queue = await channel.declare_queue(exclusive=True)
            await queue.bind(TELEMETRY)
            async with queue.iterator(no_ack=True) as messages:
                async for message in messages:
                    try:
                        await self._on_beat(json.loads(message.body))
                    except (ValueError, KeyError, psycopg.Error, PoolTimeout) as problem:
                        log.warning("heartbeat.dropped", error=type(problem).__name__)


class Heartbeat:
    """Publishes who the worker is and its counts: messages in flight, handled and failed, load, memory."""

    def __init__(
        self,
        service: str,
        worker: str,
        publisher: Publisher,
        metrics: Metrics,
        seconds: float,
        facts: Mapping[str, Callable[[], Any]],
    ) -> None:
        self._service = service
        self._worker = worker
        self._publisher = publisher
        self._metrics = metrics
        self._seconds = seconds
        self._others = facts
        self._metrics.beat_at.set_to_current_time()
        self._started = dt.datetime.now(dt.UTC)
        self._version = installed_version(service)
        self._before = time.monotonic(), 0.0, 0.0

    async def run(self) -> None:
        """Publish until cancelled; a heartbeat that cannot be sent is skipped."""
        # Kept open: when it matters most, no descriptor may be free.
        with open("/proc/self/statm", "rb", buffering=0) as statm, open("/proc/loadavg", "rb", buffering=0) as loads:  # noqa: ASYNC230, PTH123  # files of the kernel: they never block
            await self._beat(statm, loads)

    async def _beat(self, statm: FileIO, loads: FileIO) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            try:
                body = json.dumps(self._facts(statm, loads)).encode()
                await self._publisher.publish(TELEMETRY, "", body, {"sc-kind": "heartbeat"}, mandatory=False)
            except (InfrastructureDown, Undeliverable):
                continue
            self._metrics.beat_at.set_to_current_time()

    def _facts(self, statm: FileIO, loads: FileIO) -> dict[str, object]:
        now, handled = time.monotonic(), _total(self._metrics, HANDLED)
        failed = _total(self._metrics, HANDLED, ("retried", "dead"))
        since, handled_before, failed_before = self._before
        self._before = now, handled, failed
        seconds = max(now - since, 1e-3)
        return {name: fact() for name, fact in self._others.items()} | {
            "service": self._service,
            "worker": self._worker,
            "host": socket.gethostname(),
            "version": self._version,
            "started_at": self._started.isoformat(),
            "at": dt.datetime.now(dt.UTC).isoformat(),
            "every_seconds": self._seconds,
            "in_flight": _total(self._metrics, IN_PROGRESS),
            "handled": handled,
            "handled_per_second": round((handled - handled_before) / seconds, 3),
            "failed": failed,
            "failed_per_second": round((failed - failed_before) / seconds, 3),
            "load": float(_field(loads, 0)),
            "memory_bytes": int(_field(statm, 1)) * os.sysconf("SC_PAGE_SIZE"),  # resident, in pages (proc(5))
        }


def _field(file: FileIO, number: int) -> bytes:
    """Return a field of a file of the kernel as it is now."""
    file.seek(0)
    return file.read().split()[number]


def _total(metrics: Metrics, name: str, outcomes: tuple[str, ...] = ()) -> float:
    """Add up a metric over all its labels, or over these outcomes."""
    return sum(
        sample.value
        for family in metrics.registry.restricted_registry([name]).collect()
        for sample in family.samples
        if sample.name == name and (not outcomes or sample.labels.get("outcome") in outcomes)
    )
