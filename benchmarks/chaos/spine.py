"""The bus under faults: workers killed, nodes killed and restarted, alarms, a bad network, a missing queue, poison.

Three workers (`benchmarks.worker_process`) reach broker and database through proxies. A writer commits requests with
their outbox rows. Each committed request has to be handled once, to be in the log, and to be projected once, in the
order of the log. A message that cannot be handled has to become one dead letter. Each phase ends
with a drain; all of it is judged at the end.
Then the services themselves are killed under requests (`benchmarks.service_kills`).
"""

import asyncio
import statistics
import time
from collections import Counter
from typing import LiteralString

import aio_pika

from benchmarks import baseline_aio_pika, log_reader, service_kills, worker_process
from benchmarks.chaos_workers import BURIED, ERRANDS, HANDLED, OUTBOX, POISON_EVERY, Field, field_of
from benchmarks.harness import Lab, Report
from benchmarks.spine_service import message, request
from shared.consumers.dead_letters import requeue
from shared.events import NotificationCompleted, TaskChanged
from shared.messaging.topology import DELIVERY_LIMIT, lane_name, reaction_queue, stream_of
from shared.testing.fixtures import declare

QUEUE = reaction_queue("notifier", NotificationCompleted.topic).name
ERRANDS_SENT = 40
UNDER_ALARM = 200
ALARMS = (
    ("memory", ("set_vm_memory_high_watermark", "0"), ("set_vm_memory_high_watermark", "0.4")),
    ("disk", ("set_disk_free_limit", str(10**15)), ("set_disk_free_limit", "200MB")),
)
GRAVE = "SELECT queue, error, headers, body FROM notifier.buried WHERE task_id = %s"
HANDLED_IDS = "SELECT task_id FROM notifier.handled"
PROJECTED_IDS = "SELECT task_id FROM notifier.projected ORDER BY nth"
BURIED_IDS = "SELECT task_id FROM notifier.buried"
CURED_IDS = "SELECT task_id FROM notifier.cured"
OUTAGE = 12
"""Seconds, against retry tiers of 1 and 2: in proportion twelve minutes against tiers of 5, 60 and 600, and more."""


async def run(lab: Lab, report: Report) -> None:
    """Promises 1, 3, 4, 7 and 15, rules 6, 7, 14 and 16."""
    with lab.backing(["notifier"]) as backing:
        async with field_of(lab, backing) as field:
            await field.writer.batch(range(2, 12))
            await field.drained("first requests")
            await _workers_die(field, report)
            await _network(field)
            await _queue_missing(field, report)
            await _alarms(field, report)
            await _nodes_die(field, report)
            if lab.full:  # twenty-one crashes are twenty-one starts; test_rule_07 has the small one
                await _deadly(field, report)
            await _poison(field, report)
            await _judge(field, report)
    await service_kills.run(lab, report)


async def _workers_die(field: Field, report: Report) -> None:
    seconds = field.lab.seconds(300, 2)
    writing = asyncio.create_task(field.writer.write(seconds * 50, 50))
    report.figure(
        "workers killed with -9, every 0.2 to 1.2 s", await field.workers.killing(field.lab, seconds), "kills"
    )
    await writing
    await field.drained("workers killed")
    hit = await field.count("SELECT count(DISTINCT worker) FROM notifier.handled")
    report.figure("of these, had handled something", hit - len(await _alive(field)), "workers")


async def _alive(field: Field) -> list[int]:
    """Return the workers that run now and have handled something."""
    query = "SELECT DISTINCT worker FROM notifier.handled WHERE worker = ANY(%s)"
    return [row[0] for row in await field.rows(query, field.workers.pids)]


async def _network(field: Field) -> None:
    """Cut, silence and slow the broker, the database, and both."""
    seconds = field.lab.size(4, 1)
    writing = asyncio.create_task(field.writer.write(field.lab.size(3000, 100), 80))
    both = (field.broker, field.database)
    for proxies in ((field.broker,), (field.database,), both) if field.lab.full else (both,):
        for _ in range(field.lab.size(5, 1)):
            await asyncio.sleep(0.4)
            for proxy in proxies:
                proxy.cut()
        for proxy in proxies:
            proxy.black_hole(on=True)
        await asyncio.sleep(seconds)
        for proxy in proxies:
            proxy.black_hole(on=False)
            proxy.cut()
            proxy.slow(0.02)
        await asyncio.sleep(seconds)
        for proxy in proxies:
            proxy.slow(0)
    await writing
    await field.drained("network cut, silent and slow")


