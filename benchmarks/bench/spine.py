"""The bus's hot path beside raw aio-pika: relay, reaction, projection, and the whole chain.

Everything runs in this process on uvloop, the service as it is in production: its settings, metrics and sweeps.
Medians of several rounds; each round measures the peer and ours one after the other, every second round in reverse.
"""

import asyncio
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from prometheus_client import Counter

from benchmarks import raw
from benchmarks.ground import Ground, fact, message, project, react, ready, request, until
from benchmarks.harness import Lab, Report
from shared.events import NotificationCompleted, TaskChanged
from shared.events.event import Event
from shared.messaging.topology import log_of, reaction
from shared.service.service import Service
from shared.transactions.unit_of_work import Transaction

QUEUE = reaction("notifier", NotificationCompleted.topic).name
TASKS = log_of(TaskChanged.topic)
REQUESTS_AT_ONCE = 16
PER_SECOND = 50

Measure = Callable[[], Awaitable[float]]


async def run(lab: Lab, report: Report) -> None:
    """Relay ≥ 0.8, reaction ≥ 0.3, projection ≥ 0.6, chain ≥ 0.35 of raw; p50 ≤ 15 ms, p99 ≤ 40 ms at 50/s."""
    rounds, count = lab.size(5, 1), lab.size(4000, 150)
    with lab.backing(["notifier"]) as backing:
        ground = Ground(backing)
        await ground.prepare()
        await raw.publish(ground.url, [message(fact(uuid.uuid4(), uuid.uuid4())) for _ in range(count)])
        report.told("message", len(message(request()).body), "bytes")

        async def figure(what: str, beside: str, bound: float, peer: Measure, ours: Measure) -> None:
            raw_rate, rate = await _medians(rounds, peer, ours)
            report.told(beside, raw_rate, "events/s")
            report.told(what, rate, "events/s")
            report.at_least(f"{what} / {beside}", rate / raw_rate, "×", bound)
            lab.say(f"{what}: {rate:,.0f}/s beside {raw_rate:,.0f}/s")

        await figure("relay", "raw publish", 0.8, lambda: _raw_publish(ground, count), lambda: _relay(ground, count))
        await figure(
            "projection", "raw read", 0.6, lambda: _raw_read(ground, count), lambda: _projection(ground, count)
        )
        await figure("reaction", "raw consume", 0.3, lambda: _raw_consume(ground, count), lambda: _react(ground, count))
    with lab.backing(["notifier"]) as backing, lab.backing(["notifier"]) as other:
        chain, beside = Chain(Ground(backing)), Ground(other)
        await beside.prepare()
        async with chain.ground.running(await chain.prepare()):
            await ready(chain.service)
            await figure("chain, both events", "raw in + out", 0.35,
                         lambda: raw.through(beside.url, QUEUE, _requests(count)),
                         lambda: chain.rate(count // 2))  # fmt: skip
            delays = sorted(await chain.delays(lab.size(1000, 50)))
    report.at_most("commit → second handler, p50", _percentile(delays, 50), "ms", 15)
    report.at_most("commit → second handler, p99", _percentile(delays, 99), "ms", 40)


async def _medians(count: int, peer: Measure, ours: Measure) -> tuple[float, float]:
    found: dict[Measure, list[float]] = {peer: [], ours: []}
    for turn in range(count):
        for measure in (peer, ours) if turn % 2 == 0 else (ours, peer):
            found[measure].append(await measure())
    return statistics.median(found[peer]), statistics.median(found[ours])


def _percentile(ordered: Sequence[float], percent: int) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1000


def _requests(count: int) -> list[raw.Message]:
    return [message(request()) for _ in range(count)]


async def _raw_publish(ground: Ground, count: int) -> float:
    rate = await raw.publish(ground.url, _requests(count))
    await ground.purge(QUEUE)
    return rate


async def _relay(ground: Ground, count: int) -> float:
    """An outbox full of rows, from the connection until it is empty."""
    writer = ground.service()
    await writer.database.open()
    async with writer.transactions.begin() as tx:
        for _ in range(count):
            tx.emit(request())
    await writer.database.close()
    service = ground.service()
    async with ground.running(service):
        await service.runtime.publisher.ready.wait()
        began = time.perf_counter()
        await until(lambda: _value(service.metrics.published) >= count)
        rate = count / (time.perf_counter() - began)
    await ground.purge(QUEUE)
    return rate


async def _raw_read(ground: Ground, count: int) -> float:
    return await raw.read(ground.url, TASKS, -1, count)


async def _projection(ground: Ground, count: int) -> float:
    """The same part of the log, from its first commit to its last."""
    await ground.clear()
    service = ground.service()
    service.project((TaskChanged,), project)
    async with ground.running(service):
        return await _pace(lambda: _value(service.metrics.projected.labels("project")), count)


async def _raw_consume(ground: Ground, count: int) -> float:
    await raw.publish(ground.url, _requests(count))
    return await raw.consume(ground.url, QUEUE, count)


async def _react(ground: Ground, count: int) -> float:
    """A queue that holds them, from the first commit to the last."""
    await raw.publish(ground.url, _requests(count))
    service = ground.service()
    service.on(NotificationCompleted, react)
    async with ground.running(service):
        return await _pace(lambda: _value(service.metrics.handled.labels(QUEUE, "done")), count)


async def _pace(done: Callable[[], float], count: int) -> float:
    await until(lambda: done() > 0)
    first, began = done(), time.perf_counter()
    await until(lambda: done() >= count)
    return (count - first) / (time.perf_counter() - began)


def _value(counter: Counter) -> float:
    """What a counter of one process stands at."""
    return next(
        sample.value for metric in counter.collect() for sample in metric.samples if sample.name[-6:] == "_total"
    )


class Chain:
    """Request → handler → task fact → projection, all the way through the outbox and the broker."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.service = ground.service()
        self.committed: dict[UUID, float] = {}
        self.arrived: dict[UUID, float] = {}

    async def prepare(self) -> Service:
        """The service with a handler for each of the two events."""
        self.service.on(NotificationCompleted, react)
        self.service.project((TaskChanged,), self._project)
        await self.ground.prepare(self.service)
        return self.service

    async def _project(self, events: Sequence[Event], tx: Transaction) -> None:
        now = time.perf_counter()
        self.arrived |= {UUID(event.subject): now for event in events}
        await project(events, tx)

    async def _request(self) -> UUID:
        wanted = request()
        async with self.service.transactions.request(wanted.school_id) as tx:
            tx.emit(wanted)
        self.committed[wanted.task_id] = time.perf_counter()
        return wanted.task_id

    async def rate(self, count: int) -> float:
        """Events per second, two a request, from the first request to the last projected fact."""
        places = asyncio.Semaphore(REQUESTS_AT_ONCE)

        async def ask() -> UUID:
            async with places:
                return await self._request()

        began = time.perf_counter()
        asked = await asyncio.gather(*(ask() for _ in range(count)))
        await until(lambda: all(task in self.arrived for task in asked))
        return 2 * count / (time.perf_counter() - began)

    async def delays(self, count: int) -> list[float]:
        """Seconds from the request's commit to the second handler, at PER_SECOND requests a second."""
        asking = []
        began = time.perf_counter()
        for turn in range(count):
            await asyncio.sleep(max(began + turn / PER_SECOND - time.perf_counter(), 0))
            asking.append(asyncio.create_task(self._request()))
        asked = await asyncio.gather(*asking)
        await until(lambda: all(task in self.arrived for task in asked))
        return [self.arrived[task] - self.committed[task] for task in asked]
