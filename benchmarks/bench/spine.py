"""The bus's hot path beside raw aio-pika and a bare FastStream: relay, reaction, projection, and the whole chain.

Everything runs in this process on uvloop, started as a service is: its settings, metrics, sweeps and garbage collector.
Medians of several rounds; each round measures the peers and ours one after the other, every second round in reverse.
Processor time is judged round by round: rates depend on who else uses the machine.
"""

import asyncio
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from prometheus_client import Counter

from benchmarks import baseline_aio_pika
from benchmarks.baseline_aio_pika import Pace, Stopwatch
from benchmarks.harness import Lab, Report
from benchmarks.spine_service import Ground, fact, message, project, react, ready, remember, request, until
from benchmarks.unmeasured import unmeasured
from shared.events import NotificationCompleted, TaskChanged
from shared.events.event import Event
from shared.messaging.topology import reaction_queue, stream_of
from shared.service.service import Service
from shared.transactions.unit_of_work import UnitOfWork

QUEUE = reaction_queue("notifier", NotificationCompleted.topic).name
TASKS = stream_of(TaskChanged.topic)
REQUESTS_AT_ONCE = 16
PER_SECOND = 50

Measure = Callable[[], Awaitable[Pace]]
Handler = Callable[[NotificationCompleted, UnitOfWork], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer of a figure: its bounds are so many times the peer's rate and processor time."""

    name: str
    measure: Measure
    rate: float
    cpu: float | None = None


async def run(lab: Lab, report: Report) -> None:
    """Judge each figure beside its peers, and p50 ≤ 15 ms, p99 ≤ 40 ms at 50/s."""
    count = lab.size(4000, 150)
    with lab.backing(["notifier"]) as backing:
        ground = Ground(backing)
        await ground.prepare()
        await baseline_aio_pika.publish(ground.url, [message(fact(uuid.uuid4(), uuid.uuid4())) for _ in range(count)])
        report.figure("message", len(message(request()).body), "bytes")
        publish = Peer("raw publish", lambda: _raw_publish(ground, count), rate=0.8, cpu=0.6)
        read = Peer("raw read", lambda: baseline_aio_pika.read(ground.url, TASKS, -1, count), rate=0.5, cpu=1.7)
        consume = Peer("raw consume", lambda: _raw_consume(ground, count, baseline_aio_pika.consume), rate=0.2, cpu=5)
        bare = Peer(
            "bare FastStream", lambda: _raw_consume(ground, count, baseline_aio_pika.consume_by_faststream), rate=0.5
        )
        await _compare(lab, report, "relay", lambda: _relay(ground, count), publish)
        await _compare(lab, report, "projection", lambda: _projection(ground, count), read)
        await _compare(lab, report, "reaction", lambda: _react(ground, count, react), consume, bare)
        # Bare FastStream publishes nothing, and the relay of a reaction's event runs in the same process.
        await _compare(lab, report, "reaction without an event", lambda: _react(ground, count, remember), bare)
        await _measuring(lab, report, ground, count)
    with lab.backing(["notifier"]) as backing, lab.backing(["notifier"]) as other:
        chain, beside = Chain(Ground(backing)), Ground(other)
        await beside.prepare()
        async with chain.ground.running(await chain.prepare()):
            await ready(chain.service)
            through = Peer(
                "raw in + out", lambda: baseline_aio_pika.through(beside.url, QUEUE, _requests(count)), rate=0.35
            )
            await _compare(lab, report, "chain, both events", lambda: chain.pace(count // 2), through)
            delays = sorted(await chain.delays(lab.size(1000, 50)))
    report.at_most("commit → second handler, p50", _percentile(delays, 50), "ms", 15)
    report.at_most("commit → second handler, p99", _percentile(delays, 99), "ms", 40)


async def _compare(lab: Lab, report: Report, what: str, ours: Measure, *peers: Peer) -> None:
    mine, *others = await _rounds(lab.size(5, 1), ours, *(peer.measure for peer in peers))
    rate = statistics.median(pace.rate for pace in mine)
    report.figure(what, rate, "events/s")
    report.figure(f"{what}, processor time", statistics.median(pace.cpu for pace in mine), "µs/event")
    for peer, theirs in zip(peers, others, strict=True):
        peers_rate = statistics.median(pace.rate for pace in theirs)
        report.figure(peer.name, peers_rate, "events/s")
        report.figure(f"{peer.name}, processor time", statistics.median(pace.cpu for pace in theirs), "µs/event")
        report.at_least(f"{what} / {peer.name}", rate / peers_rate, "×", peer.rate)
        times = statistics.median(my.cpu / their.cpu for my, their in zip(mine, theirs, strict=True))
        if peer.cpu is None:
            report.figure(f"{what} / {peer.name}, processor time", times, "×")
        else:
            report.at_most(f"{what} / {peer.name}, processor time", times, "×", peer.cpu)
        lab.say(f"{what}: {rate:,.0f}/s beside {peers_rate:,.0f}/s of {peer.name}, {times:.2g} × its processor time")


async def _measuring(lab: Lab, report: Report, ground: Ground, count: int) -> None:
    """Judge what metrics add to the processor time of a reaction."""

    async def without() -> Pace:
        with unmeasured():
            return await _react_uncounted(ground, count)

    ours, bare = await _rounds(lab.size(9, 1), lambda: _react_uncounted(ground, count), without)
    report.figure("reaction without metrics", statistics.median(pace.cpu for pace in bare), "µs/event")
    times = statistics.median(mine.cpu / theirs.cpu for mine, theirs in zip(ours, bare, strict=True))
    report.at_most("reaction with metrics / without, processor time", times, "×", 1.05)
    lab.say(f"metrics: {times:.3f} × the processor time of a reaction without them")


async def _rounds(count: int, *measures: Measure) -> list[list[Pace]]:
    found: list[list[Pace]] = [[] for _ in measures]
    for turn in range(count):
        for place in range(len(measures)) if turn % 2 == 0 else reversed(range(len(measures))):
            found[place].append(await measures[place]())
    return found


def _percentile(ordered: Sequence[float], percent: int) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1000


def _requests(count: int) -> list[baseline_aio_pika.Message]:
    return [message(request()) for _ in range(count)]


async def _raw_publish(ground: Ground, count: int) -> Pace:
    pace = await baseline_aio_pika.publish(ground.url, _requests(count))
    await ground.purge(QUEUE)
    return pace


async def _relay(ground: Ground, count: int) -> Pace:
    """Measure the relay of a full outbox, from the connection until the outbox is empty."""
    writer = ground.service()
    await writer.database.open()
    async with writer.transactions.begin() as tx:
        for _ in range(count):
            tx.emit(request())
    await writer.database.close()
    service = ground.service()
    async with ground.running(service):
        await service.components.publisher.ready.wait()
        watch = Stopwatch()
        await until(lambda: _value(service.metrics.published) >= count)
        pace = watch.pace(count)
    await ground.purge(QUEUE)
    return pace


async def _projection(ground: Ground, count: int) -> Pace:
    """Measure a projection of the same part of the log, from its first commit to its last."""
    await ground.clear()
    service = ground.service()
    service.project("project", (TaskChanged,), project)
    async with ground.running(service):
        return await _pace(lambda: _value(service.metrics.projected.labels("project")), count)


async def _raw_consume(ground: Ground, count: int, consume: Callable[[str, str, int], Awaitable[Pace]]) -> Pace:
    await baseline_aio_pika.publish(ground.url, _requests(count))
    return await consume(ground.url, QUEUE, count)


async def _react(ground: Ground, count: int, handler: Handler) -> Pace:
    """Measure a reaction to a full queue, from the first commit to the last."""
    await baseline_aio_pika.publish(ground.url, _requests(count))
    service = ground.service()
    service.on(NotificationCompleted, handler)
    async with ground.running(service):
        return await _pace(lambda: _value(service.metrics.handled.labels(QUEUE, "done")), count)


async def _react_uncounted(ground: Ground, count: int) -> Pace:
    """As `_react`, where metrics may be switched off: the handler counts."""
    handled = 0

    async def counting(event: NotificationCompleted, tx: UnitOfWork) -> None:
        nonlocal handled
        await react(event, tx)
        handled += 1

    await baseline_aio_pika.publish(ground.url, _requests(count))
    service = ground.service()
    service.on(NotificationCompleted, counting)
    async with ground.running(service):
        return await _pace(lambda: handled, count)


async def _pace(done: Callable[[], float], count: int) -> Pace:
    await until(lambda: done() > 0)
    first, watch = int(done()), Stopwatch()
    await until(lambda: done() >= count)
    return watch.pace(count - first)


def _value(counter: Counter) -> float:
    """Return the value of a counter of one process."""
    return next(
        sample.value for metric in counter.collect() for sample in metric.samples if sample.name[-6:] == "_total"
    )


class Chain:
    """Measures request → handler → task fact → projection, through the outbox and the broker."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.service = ground.service()
        self.committed: dict[UUID, float] = {}
        self.arrived: dict[UUID, float] = {}

    async def prepare(self) -> Service:
        """The service with a handler for each of the two events."""
        self.service.on(NotificationCompleted, react)
        self.service.project("project", (TaskChanged,), self._project)
        await self.ground.prepare(self.service)
        return self.service

    async def _project(self, events: Sequence[Event], tx: UnitOfWork) -> None:
        now = time.perf_counter()
        self.arrived |= {UUID(event.subject): now for event in events}
        await project(events, tx)

    async def _request(self) -> UUID:
        wanted = request()
        async with self.service.transactions.request(wanted.school_id) as tx:
            tx.emit(wanted)
        self.committed[wanted.task_id] = time.perf_counter()
        return wanted.task_id

    async def pace(self, count: int) -> Pace:
        """Two events a request, from the first request to the last projected fact."""
        places = asyncio.Semaphore(REQUESTS_AT_ONCE)

        async def ask() -> UUID:
            async with places:
                return await self._request()

        watch = Stopwatch()
        asked = await asyncio.gather(*(ask() for _ in range(count)))
        await until(lambda: all(task in self.arrived for task in asked))
        return watch.pace(2 * count)

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
