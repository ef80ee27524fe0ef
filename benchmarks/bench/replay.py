"""How fast a projection is rebuilt from the log over HTTP, and what live traffic notices of it."""

import asyncio

from benchmarks import baseline_aio_pika as raw
from benchmarks.harness import Lab, Report
from benchmarks.replay_load import STREAM, Facts, latencies, percentile, publish, replay
from cli.testing.system import System
from shared.testing.fixtures import eventually

PUBLISH_SECONDS = 300.0
WITHIN = 1_200.0
LEAST_RATE = 0.5
"""Events a second of a rebuild, as a share of what aio-pika reads from the same stream."""
MOST_LATENCY = 2.0
"""p99 of a live event during a rebuild, as a multiple of the quiet one."""


async def run(lab: Lab, report: Report) -> None:
    """Rebuilds change no row and publish nothing; rate ≥ 0.5 of raw reading, live p99 ≤ 2 × meanwhile."""
    async with lab.system(("gateway", "notifier", "reports")) as system:
        facts = Facts(system)
        count = await publish(system, lab.size(1_000_000, 600), PUBLISH_SECONDS)
        report.figure("events in the log", count, "")
        await eventually(facts.grades, lambda rows: rows >= count, within=WITHIN)
        before = await facts.digest()
        pace = await raw.read(system.backing.amqp_url, STREAM, -1, count)
        report.figure("raw aio-pika reads", pace.rate, "events/s")
        await _rebuild_twice(system, facts, report, count, pace.rate, before)
        await _measure_live(system, lab, report)


async def _rebuild_twice(
    system: System, facts: Facts, report: Report, count: int, rate: float, before: dict[str, str]
) -> None:
    published = await facts.published()
    found = [await replay(system, WITHIN) for _ in range(2)]
    report.figure("rebuild", count / found[0].seconds, "events/s")
    report.at_least("rebuild / raw reading", count / found[0].seconds / rate, "×", LEAST_RATE)
    report.exactly("rows changed by two rebuilds", sum(each.changed for each in found), "", 0)
    differs = sum(before[table] != digest for table, digest in (await facts.digest()).items())
    report.exactly("tables with another digest", differs, "", 0)
    report.exactly("events published by two rebuilds", await facts.published() - published, "", 0)
    calls = [await asyncio.to_thread(system.stats, fake) for fake in ("fcm", "smtp")]
    report.exactly("calls to providers", sum(each["calls_total"] for each in calls), "", 0)


async def _measure_live(system: System, lab: Lab, report: Report) -> None:
    quiet = await latencies(system, seconds=lab.size(20, 2))
    rebuild = asyncio.create_task(replay(system, WITHIN))
    busy = await latencies(system, until=rebuild)
    await rebuild
    report.figure("live event, quiet: p99", percentile(quiet, 0.99) * 1000, "ms")
    report.figure("live event, during a rebuild: p99", percentile(busy, 0.99) * 1000, "ms")
    report.figure("live event, during a rebuild: longest", max(busy) * 1000, "ms")
    report.at_most("live p99, rebuild / quiet", percentile(busy, 0.99) / percentile(quiet, 0.99), "×", MOST_LATENCY)