async def _queue_missing(field: Field, report: Report) -> None:
    """Delete a queue: its permits wait in the outbox until the topology step declares it for the running services."""
    queue = lane_name("notifier", worker_process.LANE)
    async with await aio_pika.connect(field.ground.url) as connection:
        await (await connection.channel()).queue_delete(queue)
    async with field.service.transactions.begin() as tx:
        for number in range(ERRANDS_SENT):
            tx.permit(worker_process.Errand(number=number), worker_process.LANE)
    await asyncio.sleep(2)  # the relays try, and try again
    held = await field.count("SELECT count(*) FROM notifier.outbox WHERE routing_key = %s", queue)
    report.exactly("rule 06: permits for a missing queue, held in the outbox", held, "rows", ERRANDS_SENT)
    await declare(field.ground.url, field.service.topology())
    await field.drained("queue missing")
    took = await field.settled(ERRANDS, ERRANDS_SENT, 60)
    report.exactly("rule 06: permits done once the queue is back", took, "permits", ERRANDS_SENT)


async def _alarms(field: Field, report: Report) -> None:
    for alarm, on, off in ALARMS[: field.lab.size(len(ALARMS), 1)]:
        field.workers.kill_all()
        waiting = [request() for _ in range(UNDER_ALARM)]
        await baseline_aio_pika.publish(field.ground.url, [message(event) for event in waiting])
        field.writer.committed |= {str(event.task_id) for event in waiting}
        before = await field.count(HANDLED)
        await field.lab.control(*on)
        try:
            field.workers.again()
            taken = await field.settled(HANDLED, before + UNDER_ALARM, 30) - before
            await field.writer.write(field.lab.size(1000, 50), 100)
            held = await field.count(OUTBOX)
        finally:
            await field.lab.control(*off)
        report.exactly(f"rule 14: {alarm} alarm, handled of the queue", taken, "requests", UNDER_ALARM)
        report.at_least(f"rule 14: {alarm} alarm, held in the outbox", held, "rows", field.lab.size(1000, 50))
        await field.drained(f"{alarm} alarm")


async def _nodes_die(field: Field, report: Report) -> None:
    """Kill both nodes, several times, under 20,000 events: a request and a task fact each."""
    count, turns = field.lab.size(10_000, 200), field.lab.size(4, 1)
    over = asyncio.Event()  # a node that is back can show it only while there is work
    writing = asyncio.create_task(field.writer.write(count, field.lab.size(120, 50), over))
    brokers, databases = [], []
    for turn in range(turns):
        await asyncio.sleep(field.lab.size(6, 1))
        field.lab.fleet.kill("rabbitmq")
        await field.lab.fleet.again("rabbitmq")
        brokers.append(await field.progress(60))
        await asyncio.sleep(field.lab.size(4, 1))
        field.lab.fleet.kill("postgres")
        if turn == 0:
            await asyncio.sleep(field.lab.size(OUTAGE, 4))
        await field.database_again()
        databases.append(await field.progress(60))
        field.lab.say(f"broker back, working after {brokers[-1]:.1f} s; database after {databases[-1]:.1f} s")
    over.set()
    written = await writing
    await field.drained("nodes killed")
    report.figure("events while nodes died", 2 * written, "events")
    report.figure("killed and started again, of each node", turns, "times")
    report.at_most("promise 15: broker back → consuming, slowest", max(brokers), "s", 30)
    report.at_most("promise 15: database back → working, slowest", max(databases), "s", 5)
    good = field.writer.committed & {str(row[0]) for row in await field.rows(BURIED_IDS)}
    report.exactly("rule 16: good ones dead-lettered, after 12 scaled minutes without database", len(good), "", 0)


async def _deadly(field: Field, report: Report) -> None:
    """Publish a message that kills each worker that handles it; those beside it go on, and become no dead letters."""
    field.workers.kill_all()
    killer = request().model_copy(update={"counts": worker_process.DEADLY})
    innocents = [request() for _ in range(100)]
    field.writer.committed |= {str(event.task_id) for event in innocents}
    before, started = await field.count(BURIED), field.workers.started
    await baseline_aio_pika.publish(
        field.ground.url, [message(event) for event in (*innocents[:50], killer, *innocents[50:])]
    )
    async with field.workers.tended():
        handled, good = await field.count(HANDLED), len(field.writer.committed) - len(innocents)
        over = asyncio.Event()
        feeding = asyncio.create_task(_feed(field, over))
        buried = await field.settled(BURIED, before + 1, 180) - before
        flowed = (await field.count(HANDLED) - handled) / (len(field.writer.committed) - good)
        over.set()
        await feeding
        report.at_least("promise 07: good requests handled by the time of its burial", flowed, "×", 0.8)
        report.figure("workers killed by one message", field.workers.started - started - field.workers.count, "")
        report.exactly("rule 07: buried at the delivery limit", buried, "messages", 1)
        found = await field.rows(
            "SELECT queue, error, headers, body FROM notifier.buried WHERE task_id = %s", killer.task_id
        )
        for queue, error, headers, body in found:
            report.exactly("rule 07: its grave says so", float("DeliveryLimit" in error), "", 1)
            await field.change("INSERT INTO notifier.cured VALUES (%s)", killer.task_id)
            async with field.service.transactions.begin() as tx:
                await requeue(tx, queue, headers, body.encode())
        field.writer.committed.add(str(killer.task_id))
        await field.drained(f"a message that dies at its {DELIVERY_LIMIT + 1}st delivery")
        done = await field.count("SELECT count(*) FROM notifier.handled WHERE task_id = %s", killer.task_id)
        report.exactly("rule 07: a death given back, handled", done, "times", 1)


