"""Gateway, notifier and scheduler die at random under requests: each request that was answered 202 is completed.

Each request is sent with its own key until it is answered, as an app would; two thirds are for now, one third for
some seconds later. Afterwards rows, tasks, invariants and the providers' own counts are compared.
"""

import asyncio
import contextlib
import datetime as dt
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString
from uuid import UUID, uuid4

import httpx

from benchmarks import notifier_load
from benchmarks.harness import Lab, Report
from cli.demo.client import Bearer
from cli.operations import tokens
from cli.processes.fleet import KilledWhileStarting
from cli.testing.system import System
from shared.testing.fixtures import eventually

SERVICES = ("gateway", "notifier", "scheduler")
PEOPLE = 20
EVERY = 0.5
BUSY = 429
LATER = dt.timedelta(seconds=5)
PATIENCE = 180
PUT_AGAIN_FOR = 600
"""Seconds: longer than services die."""
VIOLATIONS = "schoolconnect_invariant_violations{"

ENDED: LiteralString = """
SELECT count(*) AS n FROM notifier.notification WHERE notification_id = ANY(%s) AND state = 'completed'
"""
ROWS: LiteralString = """
SELECT count(*) AS rows, count(DISTINCT (notification_id, person_id, channel, address, round)) AS different,
       count(*) FILTER (WHERE state IN ('pending', 'held', 'sending')) AS open,
       count(*) FILTER (WHERE state = 'unknown') AS unknown,
       (SELECT count(*) FROM notifier.notification) AS notifications,
       (SELECT count(*) FROM notifier.attempt) AS attempts
FROM notifier.delivery
"""
TASKS: LiteralString = "SELECT count(*) AS n FROM gateway.task WHERE task_id = ANY(%s) AND state = 'succeeded'"
LEFT: LiteralString = """
SELECT (SELECT count(*) FROM gateway.outbox) + (SELECT count(*) FROM notifier.outbox)
     + (SELECT count(*) FROM scheduler.outbox) AS n
"""
DEAD: LiteralString = "SELECT count(*) AS n FROM gateway.failure"


@dataclass
class Asked:
    """The requests that were answered 202."""

    notifications: set[UUID] = field(default_factory=set)
    tasks: set[UUID] = field(default_factory=set)
    repeats: int = 0
    overtaken: int = 0


async def run(lab: Lab, report: Report) -> None:
    """Promises 1, 2 and 15, rule 13."""
    seconds = lab.seconds(300, 3)
    lease = str(lab.size(30, 10))
    async with lab.system(SERVICES, LOG_LEVEL="WARNING", RECONCILE="2", DELIVERY_LEASE=lease) as system:
        school = notifier_load.add_school(system, PEOPLE)
        asked = Asked()
        asking = asyncio.create_task(_ask(system, school, asked, seconds))
        report.figure("services killed with -9, every 0.2 to 1.2 s", await _kill(lab, system, seconds), "kills")
        await asking
        await _ended(lab, system, asked)
        await _judge(system, report, asked)
        await _back(system, report, SERVICES * 3 if lab.full else SERVICES[-1:])


async def _ask(system: System, school: UUID, asked: Asked, seconds: int) -> None:
    """Send requests at an even pace, each on its own; returns when all are answered."""
    bearer = Bearer(lambda: tokens.make(system.backing.keys / "signing.pem", "platform_admin"))
    async with httpx.AsyncClient(base_url=system.url, auth=bearer, timeout=10) as client, asyncio.TaskGroup() as group:
        for turn in range(int(seconds / EVERY)):
            group.create_task(until_answered(client, school, asked, later=turn % 3 == 0))
            await asyncio.sleep(EVERY)


async def until_answered(client: httpx.AsyncClient, school: UUID, asked: Asked, *, later: bool) -> None:
    """Send one request with its own key until it is answered 202, and add it to `asked`."""
    wanted: dict[str, Any] = {
        "school": str(school),
        "type": "general",
        "title": notifier_load.TITLE,
        "body": notifier_load.TEXT,
    }
    wanted |= {"audience": {"school": True}, "channels": ["push", "mail"]}
    headers, due, end = dict[str, str](), dt.datetime.max.replace(tzinfo=dt.UTC), time.monotonic() + PUT_AGAIN_FOR
    while time.monotonic() < end:
        if not headers:
            headers["Idempotency-Key"] = uuid4().hex
            if later:
                due = dt.datetime.now(dt.UTC) + LATER
                wanted["deliver_at"] = due.isoformat()
        with contextlib.suppress(httpx.TransportError):
            answer = await client.post("/v1/notifications", json=wanted, headers=headers)
            if answer.status_code == httpx.codes.ACCEPTED:
                ids = answer.json()
                asked.notifications.add(UUID(ids["notification_id"]))
                asked.tasks.add(UUID(ids["task_id"]))
                return
            if answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY and due <= dt.datetime.now(dt.UTC):
                # Its time passed before a gateway accepted it (an accepted key answers 202): it gets another time.
                asked.overtaken += 1
                headers.clear()
            elif answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR and answer.status_code != BUSY:
                answer.raise_for_status()
        asked.repeats += 1
        await asyncio.sleep(0.2)
    raise TimeoutError(f"a request was not answered in {PUT_AGAIN_FOR} s")


