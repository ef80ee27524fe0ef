"""What one school, or one recipient, costs all others: rows of `make chaos ONLY=notifier`.

One school sends a mass of urgent messages and previews the costliest texts while another has alarms; the broker stands
still for a while under load; and one address ends the mail server's connection at each try.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any, LiteralString
from uuid import UUID, uuid4

import httpx

from benchmarks import notifier_load
from benchmarks.harness import Lab, Report
from cli.demo.client import Bearer
from cli.operations import tokens
from cli.testing.system import System
from shared.testing.fixtures import eventually

LANES = 16
"""Requests of the loud school at once."""
ALARM_EVERY = 0.5
WORST = {"title": "t", "body": "{{ school | upper }}" * 140, "html": "<p>{{ school | trim }}</p>" * 140}
LANGUAGES = ("en", "de", "fr", "ar", "it", "es", "pt", "nl", "pl", "tr", "uk", "ru")

ENDED: LiteralString = """
SELECT count(*) AS n FROM notifier.notification
WHERE notification_id = ANY(%s::uuid[]) AND state IN ('completed', 'failed', 'cancelled')
"""
WINDOWS: LiteralString = """
SELECT count(*) AS n FROM (SELECT DISTINCT notification_id, channel FROM notifier.delivery WHERE attempts > 0) AS w
"""
ADDRESSES: LiteralString = """
SELECT c.address FROM notifier.contact c JOIN notifier.membership m USING (person_id)
WHERE m.school_id = %s AND c.kind = 'mail'
"""


async def run(lab: Lab, report: Report) -> None:
    """Make the three troubles, one after the other."""
    limits = {"RATE_CALLER": "0", "RATE_SCHOOL": "0"}  # the load is one caller
    async with lab.system(("gateway", "notifier"), LOG_LEVEL="WARNING", **limits) as system:
        await _loud_school(lab, report, system)
        await _stall(lab, report, system)
        await _costly_recipient(lab, report, system)


async def _loud_school(lab: Lab, report: Report, system: System) -> None:
    """Measure one school's alarms beside another school's mass and its previews."""
    count = lab.size(3_000, 30)
    loud, quiet = notifier_load.add_school(system, 1), notifier_load.add_school(system, 1)
    async with client_of(system) as client:
        await send_one(client, quiet, kind="safety")  # warms connections and caches
        sending = asyncio.create_task(send_mass(client, loud, count, urgent=True))
        previews = asyncio.create_task(_previews(client, loud))
        alarms = []
        while not sending.done():
            alarms.append(await send_one(client, quiet, kind="safety"))
            await asyncio.sleep(ALARM_EVERY)
        mass = await sending
        previews.cancel()
        made = await previews
        await until_ended(system, [*mass, *alarms])
    for channel in ("push", "mail"):
        delays = notifier_load.delays(system, alarms, channel)
        report.exactly(f"alarms not sent, {channel}", len(alarms) - len(delays), "", 0)
        p99 = delays[min(len(delays) - 1, int(len(delays) * 0.99))]
        beside = f"beside {count} urgent sends of another school"
        report.at_most(f"alarm by {channel} {beside}, p99", p99, "s", 2)
    report.figure("alarms", len(alarms), "")
    report.figure("costliest previews answered meanwhile", made, "")


async def _stall(lab: Lab, report: Report, system: System) -> None:
    """Stop the broker's process for a while under load; then see how soon all is sent, and by how many permits."""
    stall, rate = lab.seconds(60, 3), lab.size(30, 10)
    school = notifier_load.add_school(system, 1)
    async with client_of(system) as client:
        before, windows = await _permits(client, system), int(system.rows(WINDOWS)[0]["n"])
        broker = lab.fleet.pid("rabbitmq")
        os.kill(broker, signal.SIGSTOP)
        began, sent = time.monotonic(), list[str]()
        try:
            while time.monotonic() < began + stall:
                sent.append(await send_one(client, school))
                await asyncio.sleep(max(0.0, began + len(sent) / rate - time.monotonic()))
        finally:
            os.kill(broker, signal.SIGCONT)
        for _ in range(rate * lab.size(20, 2)):
            sent.append(await send_one(client, school))
            await asyncio.sleep(1 / rate)
        ended = time.monotonic()
        await until_ended(system, sent)
        drained = time.monotonic() - ended
        permits = await _permits(client, system) - before
    report.figure(f"sends, {stall} s of them with a broker that stands still", len(sent), "")
    report.at_most("all sent after the end of the load", drained, "s", 20)
    windows = int(system.rows(WINDOWS)[0]["n"]) - windows
    report.at_most("permits handled for each window", permits / windows, "", 2)


