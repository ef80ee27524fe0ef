"""Periodic tasks: each run also does what an earlier run, or another replica, has missed."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from shared.persistence.database_errors import is_unavailable
from shared.telemetry import Metrics

log = structlog.get_logger()


class PeriodicTask:
    """Runs a function about every `seconds`, with random differences so that replicas run at different times."""

    def __init__(self, name: str, seconds: float, run: Callable[[], Awaitable[None]], metrics: Metrics) -> None:
        self.name = name
        self.seconds = seconds
        self._run = run
        self._failed = metrics.sweeps_failed.labels(name)
        self._swept_at = metrics.swept_at.labels(name)
        self._swept_at.set_to_current_time()

    async def run(self) -> None:
        """Run until cancelled. An error is logged and counted; the next run tries again."""
        while True:
            await asyncio.sleep(self.seconds * random.uniform(0.75, 1.25))  # noqa: S311  # spread, not a secret
            await self.run_once()

    async def run_once(self) -> None:
        """Run the function once; an error is logged and counted."""
        try:
            await self._run()
        except Exception as problem:
            if is_unavailable(problem):
                log.warning("sweep.interrupted", sweep=self.name, error=type(problem).__name__)
                return
            log.exception("sweep.failed", sweep=self.name)
            self._failed.inc()
        else:
            self._swept_at.set_to_current_time()
