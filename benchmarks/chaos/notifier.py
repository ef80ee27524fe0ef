"""Every known fault of providers, at 5 % each, on one bulk: all figures add up, and no person is notified twice.

UNAVAILABLE, QUOTA_EXCEEDED with Retry-After and UNREGISTERED at FCM; 451 and 550 at the mail server. Dice are seeded.
Before that an FCM that answers after ten seconds: its effect on mail, by the database's own times. After it what one
school or one recipient costs all others.
"""

import asyncio
from contextlib import closing
from statistics import median
from typing import LiteralString

from benchmarks import neighbours, notifier_load
from benchmarks.harness import Lab, Report
from cli.testing.system import System
from shared.testing.fixtures import eventually

RETRY_AFTER = 3
RATE = 0.05

# Between a QUOTA_EXCEEDED and the next call for the same delivery: never less than its Retry-After.
EARLY: LiteralString = """
SELECT count(*) AS n FROM notifier.attempt a
JOIN notifier.attempt b ON b.delivery_id = a.delivery_id AND b.number = a.number + 1
WHERE a.outcome IN ('throttled', 'transient') AND a.reason IN ('QUOTA_EXCEEDED', 'UNAVAILABLE')
  AND b.started_at < a.ended_at + make_interval(secs => %s)
"""
WAITED: LiteralString = """
SELECT count(*) AS n FROM notifier.attempt WHERE reason = 'QUOTA_EXCEEDED'
"""
ROWS: LiteralString = """
SELECT count(*) AS n, count(DISTINCT (person_id, channel, address, round)) AS rows FROM notifier.delivery
WHERE notification_id = %s
"""
OUTCOMES: LiteralString = """
SELECT d.channel, a.outcome, count(*) AS n FROM notifier.attempt a JOIN notifier.delivery d USING (delivery_id)
WHERE d.notification_id = %s GROUP BY 1, 2
"""
INVALIDATED: LiteralString = """
SELECT count(*) AS n FROM notifier.attempt WHERE outcome = 'token_dead'
"""


async def run(lab: Lab, report: Report) -> None:
    """Promises 1, 2 and 10 under faults of the providers."""
    people = lab.size(5_000, 80)
    settings = {"LOG_LEVEL": "WARNING", "DELIVERY_LEASE": str(lab.size(30, 10))}
    async with lab.system(("gateway", "notifier"), **settings) as system:
        await _slow_push(lab, report, system)
    async with lab.system(("gateway", "notifier"), **settings) as system:
        school = notifier_load.add_school(system, people)
        faults = {"unavailable": RATE, "quota": RATE, "unregistered": RATE, "retry_after_s": RETRY_AFTER}
        system.faults("fcm", seed=lab.seed, **faults)
        system.faults("smtp", seed=lab.seed, defer=RATE, reject=RATE)
        sent = await notifier_load.notify(system, school)
        await _counters_at_rest(system)
        _judge(report, system, sent, people)
    await neighbours.run(lab, report)


async def _slow_push(lab: Lab, report: Report, system: System) -> None:
    """Promise 10: the mails of a bulk while no push of it is answered, beside the same bulk with a quick FCM."""
    people = lab.size(2_000, 40)
    school = notifier_load.add_school(system, people)
    await notifier_load.notify(system, school)  # warms connections and caches before the measurement

    async def mailed() -> tuple[str, float]:
        notification = await notifier_load.send(system, school)
        seconds = await notifier_load.all_answered(system, notification, "mail", people)
        return notification, seconds[min(people - 1, int(people * 0.99))]

    quick, slow, answered, slow_ms = [], [], 0, lab.size(10_000, 1_000)
    for _ in range(lab.size(3, 1)):
        notification, seconds = await mailed()
        quick.append(seconds)
        with closing(system.api()) as api:
            await notifier_load.ended(api, notification)
            system.faults("fcm", latency_ms=slow_ms)
            notification, seconds = await mailed()
            slow.append(seconds)
            answered += notifier_load.counts(system, notification)["push"].get("accepted", 0)
            system.faults("fcm", latency_ms=0)
            stopped = api._client.post(f"/v1/notifications/{notification}/cancel")  # noqa: SLF001
            if stopped.status_code != 409:  # noqa: PLR2004  # all was sent by then
                stopped.raise_for_status()
            await notifier_load.ended(api, notification)
    report.figure("mails of a bulk, p99, quick FCM", median(quick), "s")
    slowness = f"FCM at {slow_ms // 1000} s"
    report.figure(f"mails of a bulk, p99, {slowness}", median(slow), "s")
    report.at_most(f"promise 10: mail, p99 with {slowness}", median(slow) / median(quick), "× its own", 2.0)
    report.figure("pushes answered before the last mail", answered, "")


async def _counters_at_rest(system: System) -> None:
    """Wait until every event that followed has left the outbox."""

    async def left() -> int:
        rows = await asyncio.to_thread(system.rows, "SELECT count(*) AS n FROM notifier.outbox")
        return int(rows[0]["n"])

    await eventually(left, lambda n: n == 0, within=30)


def _judge(report: Report, system: System, sent: notifier_load.Bulk, people: int) -> None:
    counts = notifier_load.counts(system, sent.notification)
    calls = {name: system.stats(name) for name in ("fcm", "smtp")}
    attempts: dict[str, dict[str, int]] = {}
    for row in system.rows(OUTCOMES, sent.notification):
        attempts.setdefault(row["channel"], {})[row["outcome"]] = row["n"]
    report.figure("people, push and mail", people, "")
    report.figure("notified in", sent.seconds, "s")
    for channel, fake in (("push", "fcm"), ("mail", "smtp")):
        states, made = counts[channel], attempts[channel]
        report.figure(f"{channel}: accepted", states.get("accepted", 0), "")
        report.figure(f"{channel}: failed for good", states.get("failed", 0), "")
        report.figure(f"{channel}: refused for now", made.get("transient", 0) + made.get("throttled", 0), "calls")
        missing = people - states.get("accepted", 0) - states.get("failed", 0)
        report.exactly(f"promise 01: {channel}, people without an end", missing, "", 0)
        off = abs(calls[fake]["sent"] - states.get("accepted", 0))
        report.exactly(f"promise 01: {channel}, accepted here and at the provider differ by", off, "", 0)
        over = max(0, calls[fake]["calls_total"] - sum(made.values()))
        report.exactly(f"promise 02: {channel}, calls beyond attempts", over, "", 0)
        report.exactly(f"promise 02: {channel}, sent twice", calls[fake]["duplicates"], "", 0)
    rows = system.rows(ROWS, sent.notification)[0]
    report.exactly("promise 01: rows beyond one for each address", rows["n"] - rows["rows"], "", 0)
    report.at_least("QUOTA_EXCEEDED met", system.rows(WAITED)[0]["n"], "calls", 1)
    report.exactly("Retry-After: calls before it was over", system.rows(EARLY, RETRY_AFTER)[0]["n"], "", 0)
    dead = system.rows(INVALIDATED)[0]["n"] - counts["push"].get("failed", 0)
    report.exactly("dead tokens and pushes that failed differ by", abs(dead), "", 0)