async def _feed(field: Field, over: asyncio.Event) -> None:
    """Commit 50 good requests a second until `over`, few enough for one worker."""
    while not over.is_set():
        await field.writer.batch(range(5), 0)
        await asyncio.sleep(0.1)


async def _poison(field: Field, report: Report) -> None:
    """Measure the same backlog without and with poison, in pairs, in alternating order."""
    rates: dict[int, list[float]] = {0: [], POISON_EVERY: []}
    for turn in range(field.lab.size(9, 1)):
        for poison_every in rates if turn % 2 == 0 else reversed(rates):
            rates[poison_every].append(await _backlog(field, poison_every))
    without, beside = rates.values()
    report.figure("good requests without poison", statistics.median(without), "requests/s")
    report.figure("good requests beside 2 % poison", statistics.median(beside), "requests/s")
    ratio = statistics.median(b / w for b, w in zip(beside, without, strict=True))
    report.at_least("promise 07: beside / without poison", ratio, "×", 0.8)


async def _backlog(field: Field, poison_every: int) -> float:
    """Return good requests handled per second, after the first tenth of the queue."""
    field.workers.kill_all()
    before, safe = await field.count(HANDLED), len(field.writer.committed)
    for start in range(0, field.lab.size(4000, 100), 100):
        await field.writer.batch(range(start, start + 100), poison_every)
    good = len(field.writer.committed) - safe
    field.workers.again()
    await field.reaches(HANDLED, before + good // 10, 60)
    began = time.perf_counter()
    await field.reaches(HANDLED, before + good, 120)
    rate = (good - good // 10) / (time.perf_counter() - began)
    await field.drained(f"backlog with {100 / poison_every if poison_every else 0:.0f} % poison")
    return rate


async def _judge(field: Field, report: Report) -> None:
    writer, url = field.writer, field.ground.url

    async def column(query: LiteralString) -> list[str]:
        return [str(row[0]) for row in await field.rows(query)]

    handled, projected, buried = await column(HANDLED_IDS), await column(PROJECTED_IDS), await column(BURIED_IDS)
    requests = await log_reader.values(url, stream_of(NotificationCompleted.topic), "ce-taskid")
    facts = await log_reader.values(url, stream_of(TaskChanged.topic), "ce-taskid")
    everything = writer.committed | writer.poison
    ours, logs = list(dict.fromkeys(projected)), list(dict.fromkeys(facts))
    report.figure("requests committed", len(everything), "requests")
    report.figure("commits without an answer", writer.unanswered, "commits")
    report.figure(
        "in the log twice, at two offsets", len(facts) - len(logs) + len(requests) - len(set(requests)), "events"
    )
    report.exactly("promise 01: committed, not handled", len(writer.committed - set(handled)), "requests", 0)
    report.exactly("promise 01: handled twice", len(handled) - len(set(handled)), "requests", 0)
    report.exactly("promise 03: committed, not in the log", len(everything - set(requests)), "requests", 0)
    report.exactly("promise 03: handled, fact not in the log", len(set(handled) - set(facts)), "facts", 0)
    report.exactly("promise 04: in the log, not projected", len(set(logs) - set(projected)), "facts", 0)
    more = Counter(projected) - Counter(facts)
    report.exactly("projected more often than it lies in the log", more.total(), "facts", 0)
    wrong = sum(a != b for a, b in zip(ours, logs, strict=False)) + abs(len(ours) - len(logs))
    report.exactly("projected out of the log's order", wrong, "facts", 0)
    report.exactly("promise 07: poison not dead-lettered", len(writer.poison - set(buried)), "requests", 0)
    report.exactly("promise 07: dead-lettered twice", len(buried) - len(set(buried)), "requests", 0)
    given = set(await column(CURED_IDS))
    report.exactly("rule 16: good requests dead-lettered", len((writer.committed & set(buried)) - given), "requests", 0)
