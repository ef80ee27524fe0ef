"""More than one machine, on one: three broker nodes, a database with a synchronous standby, replicas of each service.

Under requests each node is killed in turn, one is paused for a minute, and the primary is killed and its standby
promoted. What was answered 202 is completed, and work goes on within seconds.
"""

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, LiteralString
from uuid import UUID

import httpx
import psycopg

from benchmarks import notifier_load, service_kills
from benchmarks.cluster import Cluster, clustered
from benchmarks.harness import Lab, Report
from benchmarks.replicas import Replicas
from benchmarks.service_kills import Asked, until_answered
from cli.backing.cluster import NODES
from cli.demo.client import Bearer
from cli.operations import tokens
from cli.operations.service_names import NAMES
from cli.testing.system import System
from shared.testing.fixtures import eventually

SMALL = ("gateway", "notifier")
EVERY, LOOK = 0.5, 0.2
SETTLE_SECONDS = 240.0
HANDLED = "schoolconnect_messages_handled_total{"

PROGRESS: LiteralString = """
SELECT (SELECT count(*) FROM notifier.attempt WHERE ended_at IS NOT NULL) AS answers,
    (SELECT count(*) FROM gateway.task WHERE state = 'succeeded') AS tasks
"""


@dataclass
class Progress:
    """When the answers of providers, and the tasks that are shown as done, grew: the second also needs the log."""

    grew: dict[str, list[float]] = field(default_factory=lambda: {"answers": [], "tasks": []})
    counts: dict[str, int] = field(default_factory=lambda: {"answers": 0, "tasks": 0})

    async def watch(self, system: System) -> None:
        """Look until cancelled; while no database accepts writes, nothing grows."""
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                row = (await asyncio.to_thread(system.rows, PROGRESS))[0]
                for name, times in self.grew.items():
                    if row[name] > self.counts[name]:
                        times.append(time.monotonic())
                self.counts = row
            await asyncio.sleep(LOOK)

    def longest_pause(self, name: str, since: float, until: float) -> float:
        """Return the longest time without growth."""
        times = [since, *(each for each in self.grew[name] if since < each < until), until]
        return max(after - before for before, after in itertools.pairwise(times))


async def run(lab: Lab, report: Report) -> None:
    """Promises 1, 2 and 15 while servers of a cluster fail."""
    services, count = (NAMES, 3) if lab.full else (SMALL, 1)
    settings = {"LOG_LEVEL": "WARNING", "RATE_CALLER": "0", "RATE_SCHOOL": "0", "DRAIN": "5", "DELIVERY_LEASE": "10"}
    async with clustered(lab) as cluster, lab.system((), **settings) as system:
        school, asked, progress = notifier_load.add_school(system, lab.size(20, 3)), Asked(), Progress()
        with Replicas(system, services, count) as replicas:
            await replicas.start()
            await cluster.whole(system.backing.amqp_url)
            report.figure("replicated queues and streams, on all three nodes", await _replicated(cluster, system), "")
            if lab.full:
                await _two_beside_one(lab, report, system, replicas)
            before = (await asyncio.to_thread(system.rows, service_kills.ROWS))[0]
            async with _under_load(system, school, asked, progress):
                await _fail(lab, report, cluster, system, progress)
            await _settle(lab, system, asked)
            await _judge(report, system, asked, before)
            await _judge_sharing(report, cluster, system, replicas, count)
            await system.fleet.stop()


@asynccontextmanager
async def _under_load(system: System, school: UUID, asked: Asked, progress: Progress) -> AsyncIterator[None]:
    """Send a request each half second, each until it is answered; afterwards all are."""
    ended = asyncio.Event()

    async def ask() -> None:
        bearer = Bearer(lambda: tokens.make(system.backing.keys / "signing.pem", "platform_admin"))
        async with (
            httpx.AsyncClient(base_url=system.url, auth=bearer, timeout=10) as client,
            asyncio.TaskGroup() as group,
        ):
            while not ended.is_set():
                group.create_task(until_answered(client, school, asked, later=False))
                await asyncio.sleep(EVERY)

    asking, watching = asyncio.create_task(ask()), asyncio.create_task(progress.watch(system))
    try:
        await eventually(lambda: asyncio.sleep(0, progress.counts["tasks"]), bool, within=60)
        yield
        ended.set()
        await asking
    finally:
        for task in (asking, watching):
            task.cancel()
        await asyncio.wait([asking, watching])


async def _fail(lab: Lab, report: Report, cluster: Cluster, system: System, progress: Progress) -> None:
    """Let the servers fail one after the other, and report the longest pause of work beside each."""
    url, rest = system.backing.amqp_url, lab.size(15, 2)

    @asynccontextmanager
    async def fault(what: str) -> AsyncIterator[None]:
        began = time.monotonic()
        yield
        await asyncio.sleep(rest)
        ended = time.monotonic()
        for name, shown in (("answers", "consuming again"), ("tasks", "task list goes on")):
            pause = progress.longest_pause(name, began, ended)
            report.at_most(f"{what}: {shown}", pause, "s", 10)
            lab.say(f"{what}: {shown} after {pause:.1f} s, at load {os.getloadavg()[0]:.0f}")

    for node in NODES if lab.full else NODES[1:2]:
        async with fault(f"{node} killed"):
            await cluster.kill(node, rest)
        await cluster.whole(url)
    if lab.full:
        async with fault(f"{NODES[2]} paused for a minute"):
            await cluster.pause(NODES[2], 60)
        await cluster.whole(url)
    async with fault("primary killed, standby promoted"):
        await cluster.promote()


