"""Measures the longest turn of the event loop: how long one piece of work kept all others waiting."""

import asyncio
from collections import deque

import structlog
from prometheus_client import CollectorRegistry, Gauge

log = structlog.get_logger()

LOOK_SECONDS = 0.05
"""A turn is measured to within this time."""
WINDOW_SECONDS = 60.0
"""The metric says what the longest turn was within this time, so that a scrape a minute misses none."""
LONG_SECONDS = 0.5
"""Turns from this length on are logged: other schools noticed them."""


class LoopWatchdog:
    """Wakes up regularly; how late it wakes up is how long the loop was held."""

    def __init__(self, registry: CollectorRegistry, window: float = WINDOW_SECONDS) -> None:
        self._window = window
        self._turns: deque[tuple[float, float]] = deque()
        """(when, seconds) of turns that no later one exceeded: the first is the longest."""
        Gauge(
            "schoolconnect_loop_longest_turn_seconds",
            "Longest time within the last minute for which one piece of work kept the event loop",
            registry=registry,
        ).set_function(self.longest)

    def longest(self) -> float:
        """Return the longest turn within the window, in seconds."""
        return self._turns[0][1] if self._turns else 0.0

    async def run(self) -> None:
        """Measure until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            await asyncio.sleep(LOOK_SECONDS)
            now = clock()
            self._note(now, max(0.0, now - began - LOOK_SECONDS))

    def _note(self, now: float, seconds: float) -> None:
        while self._turns and self._turns[-1][1] <= seconds:
            self._turns.pop()
        self._turns.append((now, seconds))
        while self._turns[0][0] < now - self._window:
            self._turns.popleft()
        if seconds >= LONG_SECONDS:
            log.warning("loop.held", seconds=round(seconds, 2))
