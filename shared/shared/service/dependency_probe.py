"""Asks the database every few seconds whether it takes writes, so that an idle service says so, too."""

import asyncio
from collections.abc import Awaitable, Callable

from shared.telemetry import Metrics

PROBE_SECONDS = 5.0
PATIENCE_SECONDS = 4.0


class DependencyProbe:
    """Exports whether the database takes writes and the broker takes messages, as they were a few seconds ago."""

    def __init__(self, check_database: Callable[[], Awaitable[None]], broker: asyncio.Event, metrics: Metrics) -> None:
        """`check_database` raises while it takes no writes; `broker` is set while it takes messages."""
        self._check_database = check_database
        self._broker = broker
        self._metrics = metrics

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self.ask()
            await asyncio.sleep(PROBE_SECONDS)

    async def ask(self) -> None:
        """Ask once."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._check_database()
        except Exception:  # noqa: BLE001  # any error is an answer: the consumers log and judge it
            self._metrics.database_up.set(0)
        else:
            self._metrics.database_up.set(1)
        self._metrics.broker_up.set(self._broker.is_set())
