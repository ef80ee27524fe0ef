"""The notifier for tests: a real database, recording providers, permits that a test performs."""

import datetime as dt
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from uuid_utils.compat import uuid7

from notifier import handlers
from notifier.directory import projection
from notifier.main import Couriers, build
from notifier.permits import DigestPermit, PlanPermit, SendPermit
from notifier.providers import Mail, Push
from notifier.sending.send_worker import send_deliveries, send_digests
from notifier.settings import Settings
from services.notifier.tests.recording import Recording
from shared.events import Audience, Envelope, NotificationRequested, PersonChanged, SchoolChanged, StudentChanged
from shared.events.directory import Contact, Device, Membership
from shared.http.tokens import Claims, sign
from shared.service.service import Service

# Every table that a test fills.
EMPTY = """
TRUNCATE notification, delivery, attempt, release, inbox_item, outbox, inbox, task_track, directory_seen,
    digest_window, group_address, suppression, urgent_rate CASCADE
"""
PERMITS = "DELETE FROM outbox WHERE exchange = '' AND routing_key LIKE 'notifier.work.%' RETURNING headers, data"
EVENTS = "SELECT headers, data FROM outbox WHERE exchange <> '' ORDER BY position"
DUE = "UPDATE delivery SET due_at = clock_timestamp() WHERE state = 'pending' AND due_at > clock_timestamp()"
SPENT = "WITH r AS (UPDATE release SET permitted_until = now()) UPDATE digest_window SET permitted_until = now()"
LONG_AGO = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@dataclass
class NotifierHarness:
    """A service whose relay and consumers do not run: a test decides when something happens."""

    service: Service
    settings: Settings
    providers: Couriers
    push: Recording[Push]
    mail: Recording[Mail]
    version: int = 1
    started: list[UUID] = field(default_factory=list)

    @classmethod
    def of(cls, backing, push=None, mail=None, **changes):
        """Build one; `push` and `mail` are the provider's answers, or couriers."""
        environment = {name.lower(): value for name, value in backing.environment("notifier").items()}
        settings = Settings(**(environment | changes))
        recorders = tuple(each if hasattr(each, "send") else Recording(each) for each in (push, mail))
        providers = Couriers(*recorders, settings)
        return cls(build(settings, providers), settings, providers, *recorders)

    @cached_property
    def app(self) -> FastAPI:
        """The service's application, made once: its metrics are registered once."""
        return self.service.app()

    async def rows(self, query: str, values: Any = None) -> list[dict[str, Any]]:
        async with self.service.transactions.begin() as tx:
            return await tx.rows(query, values)

    async def execute(self, query: str, values: Any = None) -> None:
        async with self.service.transactions.begin() as tx:
            await tx.execute(query, values)

    async def http(self, school, method, path, *, role="staff", person=None, **content) -> httpx.Response:
        """Call the service over HTTP, as the gateway does for a person."""
        claims = Claims(person=person, role=role, school=school, use="internal")
        key = (self.settings.verify_key_file.parent / "signing.pem").read_bytes()
        headers = {"Authorization": f"Bearer {sign(key, claims, dt.timedelta(minutes=5))}"}
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://notifier") as client:
            return await client.request(method, path, headers=headers, **content)

    async def apply_events(self, *events) -> None:
        async with self.service.transactions.begin() as tx:
            await projection.apply_events(events, tx)

    async def add_school(self, **changes) -> UUID:
        self.version += 1
        base = {"school_id": uuid7(), "name": "Demo", "timezone": "UTC", "version": self.version}
        event = SchoolChanged(**(base | changes))
        await self.apply_events(event)
        return event.school_id

    async def add_person(self, school, *, role="guardian", mails=(), tokens=(), **changes) -> UUID:
        """Add a person with these mail addresses and device tokens."""
        self.version += 1
        person = changes.pop("person_id", None) or uuid7()
        base = {
            "person_id": person,
            "memberships": (Membership(school_id=school, role=role),),
            "contacts": tuple(Contact(kind="mail", address=address) for address in mails),
            "devices": tuple(Device(token=t, platform="android", registered_at=LONG_AGO) for t in tokens),
            "version": self.version,
        }
        await self.apply_events(PersonChanged(**(base | changes)))
        return person

    async def add_student(self, school, **changes) -> UUID:
        self.version += 1
        event = StudentChanged(**({"student_id": uuid7(), "school_id": school, "version": self.version} | changes))
        await self.apply_events(event)
        return event.student_id

    def intent(self, school, people=None, **changes) -> NotificationRequested:
        """Return an intent for `people` or for all guardians of the school."""
        audience = Audience(people=tuple(people)) if people is not None else Audience(school=True)
        base = {
            "notification_id": uuid7(),
            "task_id": uuid7(),
            "school_id": school,
            "kind": "general",
            "audience": audience,
            "channels": ("push", "mail", "inbox"),
            "directory_version": 0,
            "requested_at": dt.datetime.now(dt.UTC),
            "title": "Hello",
            "body": "A made-up text.",
        }
        return NotificationRequested(**(base | changes))

    async def plan(self, school, people=None, **changes) -> UUID:
        """Register and plan an intent; return its notification's id."""
        event = self.intent(school, people, **changes)
        await self.receive(event)
        return event.notification_id

    async def receive(self, event) -> None:
        async with self.service.transactions.begin() as tx:
            await self.plan_in(tx, event)

    async def plan_in(self, tx, event) -> None:
        """Register and plan in a transaction that the test commits."""
        await handlers.plan(event, tx)

    async def run_permits(self, rounds: int = 50) -> None:
        """Perform every permit, the following ones and those of the sweep included."""
        await self.execute(SPENT)
        for _ in range(rounds):
            await handlers.tend(self.service.transactions, self.settings.directory_patience)
            permits = await self.rows(PERMITS)
            if not permits:
                return
            for row in permits:
                await self._perform(row)
        raise AssertionError(f"still permits after {rounds} rounds")

    async def run_to_end(self, turns: int = 15) -> None:
        """Perform permits and make every retry due, until nothing is pending."""
        for _ in range(turns):
            await self.run_permits()
            if not await self.rows("SELECT FROM delivery WHERE state = 'pending' LIMIT 1"):
                return
            await self.execute(DUE)

    async def _perform(self, row) -> None:
        cause = Envelope.read(json.loads(row["headers"]))
        if cause.type == PlanPermit.name:
            permit = PlanPermit.model_validate_json(row["data"])
            await handlers.plan_waiting(permit, cause, self.service.transactions)
        elif cause.type == DigestPermit.name:
            digests = DigestPermit.model_validate_json(row["data"])
            await send_digests(digests, cause, self.service.transactions, self.providers.limiters, self.settings.claim)
        else:
            permit = SendPermit.model_validate_json(row["data"])
            await send_deliveries(
                permit, cause, self.service.transactions, self.providers.limiters, self.settings.claim
            )

    async def states_with_reasons(self, notification) -> dict[tuple[str, str], str]:
        """Return (channel, address) → the reason, or the state where there is none."""
        query = "SELECT channel, address, state, reason FROM delivery WHERE notification_id = %s ORDER BY round"
        rows = await self.rows(query, (notification,))
        return {(row["channel"], row["address"]): row["reason"] or row["state"] for row in rows}

    async def task(self, notification) -> dict[str, Any]:
        """Return the latest fact about a notification's task."""
        (row,) = await self.rows("SELECT task_id FROM notification WHERE notification_id = %s", (notification,))
        return [each for each in await self.emitted("task.changed") if each["task_id"] == str(row["task_id"])][-1]

    async def emitted(self, topic: str) -> list[dict[str, Any]]:
        """Return the bodies of a topic's events in the outbox."""
        rows = await self.rows(EVENTS)
        return [json.loads(row["data"]) for row in rows if json.loads(row["headers"])["ce-type"] == topic]

    async def states(self, notification) -> dict[str, dict[str, int]]:
        """Return channel → state → number of deliveries."""
        query = "SELECT channel, state, count(*) AS n FROM delivery WHERE notification_id = %s GROUP BY 1, 2"
        found: dict[str, dict[str, int]] = {}
        for row in await self.rows(query, (notification,)):
            found.setdefault(row["channel"], {})[row["state"]] = row["n"]
        return found
