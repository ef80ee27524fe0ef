"""One school of a house: who is there, what is asked for, what its people are told."""

import datetime as dt
from dataclasses import dataclass, field
from uuid import UUID

import httpx
import pytest_asyncio
from house import House
from uuid_utils.compat import uuid7

from shared.events import Audience, SchoolChanged
from shared.events.directory import Guardian
from shared.http.tokens import Claims, sign


@dataclass
class Desk:
    """A school's desk in a running house."""

    house: House
    client: httpx.AsyncClient
    school: UUID = field(default_factory=uuid7)

    async def open(self, **changes):
        """The school, or new settings of it."""
        self.house.version += 1
        state = {"name": "Hill School", "timezone": "Europe/Berlin", "version": self.house.version}
        await self.house.project(SchoolChanged(school_id=self.school, **(state | changes)))

    async def person(self, role="guardian", *, mail=True, push=True, **changes):
        """Somebody with one address and one device."""
        person = changes.pop("person_id", None) or uuid7()
        addresses = {
            "mails": (f"{person}@example.org",) if mail else (),
            "tokens": (f"token-{person}",) if push else (),
        }
        return await self.house.add_person(self.school, role=role, person_id=person, **(addresses | changes))

    async def student(self, *guardians, **changes):
        """A student of the school, for whom `guardians` answer, in this order."""
        student = await self.person("student", push=False, mail=False)
        parts = tuple(
            each if isinstance(each, Guardian) else Guardian(person_id=each, rank=rank)
            for rank, each in enumerate(guardians, 1)
        )
        return await self.house.add_student(self.school, student_id=student, guardians=parts, **changes)

    def request(self, audience, channels=("push", "mail", "inbox"), **changes):
        return self.house.request(self.school, audience=Audience(**audience), channels=channels, **changes)

    async def plan(self, audience, channels=("push", "mail", "inbox"), **changes):
        event = self.request(audience, channels, **changes)
        await self.house.receive(event)
        return event.notification_id

    async def told(self, notification):
        """(person, channel) → the state, or the reason for it."""
        query = "SELECT person_id, channel, state, reason FROM delivery WHERE notification_id = %s"
        rows = await self.house.rows(query, (notification,))
        return {(row["person_id"], row["channel"]): row["reason"] or row["state"] for row in rows}

    async def people(self, notification):
        return {person for person, _ in await self.told(notification)}

    async def state(self, notification):
        rows = await self.house.rows("SELECT state FROM notification WHERE notification_id = %s", (notification,))
        return rows[0]["state"] if rows else None

    async def ask(self, method, path, person=None, role="staff", headers=None, **more):
        """Ask the service over HTTP, as the gateway does for somebody."""
        claims = Claims(person=person, role=role, school=self.school, use="internal")
        key = (self.house.settings.verify_key_file.parent / "signing.pem").read_bytes()
        signed = {"Authorization": f"Bearer {sign(key, claims, dt.timedelta(minutes=5))}"}
        return await self.client.request(method, path, headers=signed | (headers or {}), **more)


@pytest_asyncio.fixture
async def desk(house):
    transport = httpx.ASGITransport(house.service.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://notifier") as client:
        found = Desk(house, client)
        await found.open()
        yield found
