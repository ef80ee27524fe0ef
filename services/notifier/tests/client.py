"""A client of one school: it adds people, plans notifications and calls the notifier over HTTP."""

import datetime as dt
from dataclasses import dataclass, field
from uuid import UUID

import httpx
from uuid_utils.compat import uuid7

from services.notifier.tests.harness import NotifierHarness
from shared.events import Audience, SchoolChanged
from shared.events.directory import Guardian
from shared.http.tokens import Claims, sign


@dataclass
class NotifierClient:
    """One school in a harness."""

    harness: NotifierHarness
    http: httpx.AsyncClient
    school: UUID = field(default_factory=uuid7)

    async def set_school(self, **changes):
        """Create the school, or change its settings."""
        self.harness.version += 1
        state = {"name": "Hill School", "timezone": "Europe/Berlin", "version": self.harness.version}
        await self.harness.apply_events(SchoolChanged(school_id=self.school, **(state | changes)))

    async def add_person(self, role="guardian", *, mail=True, push=True, **changes):
        """Add a person with one address and one device."""
        person = changes.pop("person_id", None) or uuid7()
        addresses = {
            "mails": (f"{person}@example.org",) if mail else (),
            "tokens": (f"token-{person}",) if push else (),
        }
        return await self.harness.add_person(self.school, role=role, person_id=person, **(addresses | changes))

    async def add_student(self, *guardians, **changes):
        """Add a student of the school with guardians, in this order."""
        student = await self.add_person("student", push=False, mail=False)
        parts = tuple(
            each if isinstance(each, Guardian) else Guardian(person_id=each, rank=rank)
            for rank, each in enumerate(guardians, 1)
        )
        return await self.harness.add_student(self.school, student_id=student, guardians=parts, **changes)

    def intent(self, audience, channels=("push", "mail", "inbox"), **changes):
        return self.harness.intent(self.school, audience=Audience(**audience), channels=channels, **changes)

    async def plan(self, audience, channels=("push", "mail", "inbox"), **changes):
        event = self.intent(audience, channels, **changes)
        await self.harness.receive(event)
        return event.notification_id

    async def deliveries(self, notification):
        """Return (person, channel) → the state, or the reason for it."""
        query = "SELECT person_id, channel, state, reason FROM delivery WHERE notification_id = %s"
        rows = await self.harness.rows(query, (notification,))
        return {(row["person_id"], row["channel"]): row["reason"] or row["state"] for row in rows}

    async def recipients(self, notification):
        return {person for person, _ in await self.deliveries(notification)}

    async def state(self, notification):
        rows = await self.harness.rows("SELECT state FROM notification WHERE notification_id = %s", (notification,))
        return rows[0]["state"] if rows else None

    async def call(self, method, path, person=None, role="staff", headers=None, **more):
        """Call the service over HTTP, as the gateway does for a person."""
        claims = Claims(person=person, role=role, school=self.school, use="internal")
        key = (self.harness.settings.verify_key_file.parent / "signing.pem").read_bytes()
        signed = {"Authorization": f"Bearer {sign(key, claims, dt.timedelta(minutes=5))}"}
        return await self.http.request(method, path, headers=signed | (headers or {}), **more)
