"""Pauses all consumers while the database, or a store that they need, is unavailable.

Messages stay unacknowledged and no attempt is counted.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from shared.telemetry import Metrics

log = structlog.get_logger()


FIRST_PAUSE = 0.1

SETTLED = 30.0
"""Seconds open after which a closing is a new outage. One that comes sooner needs what the probes do not see, such as
room for a large file on a nearly full disk: then a growing pause comes before the probes."""


class PauseSwitch:
    """Open while all probes succeed; closed by the first consumer that finds something unavailable."""

    def __init__(
        self,
        probe: Callable[[], Awaitable[None]],
        metrics: Metrics,
        longest: float = 5.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._probes = [probe]
        self._sleep = sleep
        self._clock = clock
        self._metrics = metrics
        self._longest = longest
        self._open = asyncio.Event()
        self._open.set()
        self._closed = asyncio.Event()

    def add_probe(self, probe: Callable[[], Awaitable[None]]) -> None:
        """Stay closed until `probe` succeeds, too."""
        self._probes.append(probe)

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
        before_probing, opened = 0.0, 0.0
        while True:
            await self._closed.wait()
            self._closed.clear()
            if before_probing and self._clock() - opened > SETTLED:
                before_probing = 0.0
            if before_probing:
                await self._sleep(before_probing)
            pause = FIRST_PAUSE
            while not await self._answer():
                await self._sleep(pause)
                pause = min(pause * 2, self._longest)
            before_probing, opened = min(before_probing * 2 or FIRST_PAUSE, self._longest), self._clock()
            self._metrics.paused.set(0)
            self._open.set()
            log.info("consumers.resumed")

    async def _answer(self) -> bool:
        try:
            for probe in self._probes:
                await probe()
        except Exception as problem:  # noqa: BLE001  # any failure of a probe means: still unavailable
            log.info("infrastructure.unavailable", error=type(problem).__name__)
            return False
        return True
