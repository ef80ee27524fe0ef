"""The metric of the loop's longest turn names what one piece of work cost all others."""

import asyncio
import time

from prometheus_client import CollectorRegistry

from shared.service.loop_watchdog import LoopWatchdog

METRIC = "schoolconnect_loop_longest_turn_seconds"


async def measured(window, after=0.0):
    """Hold the loop for 0.3 s; return the metric right afterwards, and `after` seconds later."""
    registry = CollectorRegistry()
    task = asyncio.create_task(LoopWatchdog(registry, window).run())
    try:
        await asyncio.sleep(0)
        time.sleep(0.3)  # noqa: ASYNC251  # what is measured
        async with asyncio.timeout(5):
            while (held := registry.get_sample_value(METRIC)) < 0.2:
                await asyncio.sleep(0.01)
        until = time.monotonic() + after
        while time.monotonic() < until:
            await asyncio.sleep(0.01)
        return held, registry.get_sample_value(METRIC)
    finally:
        task.cancel()


async def test_trust_3_the_longest_turn_of_the_loop_is_measured():
    held, _ = await measured(window=60.0)
    assert 0.2 <= held <= 2.0


async def test_trust_3_a_long_turn_leaves_the_metric_after_its_window():
    held, later = await measured(window=0.2, after=0.5)
    assert later < held
