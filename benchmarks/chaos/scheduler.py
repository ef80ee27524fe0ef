"""Three schedulers under kill -9 and a database that crashes: every run once, none early, none after its cancel.

A tenth of the single runs is requested over the bus while replicas die, the others and those that tick every second are
written below the API; cancels and changes are decisions over HTTP, sent to any replica. Due runs are consumed from the
notifier's queue by message id, as an inbox does.
"""

import asyncio
import contextlib
import datetime as dt
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString
from uuid import UUID

import httpx
import psycopg
from psycopg.rows import dict_row

from benchmarks import schedule_load
from benchmarks.harness import Lab, Report
from cli.processes.fleet import KilledWhileStarting
from cli.processes.launcher import StartFailed
from cli.processes.ports import pick
from cli.testing.system import python
from shared.events import ScheduleRequested
from shared.http.tokens import Claims, sign
from shared.testing.fixtures import Backing, eventually

REPLICAS = ("scheduler-1", "scheduler-2", "scheduler-3")
SECOND = dt.timedelta(seconds=1)
ASKERS = 8
LIVE = "/health/live"
PATIENCE = 180
BACK = 5.0
"""Seconds that a service may take until it works again after its database is back (promise 15)."""

STOP = "UPDATE scheduler.schedule SET state = 'cancelled' WHERE schedule_id = ANY(%s) RETURNING schedule_id"
LEFT = """
SELECT (SELECT count(*) FROM scheduler.schedule WHERE state = 'active' AND emits = 'notification.due')
     + (SELECT count(*) FROM scheduler.outbox) AS n
"""
STATES = "SELECT schedule_id, state FROM scheduler.schedule"


@dataclass
class Answers:
    """The decisions whose answers arrived."""

    cancelled: set[UUID] = field(default_factory=set)
    too_late: set[UUID] = field(default_factory=set)
    moved: dict[UUID, dt.datetime] = field(default_factory=dict)
    unanswered: set[UUID] = field(default_factory=set)


class Replicas:
    """Three processes, and decisions sent to any of them that answers."""

    def __init__(self, lab: Lab, backing: Backing) -> None:
        self._lab = lab
        self._backing = backing
        self._ports = pick(REPLICAS)
        self._clients = {name: httpx.AsyncClient(base_url=self._url(name), timeout=5) for name in REPLICAS}
        key = (backing.keys / "signing.pem").read_bytes()
        claims = Claims(role="school_admin", school=schedule_load.SCHOOL, use="internal")
        self._headers = {"Authorization": f"Bearer {sign(key, claims, dt.timedelta(hours=1))}"}

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}"

    async def start(self) -> None:
        """Start all three; returns when they are ready."""
        environment = self._backing.environment("scheduler") | {"HEARTBEAT": "1", "LOG_LEVEL": "WARNING"}
        await self._lab.fleet.start(
            *(
                python(
                    name,
                    ("scheduler",),
                    environment | {"PORT": str(self._ports[name])},
                    self._url(name) + "/health/live",
                )
                for name in REPLICAS
            )
        )

    async def ask(self, method: str, path: str, body: Any = None) -> httpx.Response | None:
        """Send a decision to one replica; None when it died meanwhile and the result is unknown."""
        name = self._lab.dice.choice(REPLICAS)
        try:
            url = f"/v1/schedules/{path}"
            return await self._clients[name].request(method, url, json=body, headers=self._headers)
        except httpx.TransportError:
            return None

    async def close(self) -> None:
        """End the processes that are left."""
        for client in self._clients.values():
            await client.aclose()
        for name in REPLICAS:
            if name in self._lab.fleet.running:
                self._lab.fleet.kill(name)