async def _settle(lab: Lab, system: System, asked: Asked) -> None:
    """Return when each notification has ended, its task is shown as done and no outbox has a row, or after a while."""
    wanted = len(asked.notifications)

    async def state() -> tuple[int, int, int]:
        ended = await asyncio.to_thread(system.rows, service_kills.ENDED, list(asked.notifications))
        done = await asyncio.to_thread(system.rows, service_kills.TASKS, list(asked.tasks))
        left = await asyncio.to_thread(system.rows, service_kills.LEFT)
        return ended[0]["n"], done[0]["n"], left[0]["n"]

    with contextlib.suppress(AssertionError):
        await eventually(state, lambda seen: seen == (wanted, wanted, 0), within=SETTLE_SECONDS)
    lab.say(f"{wanted} requests answered 202; (ended, task done, in an outbox) = {await state()}")


async def _judge(report: Report, system: System, asked: Asked, before: dict[str, Any]) -> None:
    wanted, rows = len(asked.notifications), system.rows(service_kills.ROWS)[0]
    calls = {name: system.stats(name) for name in ("fcm", "smtp")}
    ended = system.rows(service_kills.ENDED, list(asked.notifications))[0]["n"]
    done = system.rows(service_kills.TASKS, list(asked.tasks))[0]["n"]
    made = sum(each["calls_total"] for each in calls.values())
    report.figure("load average of the last five minutes", os.getloadavg()[1], "")
    report.figure("answered 202", wanted, "requests")
    report.figure("sent again with the same key", asked.repeats, "times")
    report.figure("deliveries", rows["rows"] - before["rows"], "")
    report.figure("attempts without outcome", rows["unknown"], "deliveries")
    twice = sum(each["duplicates"] for each in calls.values())
    report.figure("sent twice, with the same replacing tag or Message-ID", twice, "messages")
    report.at_least("promise 01: requests answered while servers failed", wanted, "requests", 1)
    report.exactly("promise 01: answered 202, not completed", wanted - ended, "requests", 0)
    report.exactly("promise 01: answered 202, task not succeeded", wanted - done, "tasks", 0)
    extra = rows["notifications"] - before["notifications"] - wanted
    report.exactly("promise 01: notifications beyond one a request", extra, "", 0)
    report.exactly("promise 01: deliveries beyond one for each address", rows["rows"] - rows["different"], "", 0)
    report.exactly("promise 01: deliveries without an end", rows["open"], "", 0)
    report.exactly("promise 02: calls beyond attempts", max(0, made - rows["attempts"]), "calls", 0)
    report.exactly("rule 16: dead letters", system.rows(service_kills.DEAD)[0]["n"], "", 0)


async def _replicated(cluster: Cluster, system: System) -> int:
    queues = await cluster.queues(system.backing.amqp_url)
    return sum(queue.get("type") in ("quorum", "stream") for queue in queues)


async def _judge_sharing(report: Report, cluster: Cluster, system: System, replicas: Replicas, count: int) -> None:
    """Report whether every replica consumes every queue of its service, and how evenly they shared the work."""
    consumed = tuple(f"{service}." for service in replicas.names)

    async def lacking() -> list[str]:
        return [
            str(queue["name"])
            for queue in await cluster.queues(system.backing.amqp_url)
            if str(queue["name"]).startswith(consumed) and ".retry." not in str(queue["name"])
            if queue.get("consumers") != count
        ]

    found = await _at_last(lacking, lambda names: not names)
    for name in found:
        report.figure(f"not consumed by {count}: {name}", 1, "")
    report.exactly(f"queues without {count} consumers, one of each replica", len(found), "", 0)
    for service, names in replicas.names.items():
        handled = [await _handled(replicas.operations[name]) for name in names]
        if sum(handled):
            report.figure(f"{service}: messages handled by the replicas", sum(handled), "")
            report.at_least(f"{service}: smallest share of a replica", min(handled) / sum(handled), "", 0.5 / count)


async def _at_last(look: Callable[[], Any], expected: Callable[[Any], bool]) -> Any:
    """Return what was expected, or what was there after a while."""
    with contextlib.suppress(AssertionError):
        return await eventually(look, expected, within=60)
    return await look()


async def _handled(port: int) -> float:
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        page = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    return sum(float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(HANDLED))


async def _two_beside_one(lab: Lab, report: Report, system: System, replicas: Replicas) -> None:
    """Report how fast two notifiers are beside one, on one bulk each."""
    first, second, third = replicas.names["notifier"]
    school = notifier_load.add_school(system, 1_500)
    await system.fleet.stop(second, third)
    await _bulk(system, school)  # the first one also fills caches
    alone = await _bulk(system, school)
    await system.fleet.again(second)
    both = await _bulk(system, school)
    await system.fleet.again(third)
    lab.say(f"1,500 people, push and mail: one notifier {alone:.1f} s, two {both:.1f} s")
    report.figure(f"one notifier ({first}): 3,000 deliveries", alone, "s")
    report.at_least("two notifiers / one: rate", alone / both, "×", 1)


async def _bulk(system: System, school: UUID) -> float:
    began = time.perf_counter()
    notification = await notifier_load.send(system, school)
    with contextlib.closing(system.api()) as api:
        await notifier_load.ended(api, notification)
    return time.perf_counter() - began
