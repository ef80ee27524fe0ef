"""Pauses all consumers while the database is unavailable. Messages stay unacknowledged and no attempt is counted."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from shared.telemetry import Metrics

log = structlog.get_logger()


class PauseSwitch:
    """Open while the database answers `probe`; closed by the first consumer that finds it unavailable."""

    def __init__(
        self,
        probe: Callable[[], Awaitable[None]],
        metrics: Metrics,
        longest: float = 5.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._probe = probe
        self._sleep = sleep
        self._metrics = metrics
        self._longest = longest
        self._open = asyncio.Event()
        self._open.set()
        self._closed = asyncio.Event()

    @property
    def closed(self) -> bool:
        """Whether consumers are paused."""
        return not self._open.is_set()

    async def wait_open(self) -> None:
        """Return when the switch is open."""
        await self._open.wait()

    def close(self, problem: BaseException) -> None:
        """Pause all consumers until the probe succeeds."""
        if self._open.is_set():
            self._open.clear()
            self._closed.set()
            self._metrics.paused.set(1)
            log.warning("consumers.paused", error=type(problem).__name__)

    async def run(self) -> None:
        """Probe while closed, with growing pauses, and open again; runs until cancelled."""
        while True:
            await self._closed.wait()
            self._closed.clear()
            pause = 0.1
            while not await self._answers():
                await self._sleep(pause)
                pause = min(pause * 2, self._longest)
            self._metrics.paused.set(0)
            self._open.set()
            log.info("consumers.resumed")

    async def _answers(self) -> bool:
        try:
            await self._probe()
        except Exception as problem:  # noqa: BLE001  # any failure of the probe means: still unavailable
            log.info("database.unavailable", error=type(problem).__name__)
            return False
        return True
