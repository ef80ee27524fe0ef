"""Chores that repeat: a lost wake-up or a dead replica is made good at the next turn."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from shared.persistence.database_errors import is_unavailable
from shared.telemetry import Metrics

log = structlog.get_logger()


class PeriodicTask:
    """Runs a chore about every `seconds`; replicas are spread by a random share of it."""

    def __init__(self, name: str, seconds: float, run: Callable[[], Awaitable[None]], metrics: Metrics) -> None:
        self.name = name
        self.seconds = seconds
        self._run = run
        self._metrics = metrics

    async def run(self) -> None:
        """Until cancelled. A chore that fails is logged, counted and tried again at its next turn."""
        while True:
            await asyncio.sleep(self.seconds * random.uniform(0.75, 1.25))  # noqa: S311  # spread, not a secret
            try:
                await self._run()
            except Exception as problem:
                if is_unavailable(problem):
                    log.warning("sweep.interrupted", sweep=self.name, error=type(problem).__name__)
                    continue
                log.exception("sweep.failed", sweep=self.name)
                self._metrics.violations.labels("sweep_failed").inc()