async def _costly_recipient(lab: Lab, report: Report, system: System) -> None:
    """Compare the mails of a school alone, and beside 20 sends to one whose address ends the server's connection."""
    people = lab.size(500, 20)
    school = notifier_load.add_school(system, people)
    costly = notifier_load.add_school(system, 1)
    bad = [str(row["address"]) for row in system.rows(ADDRESSES, costly)]
    await notifier_load.notify(system, school, ("mail",))  # warms connections and caches
    for reply, fault in (("421", "busy_addresses"), ("a reset", "reset_addresses")):
        alone = await _mailed(system, school, people)
        system.faults("smtp", **{fault: bad})
        for _ in range(20):
            await notifier_load.send(system, costly, ("mail",), urgent=True)
        beside = await _mailed(system, school, people)
        system.faults("smtp", reset=True)
        later = beside - alone
        report.figure(f"mails of a school, last, alone before {reply}", alone, "s")
        report.at_most(f"later beside 20 sends to one that answers with {reply}", later, "s", 1)


async def _mailed(system: System, school: UUID, people: int) -> float:
    notification = await notifier_load.send(system, school, ("mail",))
    return (await notifier_load.all_answered(system, notification, "mail", people))[-1]


async def send_mass(client: httpx.AsyncClient, school: UUID, count: int, *, urgent: bool = False) -> list[str]:
    """Request notifications of a school, several at a time; returns their ids."""
    left, sent = iter(range(count)), list[str]()

    async def lane() -> None:
        for _ in left:
            sent.append(await send_one(client, school, urgent=urgent))

    await asyncio.gather(*(lane() for _ in range(LANES)))
    return sent


async def _previews(client: httpx.AsyncClient, school: UUID) -> int:
    """Ask for the costliest preview again and again until cancelled; returns how many were answered.

    On a busy machine one may be refused with 503: the mass has the processor.
    """
    texts = {tag: {part: f"{tag} {text}" for part, text in WORST.items()} for tag in LANGUAGES}
    answered = 0
    with suppress(asyncio.CancelledError):
        while True:
            path = f"/v1/templates/payment_due/preview?school={school}"
            answer = await client.post(path, json={"draft": {"texts": texts}})
            if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                answer.raise_for_status()
                answered += 1
    return answered


async def send_one(client: httpx.AsyncClient, school: UUID, *, kind: str = "general", urgent: bool = False) -> str:
    """Request a notification of a whole school, which has one person here; returns its id."""
    content: dict[str, Any] = {
        "school": str(school),
        "type": kind,
        "title": notifier_load.TITLE,
        "body": notifier_load.TEXT,
        "audience": {"school": True},
        "channels": ["push", "mail"],
        "urgent": urgent,
    }
    answer = await client.post("/v1/notifications", json=content, headers={"Idempotency-Key": uuid4().hex})
    answer.raise_for_status()
    return str(answer.json()["notification_id"])


async def until_ended(system: System, notifications: list[str]) -> None:
    """Wait until notifications have ended."""

    async def ended() -> int:
        return int((await asyncio.to_thread(system.rows, ENDED, notifications))[0]["n"])

    await eventually(ended, lambda n: n == len(notifications), within=notifier_load.WITHIN)


async def _permits(client: httpx.AsyncClient, system: System) -> float:
    """Return the permits to send that the notifier has handled."""
    page = (await client.get(f"http://127.0.0.1:{system.ports['notifier']}/metrics")).text
    lines = [line for line in page.splitlines() if line.startswith("schoolconnect_messages_handled_total{")]
    sends = [line for line in lines if 'queue="notifier.work.push' in line or 'queue="notifier.work.mail' in line]
    return sum(float(line.rpartition(" ")[2]) for line in sends)


@asynccontextmanager
async def client_of(system: System) -> AsyncIterator[httpx.AsyncClient]:
    """Connect as an administrator of the group."""
    bearer = Bearer(lambda: tokens.make(system.backing.keys / "signing.pem", "platform_admin"))
    async with httpx.AsyncClient(base_url=system.url, auth=bearer, timeout=90) as client:
        yield client