async def _kill(lab: Lab, system: System, seconds: int) -> int:
    """Send SIGKILL to a random service every 0.2 to 1.2 s; each is started again at once."""
    kills, end, again = 0, time.monotonic() + seconds, set()
    while time.monotonic() < end:
        await asyncio.sleep(lab.dice.uniform(0.2, 1.2))
        alive = sorted(system.fleet.running & set(SERVICES))
        if alive:
            name = lab.dice.choice(alive)
            system.kill(name)
            again.add(asyncio.create_task(_again(system, name)))
            kills += 1
    await asyncio.gather(*again)
    return kills


async def _again(system: System, name: str) -> None:
    """Start it again; if it was killed while starting, the next start is under way as well."""
    with contextlib.suppress(KilledWhileStarting):
        await system.fleet.again(name)


async def _ended(lab: Lab, system: System, asked: Asked) -> None:
    """Return when every notification has ended and every outbox is empty, or after a while."""
    wanted, began = len(asked.notifications), time.monotonic()

    async def state() -> tuple[int, int]:
        ended = await asyncio.to_thread(system.rows, ENDED, list(asked.notifications))
        left = await asyncio.to_thread(system.rows, LEFT)
        return ended[0]["n"], left[0]["n"]

    with contextlib.suppress(AssertionError):
        await eventually(state, lambda seen: seen == (wanted, 0), within=PATIENCE)
    lab.say(f"{wanted} requests answered 202, (ended, still in an outbox) = {await state()}, "
            f"{time.monotonic() - began:.0f} s after the last kill")  # fmt: skip


async def _judge(system: System, report: Report, asked: Asked) -> None:
    wanted = len(asked.notifications)
    rows = system.rows(ROWS)[0]
    calls = {name: system.stats(name) for name in ("fcm", "smtp")}
    report.figure("answered 202", wanted, "requests")
    report.figure("sent again with the same key", asked.repeats, "times")
    report.figure("sent for another time, because theirs had passed", asked.overtaken, "times")
    report.figure("attempts without outcome", rows["unknown"], "deliveries")
    ended = system.rows(ENDED, list(asked.notifications))[0]["n"]
    report.exactly("promise 01: answered 202, not completed", wanted - ended, "requests", 0)
    done = await eventually(lambda: _done(system, asked), lambda n: n == wanted, within=30)
    report.exactly("promise 01: answered 202, task not succeeded", wanted - done, "tasks", 0)
    report.exactly("promise 01: notifications beyond one a request", rows["notifications"] - wanted, "", 0)
    report.exactly("promise 01: deliveries, not one per person and channel", rows["rows"] - 2 * PEOPLE * wanted, "", 0)
    report.exactly("promise 01: deliveries beyond one for each address", rows["rows"] - rows["different"], "", 0)
    report.exactly("promise 01: deliveries without an end", rows["open"], "", 0)
    made = sum(each["calls_total"] for each in calls.values())
    report.exactly("promise 02: calls beyond attempts", max(0, made - rows["attempts"]), "calls", 0)
    twice = sum(each["duplicates"] for each in calls.values())
    report.figure("sent twice, with the same replacing tag or Message-ID", twice, "messages")
    report.exactly("rule 16: dead letters", system.rows(DEAD)[0]["n"], "", 0)
    report.exactly("rule 13: rows that break an invariant, as exported", await _violations(system), "rows", 0)


async def _done(system: System, asked: Asked) -> int:
    return int((await asyncio.to_thread(system.rows, TASKS, list(asked.tasks)))[0]["n"])


async def _violations(system: System) -> float:
    """Return the sum over all services, once each has counted after the last kill."""
    found = []
    await asyncio.sleep(3)
    async with httpx.AsyncClient() as client:
        for name in SERVICES:

            async def lines(name: str = name) -> list[str]:
                page = (await client.get(f"http://127.0.0.1:{system.ports[name]}/metrics")).text
                return [line for line in page.splitlines() if line.startswith(VIOLATIONS)]

            found += await eventually(lines, bool, within=20)
    return sum(float(line.rpartition(" ")[2]) for line in found)


async def _back(system: System, report: Report, names: Sequence[str]) -> None:
    """Return the seconds from SIGKILL to ready: database, broker, topology and consumers."""
    took: dict[str, float] = {}
    for name in names:
        system.kill(name)
        began = time.monotonic()
        await system.fleet.again(name)
        took[name] = max(took.get(name, 0.0), time.monotonic() - began)
    for name, seconds in took.items():
        report.at_most(f"promise 15: {name} killed → ready, slowest of {names.count(name)}", seconds, "s", 5)