async def run(lab: Lab, report: Report) -> None:
    """Promises 5 and 6: fired + cancelled = created, no tick missing; p99 ≤ 5 s late while replicas die."""
    count, ticking, kills = lab.size(20_000, 300), lab.size(20, 3), lab.size(32, 3)
    crashes, seconds = lab.size(3, 1), lab.size(100, 7)
    with lab.backing(schedule_load.SERVICES) as backing:
        await schedule_load.prepare(backing)
        service, replicas = schedule_load.service_on(backing), Replicas(lab, backing)
        await service.database.open()
        try:
            await replicas.start()
            begin = dt.datetime.now(dt.UTC) + lab.size(75, 4) * SECOND
            events = [schedule_load.once(begin + n * seconds / count * SECOND) for n in range(count)]
            lab.dice.shuffle(events)
            await schedule_load.add(service, backing, events[count // 10 :])
            lab.say(f"{len(events):,} single runs, the first due in {begin.timestamp() - time.time():.0f} s")
            async with schedule_load.taking(backing.amqp_url) as taken:
                await schedule_load.keys(backing, events)
                # Requested now and not before: a run that was due before it had a row would count as late.
                ticks = [schedule_load.every_second() for _ in range(ticking)]
                await schedule_load.add(service, backing, ticks)
                answers = Answers()
                asked = asyncio.gather(
                    schedule_load.publish(backing.amqp_url, events[: count // 10]),
                    *(_decide(lab, replicas, answers, events[n::ASKERS], begin, seconds) for n in range(ASKERS)),
                )
                outages = await _faults(lab, kills, crashes, (begin + seconds * SECOND).timestamp())
                await asked
                await _drained(backing, ticks)
                report.figure("killed with -9", kills, "schedulers")
                report.figure("crashed and started again", len(outages), "databases")
                _judge(report, backing, taken, events, ticks, answers)
                _judge_lateness(report, taken, outages)
        finally:
            await replicas.close()
            await service.database.close()


async def _decide(
    lab: Lab,
    replicas: Replicas,
    answers: Answers,
    events: Sequence[ScheduleRequested],
    begin: dt.datetime,
    seconds: int,
) -> None:
    """Cancel a fifth and postpone a tenth, from before the first is due until all have ended."""
    for nth, event in enumerate(events):
        due_in = begin.timestamp() + seconds * nth / len(events) - time.time()
        schedule = event.schedule_id
        if nth % 5 == 0:
            _note_cancel(answers, schedule, await replicas.ask("DELETE", str(schedule)))
        elif nth % 10 == 1:
            later = begin + seconds * lab.dice.random() * SECOND
            rule = {"kind": "once", "at": later.isoformat()}
            response = await replicas.ask("PATCH", str(schedule), {"rule": rule})
            if response is None or response.status_code >= 500:  # noqa: PLR2004
                answers.unanswered.add(schedule)
            elif response.status_code == 200:  # noqa: PLR2004
                answers.moved[schedule] = later
        elif nth % 5 == 2:  # noqa: PLR2004  # as the run goes on
            await asyncio.sleep(max(0.0, min(due_in, 5 * seconds / len(events))))


def _note_cancel(answers: Answers, schedule: UUID, response: httpx.Response | None) -> None:
    if response is None or response.status_code >= 500:  # noqa: PLR2004
        answers.unanswered.add(schedule)
    elif response.status_code == 200:  # noqa: PLR2004
        answers.cancelled.add(schedule)
    elif response.status_code == 409:  # noqa: PLR2004
        answers.too_late.add(schedule)


async def _faults(lab: Lab, kills: int, crashes: int, until: float) -> list[tuple[float, float]]:
    """Kill a scheduler every few seconds, the database now and then; each is started again at once.

    Returns when the database was away: from and to, in seconds since the epoch.
    """
    outages = []
    pause = (until - time.time()) / kills
    again: set[asyncio.Task[None]] = set()
    for nth in range(kills):
        await asyncio.sleep(pause * lab.dice.uniform(0.3, 0.9))
        if nth % (kills // crashes) == kills // crashes // 2:
            since = time.time()
            await _crash(lab)
            outages.append((since, time.time()))
        alive = [name for name in REPLICAS if name in lab.fleet.running]
        name = lab.dice.choice(alive)
        lab.fleet.kill(name)
        again.add(asyncio.create_task(_again(lab, name)))
    await asyncio.gather(*again)
    return outages


async def _crash(lab: Lab) -> None:
    """Kill the database's postmaster and start it again; it refuses while an old backend still runs."""
    lab.fleet.kill("postgres")
    for _ in range(20):
        try:
            return await lab.fleet.again("postgres")
        except StartFailed:
            await asyncio.sleep(0.5)
    return await lab.fleet.again("postgres")


async def _again(lab: Lab, name: str) -> None:
    """Start it again; if it was killed while starting, the next start is under way as well."""
    with contextlib.suppress(KilledWhileStarting):
        await lab.fleet.again(name)


async def _drained(backing: Backing, ticks: Sequence[ScheduleRequested]) -> None:
    """Cancel the repeating ones; return when all due runs are fired and published."""

    async def left() -> int:
        return int(_rows(backing, LEFT)[0]["n"])

    _rows(backing, STOP, [event.schedule_id for event in ticks])
    await eventually(left, lambda n: n == 0, within=PATIENCE)
    await asyncio.sleep(1)  # the broker's last messages are on their way to the consumer


def _rows(backing: Backing, query: LiteralString, *values: Any) -> list[dict[str, Any]]:
    """Open a connection for each call: the server may have been killed in between."""
    with psycopg.connect(backing.admin_url, row_factory=dict_row) as connection:
        return connection.execute(query, values).fetchall()


def _judge(
    report: Report,
    backing: Backing,
    taken: schedule_load.Taken,
    events: Sequence[ScheduleRequested],
    ticks: Sequence[ScheduleRequested],
    answers: Answers,
) -> None:
    runs = taken.of(event.schedule_id for event in events)
    states = {row["schedule_id"]: row["state"] for row in _rows(backing, STATES)}
    once = sum(len(found) == 1 for found in runs.values())
    gone = sum(not found and states.get(schedule) == "cancelled" for schedule, found in runs.items())
    report.figure("created", len(events), "single runs")
    report.figure("fired", once, "single runs")
    report.figure("cancelled", gone, "single runs")
    report.figure("decisions without an answer", len(answers.unanswered), "")
    report.exactly("promise 05: created, neither fired once nor cancelled", len(events) - once - gone, "single runs", 0)
    after = sum(bool(runs[schedule]) for schedule in answers.cancelled)
    report.exactly("promise 05: fired although its cancel was answered 200", after, "single runs", 0)
    unfired = sum(len(runs[schedule]) != 1 for schedule in answers.too_late)
    report.exactly("promise 05: too late, and not fired", unfired, "single runs", 0)
    sure = {schedule: due for schedule, due in answers.moved.items() if schedule not in answers.unanswered}
    moved = sum(run["due"] != due for schedule, due in sure.items() for run in runs[schedule])
    report.exactly("promise 05: fired at another time than it was moved to", moved, "single runs", 0)
    report.exactly("promise 05: ticks missing or too many", _gaps(taken, ticks), "ticks", 0)
    early = sum(run["fired"] < run["due"] for run in taken.runs.values())
    report.exactly("promise 05: fired early", early, "runs", 0)
    report.figure("ticks and single runs", len(taken.runs), "runs")
    report.figure("repeats on the wire, dropped by their id", taken.repeats, "messages")


def _judge_lateness(report: Report, taken: schedule_load.Taken, outages: Sequence[tuple[float, float]]) -> None:
    """Judge promise 6, about replicas that die. Runs that were due while the database was unavailable are apart."""

    def away(run: dict[str, Any]) -> bool:
        due = run["due"].timestamp()
        return any(since - 1 <= due <= back + BACK for since, back in outages)

    served = schedule_load.Taken({ident: run for ident, run in taken.runs.items() if not away(run)})
    report.figure("due → consumed, p50", served.late(50) * 1000, "ms")
    report.figure("due → fired, p99", served.fired_late(99), "s")
    report.figure("the latest of all, its relay killed", served.late(100), "s")
    report.figure("p99, with runs due while the database was unavailable", taken.late(99), "s")
    report.at_most("promise 06: due → consumed, p99 while replicas die", served.late(99), "s", 5)


def _gaps(taken: schedule_load.Taken, ticks: Sequence[ScheduleRequested]) -> int:
    """Count seconds without a run between the first and the last tick of each, and runs that share a second."""
    wrong = 0
    for found in taken.of(event.schedule_id for event in ticks).values():
        seconds = [int(run["due"].timestamp()) for run in found]
        expected = set(range(min(seconds), max(seconds) + 1)) if seconds else {0}
        wrong += len(expected - set(seconds)) + len(seconds) - len(set(seconds))
    return wrong
