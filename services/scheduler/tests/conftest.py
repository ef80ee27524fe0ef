"""The real scheduler on a new database and virtual host; its claim loop runs only where a test starts it."""

import datetime as dt
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import psycopg
import pytest
import pytest_asyncio
from uuid_utils.compat import uuid7

from scheduler import handlers, store
from scheduler.claim_loop import fire_repeating, fire_single_runs
from scheduler.main import build
from scheduler.settings import Settings
from shared.events import CalendarChanged, ScheduleRequested, SchoolChanged, TaskCancelRequested
from shared.events.schedule_rules import CronRule, OnceRule
from shared.http.tokens import Claims, sign
from shared.service.service import Service
from shared.testing.fixtures import Backing, fresh_database, fresh_vhost, write_keys

UTC = dt.UTC
MESSAGE = {
    "kind": "general",
    "audience": {"school": True},
    "channels": ["inbox"],
    "title": "Hello",
    "body": "A made-up text.",
}
SELECT_PUBLISHED = """
SELECT data::jsonb AS data, headers::jsonb AS headers FROM outbox
WHERE routing_key = %(topic)s AND data::jsonb->>%(field)s = %(id)s ORDER BY position
"""


@dataclass(frozen=True)
class Scheduler:
    """A scheduler for tests; a test changes due times in the rows instead of waiting."""

    service: Service
    client: httpx.AsyncClient
    key: bytes

    def request(self, rule, school=None, message=None, **changes):
        """Make the request that the gateway would have committed."""
        payload = MESSAGE | (message or {})
        if rule.kind == "once":
            payload |= {"notification_id": str(uuid7()), "task_id": str(uuid7())}
        content = {
            "schedule_id": uuid7(),
            "school_id": school or uuid7(),
            "rule": rule,
            "timezone": "Europe/Berlin",
            "directory_version": 3,
            "requested_at": dt.datetime.now(UTC),
            "payload": payload,
        }
        return ScheduleRequested(**content | changes)

    async def add(self, rule, school=None, **changes):
        """Register a schedule; returns its request."""
        event = self.request(rule, school, **changes)
        async with self.service.transactions.begin() as tx:
            await handlers.register(event, tx)
        return event

    async def add_due(self, seconds_ago=1.0, school=None, **changes):
        """Register a single run that has been due for `seconds_ago`."""
        at = dt.datetime.now(UTC) - dt.timedelta(seconds=seconds_ago)
        return await self.add(OnceRule(at=at), school, **changes)

    async def add_repeating(self, expression="0 8 * * *", school=None, **changes):
        return await self.add(CronRule(expression=expression), school, **changes)

    async def set(self, schedule, **columns):
        """Change columns of a schedule."""
        names = ", ".join(f"{name} = %({name})s" for name in columns)
        async with self.service.transactions.begin() as tx:
            await tx.execute(f"UPDATE schedule SET {names} WHERE schedule_id = %(id)s", columns | {"id": schedule})

    async def row(self, schedule):
        async with self.service.transactions.begin() as tx:
            return await tx.row("SELECT * FROM schedule WHERE schedule_id = %s", (schedule,))

    async def published(self, ident, topic="notification.due", field="schedule_id"):
        """Return the outbox rows about a schedule; no relay removes them here."""
        async with self.service.transactions.begin() as tx:
            return await tx.rows(SELECT_PUBLISHED, {"topic": topic, "field": field, "id": str(ident)})

    async def fire_due(self):
        """Fire all due schedules."""
        while await fire_single_runs(self.service.transactions, 500) + await fire_repeating(self.service.transactions):
            pass

    async def school(self, timezone="Europe/Berlin", calendar=None, *, version=1, school=None):
        """Project a school, as from the log; returns its id."""
        school = school or uuid7()
        common = {"school_id": school, "version": version, "positions": {school: version}}
        events = [SchoolChanged(name="Demo", timezone=timezone, **common)]
        if calendar is not None:
            events.append(CalendarChanged(**common, **calendar))
        async with self.service.transactions.begin() as tx:
            await handlers.remember_schools(events, tx)
        return school

    async def ask(self, method, path, school, role="school_admin", headers=None, **more):
        signed = sign(self.key, Claims(role=role, school=school, use="internal"), dt.timedelta(minutes=1))
        headers = {"Authorization": f"Bearer {signed}"} | (headers or {})
        return await self.client.request(method, f"/v1/schedules{path}", headers=headers, **more)

    async def cancel_task(self, task, school):
        """Handle the gateway's cancel of a task: a single run's task has the id of its schedule."""
        wish = TaskCancelRequested(
            task_id=task, school_id=school, kind="notification.send", requested_at=await self.now()
        )
        async with self.service.transactions.begin() as tx:
            await handlers.cancel_task(wish, tx)

    async def now(self):
        async with self.service.transactions.begin() as tx:
            return await store.database_now(tx)


@pytest.fixture(scope="module")
def backing(tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys")
    write_keys(keys)
    with fresh_database(["scheduler"]) as database, fresh_vhost() as amqp:
        yield Backing(database, amqp, keys)


@asynccontextmanager
async def serving(backing):
    environment = {name.lower(): value for name, value in backing.environment("scheduler").items()}
    service = build(Settings(**environment))
    transport = httpx.ASGITransport(service.app(), raise_app_exceptions=False)
    await service.database.open()
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://scheduler", timeout=30) as client:
            yield Scheduler(service, client, (backing.keys / "signing.pem").read_bytes())
    finally:
        await service.database.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scheduler(backing):
    """The scheduler with its tables and routes; relay and claim loop do not run."""
    async with serving(backing) as found:
        yield found


@pytest.fixture
def admin(backing):
    """A superuser's connection to the database."""
    with psycopg.connect(backing.admin_url, autocommit=True) as connection:
        yield connection
