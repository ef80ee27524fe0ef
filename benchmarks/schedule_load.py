"""The load of the scheduler's measurements: schedules written below the API, and a consumer of all due runs."""

import asyncio
import datetime as dt
import json
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import aio_pika
import psycopg
from uuid_utils.compat import uuid7

from scheduler import store
from scheduler.main import build
from scheduler.settings import Settings
from shared.events import Envelope, NotificationDue, ScheduleRequested
from shared.events.schedule_rules import CronRule, OnceRule, Rule
from shared.messaging.topology import EVENTS, Topology, reaction_queue
from shared.persistence.database import Database
from shared.persistence.encryption import SubjectKeyStore, read_master_key
from shared.service.service import Service
from shared.testing.fixtures import Backing, declare

QUEUE = reaction_queue("notifier", NotificationDue.topic)
AGES = 10**6
SOME = 500
SCHOOL = uuid7()
SERVICES = ("gateway", "scheduler")
"""Services whose schemas are needed: the gateway's for the keys, which only it may make."""


def service_on(backing: Backing, **changes: Any) -> Service:
    """Build the scheduler in this process, as in production."""
    environment = {name.lower(): value for name, value in backing.environment("scheduler").items()}
    return build(Settings(**(environment | changes)))


async def prepare(backing: Backing) -> None:
    """Declare the scheduler's topology and the notifier's queue."""
    await declare(backing.amqp_url, service_on(backing).topology(), Topology(queues=(QUEUE,)))


def request(rule: Rule) -> ScheduleRequested:
    """Return the gateway's event; its run is about 600 bytes on the bus."""
    once = {"notification_id": str(uuid7()), "task_id": str(uuid7())} if isinstance(rule, OnceRule) else {}
    message = {"kind": "general", "audience": {"school": True}, "channels": ["push", "inbox"], "title": "Excursion"}
    return ScheduleRequested(
        schedule_id=uuid7(),
        school_id=SCHOOL,
        rule=rule,
        timezone="UTC",
        catch_up="all",
        max_age_seconds=AGES,
        directory_version=1,
        requested_at=dt.datetime.now(dt.UTC),
        payload=message | {"body": "Grade 7 leaves at eight. A made-up text."} | once,
    )


def every_second() -> ScheduleRequested:
    """A rule that the API does not offer: a tick each second."""
    return request(CronRule(expression="* * * * *", seconds="*"))


def once(due: dt.datetime) -> ScheduleRequested:
    """A single run."""
    return request(OnceRule(at=due))


async def keys(backing: Backing, events: Iterable[ScheduleRequested]) -> None:
    """Make the keys that seal the texts of schedules, as the gateway does."""
    database = Database(backing.environment("gateway")["DATABASE_URL"], "gateway")
    await database.open()
    try:
        vault = SubjectKeyStore(database, read_master_key(backing.keys / "vault.key"), creates=True)
        await vault.keys(event.schedule_id for event in events)
    finally:
        await database.close()


async def add(service: Service, backing: Backing, events: Sequence[ScheduleRequested]) -> None:
    """Write schedules below the API."""
    await keys(backing, events)
    for start in range(0, len(events), SOME):
        async with service.transactions.begin() as tx:
            for event in events[start : start + SOME]:
                await store.register(tx, event)


async def publish(url: str, events: Iterable[ScheduleRequested]) -> None:
    """Publish requests for schedules, as the gateway's relay does."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange(EVENTS, ensure=False)
        pending = []
        for event in events:
            headers: dict[str, Any] = dict(Envelope.of(event, "gateway").headers())
            message = aio_pika.Message(event.model_dump_json().encode(), headers=headers, delivery_mode=2)
            pending.append(exchange.publish(message, event.topic))
            if len(pending) == 200:  # noqa: PLR2004  # confirms on their way at once
                await asyncio.gather(*pending)
                pending = []
        await asyncio.gather(*pending)


def grow(admin_url: str, template: UUID, count: int, due: str) -> None:
    """Insert `count` copies of a single run, due at a SQL expression of `n`, in one statement."""
    columns = "school_id, emits, state, rule, timezone, catch_up, max_age_seconds, payload, directory_version"
    more = "requested_at, simple, fire_until, headers, data"
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute("SET role scheduler_worker")
        connection.execute(
            f"INSERT INTO scheduler.schedule (schedule_id, due_at, {columns}, {more}) "  # noqa: S608  # our own names
            f"SELECT gen_random_uuid(), {due}, {columns}, {more} "
            "FROM scheduler.schedule, generate_series(1, %s) AS n WHERE schedule_id = %s",
            (count, template),
        )
        connection.execute("RESET role")
        connection.execute("ANALYZE scheduler.schedule")


@dataclass
class Taken:
    """The consumed runs by message id, as a consumer's inbox accepts them."""

    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    repeats: int = 0

    def take(self, headers: dict[str, Any], body: bytes) -> None:
        """Add one message; the same id again is a repeat on the wire, which an inbox drops."""
        ident = str(headers["ce-id"])
        if ident in self.runs:
            self.repeats += 1
            return
        run = json.loads(body)
        due = dt.datetime.fromisoformat(run["due_at"])
        self.runs[ident] = {
            "schedule": UUID(run["schedule_id"]),
            "due": due,
            "fired": dt.datetime.fromisoformat(str(headers["ce-time"])),
            "late": time.time() - due.timestamp(),
        }

    def of(self, schedules: Iterable[UUID]) -> dict[UUID, list[dict[str, Any]]]:
        """Return the runs of these schedules, by schedule."""
        found: dict[UUID, list[dict[str, Any]]] = {schedule: [] for schedule in schedules}
        for run in self.runs.values():
            if run["schedule"] in found:
                found[run["schedule"]].append(run)
        return found

    def late(self, percent: float) -> float:
        """Return the seconds from due to consumed, at a percentile."""
        return _at(percent, (run["late"] for run in self.runs.values()))

    def fired_late(self, percent: float) -> float:
        """Return the seconds from due to fired, by the database's clock, at a percentile."""
        return _at(percent, ((run["fired"] - run["due"]).total_seconds() for run in self.runs.values()))


def _at(percent: float, values: Iterable[float]) -> float:
    ordered = sorted(values)
    return float(ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]) if ordered else 0.0


@asynccontextmanager
async def taking(url: str) -> AsyncIterator[Taken]:
    """Consume due runs from the notifier's queue until the body ends."""
    taken = Taken()

    async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        taken.take(dict(message.headers), message.body)
        await message.ack()

    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.set_qos(200)
        queue = await channel.get_queue(QUEUE.name, ensure=False)
        await queue.consume(take)
        yield taken
