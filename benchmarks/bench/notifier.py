"""The speed of notifying people, its processor time, and that one school's bulk delays no other school.

The peer is the seed as its author meant it (Django and Celery): `PEER_DIR` names its folder. Bounds: 3.5 times as
many people a second as the peer, and 6 times as many sends a CPU-second; a send to one person costs the notifier
≤ 17 ms of processor time; an urgent notice of another school is later by ≤ 1 s (p99) in a bulk of 50,000, and a bulk
takes ≤ 2 times its own time alone.
"""

import asyncio
import json
from pathlib import Path
from statistics import median
from uuid import UUID

from benchmarks import neighbours, notifier_load
from benchmarks.harness import Lab, Report
from benchmarks.peer import peer_of
from benchmarks.process_time import processor_seconds
from cli.testing.system import System

CHANNELS = ("push", "mail")
PEER_RUNS = 3
BESIDE = {
    "people notified a second": ("users_per_s", "people/s", 3.5),
    "sends a CPU-second of the notifier": ("sends_per_worker_cpu_s", "sends", 6.0),
}
"""Ours → the peer's name for the same, its unit, and how many times as much ours must be."""
APART = 0.1


async def run(lab: Lab, report: Report) -> None:
    """Throughput beside the peer's, then fairness."""
    limits = {"RATE_CALLER": "0", "RATE_SCHOOL": "0"}  # the load is one caller
    async with lab.system(("gateway", "notifier"), LOG_LEVEL="WARNING", **limits) as system:
        await _throughput(lab, report, system)
        await _single_sends(lab, report, system)
        await _fairness(lab, report, system)
    peer = await _peer(lab)
    ours = {row.name: row.value or 0.0 for row in report.rows}
    for name, (theirs, unit, least) in BESIDE.items():
        if theirs in peer:
            report.figure(f"the peer's {name}", peer[theirs], unit)
        report.times_peer(f"{name}, beside Celery", ours[name], peer.get(theirs), least)


async def _throughput(lab: Lab, report: Report, system: System) -> None:
    people = lab.size(1_000, 40)
    school = notifier_load.add_school(system, people)
    await notifier_load.notify(system, school)  # warms connections and caches before the measurement
    runs = [await notifier_load.notify(system, school) for _ in range(lab.size(5, 1))]
    middle = sorted(runs, key=lambda each: each.seconds)[len(runs) // 2]
    report.figure("people of a bulk, push and mail", people, "")
    report.figure("people notified a second", people / middle.seconds, "people/s")
    report.figure("sends a CPU-second of the notifier", 2 * people / middle.cpu, "sends")
    seen = [notifier_load.counts(system, each.notification) for each in runs]
    wrong = sum(each != {channel: {"accepted": people} for channel in CHANNELS} for each in seen)
    report.exactly("promise 01: bulks that do not add up", wrong, "", 0)


async def _single_sends(lab: Lab, report: Report, system: System) -> None:
    """Measure the notifier's processor time for sends to one person, 16 requests at once: all that is not the bulk."""
    count, school, pid = lab.size(250, 20), notifier_load.add_school(system, 1), system.fleet.pid("notifier")
    async with neighbours.client_of(system) as client:
        before = processor_seconds(pid)
        await neighbours.until_ended(system, await neighbours.send_mass(client, school, count))
    spent = 1000 * (processor_seconds(pid) - before) / count
    report.at_most("processor time of a send to one person, push and mail", spent, "ms", 17)


async def _fairness(lab: Lab, report: Report, system: System) -> None:
    big, small, notices = lab.size(50_000, 200), lab.size(2_000, 20), lab.size(100, 3)
    crowd, other, one = (notifier_load.add_school(system, n) for n in (big, small, 1))
    own = await _usual(system, other, lab.size(3, 1))
    quiet, _ = await _urgent(system, one, notices)
    # while the big one is being sent
    bulk = asyncio.create_task(notifier_load.notify(system, crowd))
    await asyncio.sleep(lab.size(5, 1))
    beside = await _usual(system, other, lab.size(3, 1))
    busy, stages = await _urgent(system, one, notices)
    report.at_least("bulk still under way afterwards", float(not bulk.done()), "", 1)
    sent = await bulk
    report.figure("bulk beside which it is measured", big, "people")
    report.figure("that bulk", big / sent.seconds, "people/s")
    for channel in CHANNELS:
        late = _p99(busy[channel]) - _p99(quiet[channel])
        report.figure(f"urgent notice alone, {channel}, p99", 1000 * _p99(quiet[channel]), "ms")
        report.at_most(f"urgent notice later by, {channel}, p99", max(0.0, late), "s", 1.0)
    for stage, seconds in stages.items():
        report.figure(f"urgent notice beside it: until {stage}, p99", 1000 * _p99(seconds), "ms")
    report.figure(f"bulk of {small} alone", own, "s")
    report.at_most("the same beside the big one", beside / own, "× its own time", 2.0)
    lost = sum(
        big - notifier_load.counts(system, sent.notification)[channel].get("accepted", 0) for channel in CHANNELS
    )
    report.exactly("promise 01: of the big bulk not accepted", lost, "", 0)
    twice = sum(system.stats(name)["duplicates"] for name in ("fcm", "smtp"))
    report.exactly("promise 02: anything twice", twice, "", 0)


async def _usual(system: System, school: UUID, times: int) -> float:
    """Return the median of the seconds that a bulk of a school takes."""
    return median([(await notifier_load.notify(system, school)).seconds for _ in range(times)])


async def _urgent(system: System, school: UUID, notices: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return the delays of urgent notices to one person, by channel and by stage."""
    sent = []
    for _ in range(notices):
        sent.append(await notifier_load.send(system, school, urgent=True))
        await asyncio.sleep(APART)
    for _ in range(200):
        found = {channel: notifier_load.delays(system, sent, channel) for channel in CHANNELS}
        if all(len(each) == notices for each in found.values()):
            return found, notifier_load.stages(system, sent)
        await asyncio.sleep(0.2)
    raise AssertionError("an urgent notice was not delivered within 40 s")


def _p99(values: list[float]) -> float:
    return values[min(len(values) - 1, int(len(values) * 0.99))]


async def _peer(lab: Lab) -> dict[str, float]:
    """Return the peer's figures for one bulk of 1,000 people, push and mail; empty without a peer."""
    if lab.peer is None or not lab.full:
        return {}
    lab.say("the peer's turn")
    async with peer_of(lab.peer) as peer:
        result = Path(peer.environment["RUN_DIR"]) / "result.json"
        await peer.run("bench.sh", "--cases", *["1000:1:push+email:0"] * PEER_RUNS, "--json", str(result))
        return _best(result)


def _best(result: Path) -> dict[str, float]:
    """Return the median of each figure over the runs with the number of worker processes that was the best for it."""
    rows = json.loads(result.read_text())
    found = {}
    for name, *_ in BESIDE.values():
        by_processes: dict[int, list[float]] = {}
        for row in rows:
            by_processes.setdefault(row["concurrency"], []).append(row[name])
        found[name] = max(median(each) for each in by_processes.values())
    return found
