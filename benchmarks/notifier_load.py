"""Schools full of made-up guardians, written into the tables, and the results of notifying them."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psutil
import psycopg

from cli.demo.client import Gateway, Message
from cli.testing.system import System
from shared.testing.fixtures import eventually

WITHIN = 600.0
TITLE, TEXT = "Fees due", "Term fees are due on Friday."

# Directory version 0: a send waits for nothing. The gateway only needs to know the school.
SCHOOL: LiteralString = """
WITH known AS (
    INSERT INTO gateway.school (school_id, sourced_id, name, timezone)
    SELECT %(school)s, %(school)s::text, 'Demo', 'UTC'
)
INSERT INTO notifier.school (school_id, name, timezone, language, active, mute_details, version)
SELECT %(school)s, 'Demo', 'UTC', 'en', true, true, 1
"""
PEOPLE: LiteralString = """
WITH made AS MATERIALIZED (SELECT gen_random_uuid() AS id FROM generate_series(1, %(people)s)), people AS (
    INSERT INTO notifier.person (person_id, active, version) SELECT id, true, 1 FROM made
), members AS (
    INSERT INTO notifier.membership (person_id, school_id, role) SELECT id, %(school)s, 'guardian' FROM made
), contacts AS (
    INSERT INTO notifier.contact (person_id, kind, address) SELECT id, 'mail', id || '@example.org' FROM made
)
INSERT INTO notifier.device (person_id, token, platform, registered_at)
SELECT id, 'token-' || id, 'android', now() FROM made
"""
ANALYZE: LiteralString = "ANALYZE notifier.person, notifier.membership, notifier.contact, notifier.device"
COUNTS: LiteralString = """
SELECT channel, state, count(*) AS n FROM notifier.delivery WHERE notification_id = %s GROUP BY 1, 2
"""
FIRST_ANSWERS: LiteralString = """
SELECT extract(epoch FROM min(a.ended_at) - n.requested_at)::float AS seconds
FROM notifier.notification n JOIN notifier.delivery d USING (notification_id)
JOIN notifier.attempt a USING (delivery_id)
WHERE n.notification_id = ANY(%s::uuid[]) AND d.channel = %s AND a.outcome = 'accepted'
GROUP BY n.notification_id, n.requested_at
"""

# From the request to the notifier's row, from there to the claim, from there to the recorded answer.
STAGES: LiteralString = """
SELECT extract(epoch FROM n.received_at - n.requested_at)::float AS received,
    extract(epoch FROM a.started_at - n.received_at)::float AS claimed,
    extract(epoch FROM a.ended_at - a.started_at)::float AS answered
FROM notifier.notification n JOIN notifier.delivery d USING (notification_id)
JOIN notifier.attempt a USING (delivery_id)
WHERE n.notification_id = ANY(%s::uuid[]) AND a.outcome = 'accepted'
"""
ALL_ANSWERS: LiteralString = """
SELECT extract(epoch FROM a.ended_at - n.requested_at)::float AS seconds
FROM notifier.notification n JOIN notifier.delivery d USING (notification_id)
JOIN notifier.attempt a USING (delivery_id)
WHERE n.notification_id = %s AND d.channel = %s AND a.outcome = 'accepted' ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Bulk:
    """A bulk: the seconds from the request to the last outcome, and the notifier's processor time."""

    notification: str
    seconds: float
    cpu: float


def add_school(system: System, people: int) -> UUID:
    """Add a school of so many guardians, each with a mail address and a device."""
    school = uuid4()
    with psycopg.connect(system.backing.admin_url, autocommit=True) as connection:
        connection.execute(SCHOOL, {"school": school})
        connection.execute(PEOPLE, {"school": school, "people": people})
        connection.execute(ANALYZE)
    return school


async def send(
    system: System, school: UUID, channels: Sequence[str] = ("push", "mail"), *, urgent: bool = False
) -> str:
    """Request a notification of a school; returns its id."""

    def ask() -> str:
        with closing(system.api()) as api:
            content = Message(str(school), "general", TITLE, TEXT, {"school": True}, channels).content()
            headers = {"Idempotency-Key": uuid4().hex}
            answer = api._client.post("/v1/notifications", json=content | {"urgent": urgent}, headers=headers)  # noqa: SLF001
            answer.raise_for_status()
            return str(answer.json()["notification_id"])

    return await asyncio.to_thread(ask)


async def ended(api: Gateway, notification: str, within: float = WITHIN) -> None:
    """Return when a notification has ended."""

    async def state() -> str:
        return (await asyncio.to_thread(api.notification, notification)).state

    await eventually(state, lambda seen: seen in ("completed", "failed", "cancelled"), within=within)


async def notify(system: System, school: UUID, channels: Sequence[str] = ("push", "mail")) -> Bulk:
    """Notify a whole school and wait for the last outcome."""
    process = psutil.Process(system.fleet.pid("notifier"))
    before, began = process.cpu_times(), time.perf_counter()
    with closing(system.api()) as api:
        notification = await send(system, school, channels)
        await ended(api, notification)
    seconds, after = time.perf_counter() - began, process.cpu_times()
    return Bulk(notification, seconds, after.user + after.system - before.user - before.system)


def counts(system: System, notification: str) -> dict[str, dict[str, int]]:
    """Return the number of deliveries by channel and state."""
    found: dict[str, dict[str, int]] = {}
    for row in system.rows(COUNTS, notification):
        found.setdefault(row["channel"], {})[row["state"]] = row["n"]
    return found


def delays(system: System, notifications: Sequence[str], channel: str) -> list[float]:
    """Return the seconds from the request to the provider's answer, for each notification of one person, in order."""
    rows: list[dict[str, Any]] = system.rows(FIRST_ANSWERS, list(notifications), channel)
    return sorted(row["seconds"] for row in rows)


async def all_answered(system: System, notification: str, channel: str, people: int) -> list[float]:
    """Return the seconds from the request to each person's answer on one channel, in order, once all have one."""

    async def look() -> list[float]:
        rows = await asyncio.to_thread(system.rows, ALL_ANSWERS, notification, channel)
        return [row["seconds"] for row in rows]

    return await eventually(look, lambda seen: len(seen) >= people, within=WITHIN)


def stages(system: System, notifications: Sequence[str]) -> dict[str, list[float]]:
    """Return the seconds of each stage, over notifications and channels, in order: they show where a delay arises."""
    rows: list[dict[str, float]] = system.rows(STAGES, list(notifications))
    return {stage: sorted(row[stage] for row in rows) for stage in ("received", "claimed", "answered")}
