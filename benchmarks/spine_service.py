"""A service for measuring: one table, one reaction and one projection of the usual kind, on a backing of its own."""

import asyncio
import datetime as dt
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import psycopg

from benchmarks.baseline_aio_pika import Message
from shared.events import NotificationCompleted, TaskChanged
from shared.events.envelope import Envelope
from shared.events.event import Event
from shared.service.service import Service
from shared.settings import ServiceSettings
from shared.telemetry import configure_logs
from shared.testing.fixtures import Backing, declare, eventually
from shared.transactions.unit_of_work import UnitOfWork

SERVICE = "notifier"
POLL = 0.002

TABLES = """
CREATE TABLE notifier.told (notification_id uuid PRIMARY KEY, school_id uuid, task_id uuid, told_at timestamptz);
CREATE TABLE notifier.task (task_id uuid PRIMARY KEY, epoch int, version int, state text, changed_at timestamptz);
GRANT ALL ON notifier.told, notifier.task TO notifier_worker, notifier_app;
"""
CLEAR = "TRUNCATE notifier.told, notifier.task, notifier.inbox, notifier.outbox, notifier.log_offset"

KEEP = """
INSERT INTO told (notification_id, school_id, task_id, told_at)
VALUES (%(notification_id)s, %(school_id)s, %(task_id)s, clock_timestamp())
"""

PROJECT = """
INSERT INTO task AS t (task_id, epoch, version, state, changed_at)
SELECT * FROM unnest(%(ids)s::uuid[], %(epochs)s::int[], %(versions)s::int[], %(states)s::text[],
                     %(times)s::timestamptz[])
ON CONFLICT (task_id) DO UPDATE
SET epoch = excluded.epoch, version = excluded.version, state = excluded.state, changed_at = excluded.changed_at
WHERE (t.epoch, t.version) < (excluded.epoch, excluded.version)
"""

PADDING = {"push": {"accepted": 1200, "failed": 3, "suppressed": 40}, "mail": {"accepted": 1100, "failed": 1}}
RESULT = {"planned": 2344, "accepted": 2300, "failed": 4, "suppressed": 40}
"""With these a message has about 330 bytes, like our events."""


def request() -> NotificationCompleted:
    """Return an event for a reaction."""
    ids = [uuid.uuid4() for _ in range(3)]
    return NotificationCompleted(notification_id=ids[0], school_id=ids[1], task_id=ids[2], counts=PADDING)


def fact(task_id: uuid.UUID, school_id: uuid.UUID) -> TaskChanged:
    """Return an event for a projection."""
    return TaskChanged(
        task_id=task_id,
        school_id=school_id,
        kind="notification",
        state="succeeded",
        version=1,
        result=RESULT,
        changed_at=dt.datetime.now(dt.UTC),
    )


def message(event: Event) -> Message:
    """Return the message that the relay sends for an event."""
    return Message(event.topic, dict(Envelope.of(event, SERVICE).headers()), event.model_dump_json().encode())


async def remember(event: NotificationCompleted, tx: UnitOfWork) -> None:
    """A handler that writes a row and emits nothing."""
    tx.write(KEEP, {"notification_id": event.notification_id, "school_id": event.school_id, "task_id": event.task_id})


async def react(event: NotificationCompleted, tx: UnitOfWork) -> None:
    """The usual handler: a row and an event."""
    await remember(event, tx)
    tx.emit(fact(event.task_id, event.school_id))


async def project(events: Sequence[Event], tx: UnitOfWork) -> None:
    """The usual projection: one statement for all rows, guarded by version."""
    facts = [event for event in events if isinstance(event, TaskChanged)]
    await tx.execute(
        PROJECT,
        {
            "ids": [event.task_id for event in facts],
            "epochs": [event.epoch for event in facts],
            "versions": [event.version for event in facts],
            "states": [event.state for event in facts],
            "times": [event.changed_at for event in facts],
        },
    )


class Ground:
    """Makes services on one backing and counts their results."""

    def __init__(self, backing: Backing) -> None:
        self.backing = backing
        self.url = backing.amqp_url

    async def prepare(self, service: Service | None = None) -> None:
        """Make tables, and the topology of `service`, or of one that reacts and projects as usual."""
        configure_logs("bench", "ERROR", "json")
        await self.admin(TABLES)
        if service is None:
            service = self.service()
            service.on(NotificationCompleted, react)
            service.project("project", (TaskChanged,), project)
        await declare(self.url, service.topology())

    def service(self, **changes: Any) -> Service:
        """Build a service without handlers."""
        environment = {name.lower(): value for name, value in self.backing.environment(SERVICE).items()}
        return Service(SERVICE, ServiceSettings.model_validate(environment | changes))

    async def admin(self, statements: str) -> None:
        """Run statements as the database's owner."""
        async with await psycopg.AsyncConnection.connect(self.backing.admin_url, autocommit=True) as connection:
            await connection.execute(statements)

    async def clear(self) -> None:
        """Delete all rows and offsets."""
        await self.admin(CLEAR)

    async def purge(self, queue: str) -> None:
        """Delete all messages of a queue."""
        async with await aio_pika.connect(self.url) as connection:
            channel = await connection.channel()
            await (await channel.get_queue(queue, ensure=False)).purge()

    @asynccontextmanager
    async def running(self, service: Service) -> AsyncIterator[Service]:
        """Run the service until the body ends; it may not be ready yet."""
        async with service.runtime.running():
            yield service


async def ready(service: Service) -> None:
    """Wait until it is ready."""
    await eventually(service.runtime.not_ready, lambda reasons: reasons == [], within=30)


async def until(done: Callable[[], bool], within: float = 120.0) -> None:
    """As `eventually`, with a fine step, because the wait is measured."""
    async with asyncio.timeout(within):
        while not done():
            await asyncio.sleep(POLL)
