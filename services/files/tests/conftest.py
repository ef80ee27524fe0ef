"""The real file service on a new database, with a folder of blobs; its relay and its consumers do not run."""

import datetime as dt
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import httpx
import psycopg
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry, Histogram
from uuid_utils.compat import uuid7

from files import handlers
from files.directory import projection
from files.domain.finding import Field, Finding
from files.main import build
from files.permits import TaskPermit
from files.processing import blobs, job
from files.reading.result import Reading
from files.settings import Settings
from shared.events import Envelope, FileUploaded, PersonChanged, SchoolChanged, StudentChanged
from shared.http.tokens import Claims, sign
from shared.jobs.durations import job_seconds
from shared.jobs.time_limits import TimeLimits
from shared.service.service import Service
from shared.storage.blob_store import BlobStore
from shared.storage.locations import open_store
from shared.testing.fixtures import Backing, fresh_database, write_keys

UTC = dt.UTC
LIMITS = TimeLimits(soft=60)
NO_BROKER = "amqp://127.0.0.1:1/"
"""Events of a harness stay in its outbox."""
SELECT_EVENTS = """
SELECT routing_key AS topic, data::jsonb AS data FROM outbox
WHERE exchange <> '' AND data::jsonb->>'file_id' = %(file)s ORDER BY position
"""
SELECT_TASK = (
    "SELECT data::jsonb AS data FROM outbox WHERE routing_key = 'task.changed' AND data::jsonb->>'task_id' = %s"
)
DIGITS = str.maketrans("0123456789", "abcdefghij")


def receipt(**changes):
    """Return what a clear receipt says; a value of None leaves a field out, a tuple is (value, confidence)."""
    values = {"amount": "42.50", "currency": "EUR", "date": "2026-11-12", "merchant": "Demo Canteen"} | changes
    return finding("payment_receipt", values)


def finding(kind, values, rows=(), reasons=()):
    return Finding(kind, fields(values), tuple(fields(row) for row in rows), tuple(reasons))


def fields(values):
    pairs = {name: value if isinstance(value, tuple) else (value, 1.0) for name, value in values.items()}
    return {name: Field(value, confidence, 1) for name, (value, confidence) in pairs.items() if value is not None}


def accepted(found, pages=1):
    return Reading(verdict="accepted", media_type="application/pdf", pages=pages, finding=found)


def refused(code, message="The file cannot be used."):
    return Reading(verdict="refused", reason=code, message=message)


@dataclass
class ScriptedReader:
    """Returns the same reading for each file; a callable is asked for it."""

    reading: object = None
    asked: list = field(default_factory=list)

    async def __call__(self, path, *, name, kind, hints, out, on_progress):
        self.asked.append((path.read_bytes(), name, kind, hints))
        return await self.reading(out, on_progress) if callable(self.reading) else self.reading


@dataclass(frozen=True)
class Files:
    """A file service for tests: a test decides what a reading says, and when it happens."""

    service: Service
    store: BlobStore
    reader: ScriptedReader
    client: httpx.AsyncClient
    key: bytes
    seconds: Histogram = field(default_factory=lambda: job_seconds(CollectorRegistry(), ()))

    async def rows(self, query, values=None):
        async with self.service.transactions.begin() as tx:
            return await tx.rows(query, values)

    async def school(self, *students, timezone="Europe/Berlin"):
        """Project a school with students, each a pair of names; returns its id and theirs."""
        school, ids = uuid7(), [uuid7() for _ in students]
        events = [SchoolChanged(school_id=school, name="Demo", timezone=timezone, version=1, positions={school: 1})]
        for student, (given, family) in zip(ids, students, strict=True):
            events.append(PersonChanged(person_id=student, given_name=given, family_name=family, version=1))
            events.append(StudentChanged(student_id=student, school_id=school, version=1))
        async with self.service.transactions.begin() as tx:
            await projection.remember_directory(events, tx)
        return school, *ids

    async def upload(self, school, content=b"a made-up receipt", **changes):
        """Store a blob and register its upload, as the gateway does; returns the event."""
        values = {
            "file_id": uuid7(),
            "school_id": school,
            "task_id": uuid7(),
            "kind": "payment_receipt",
            "name": "receipt.pdf",
            "size": len(content),
            "sha256": uuid4().hex,
            "uploaded_by": uuid4(),
            "uploader_role": "staff",
            "uploaded_at": dt.datetime(2026, 11, 20, 9, tzinfo=UTC),
        }
        event = FileUploaded(**values | changes)

        async def parts():
            yield content

        await self.store.put(blobs.original_key(school, event.file_id), parts())
        await self.register(event)
        return event

    async def register(self, event):
        async with self.service.transactions.begin() as tx:
            await handlers.register(event, tx)

    async def process(self, task, reading=None, limits=LIMITS):
        """Read the file of a task, with a scripted result."""
        if reading is not None:
            self.reader.reading = reading
        cause = Envelope.of_work(TaskPermit.name, str(task), "files")
        await job.process(task, cause, self.service.transactions, self.store, self.reader, 0.8, limits, self.seconds)

    async def read(self, school, found, **changes):
        """Upload a file and read it; returns its event."""
        event = await self.upload(school, **changes)
        await self.process(event.task_id, accepted(found))
        return event

    async def file(self, file):
        (row,) = await self.rows("SELECT * FROM file WHERE file_id = %s", (file,))
        return row

    async def events(self, file, *topics):
        """Return the events about a file in the outbox."""
        found = await self.rows(SELECT_EVENTS, {"file": str(file)})
        return [row["data"] for row in found if row["topic"] in topics] if topics else found

    async def task(self, task):
        """Return the last published state of a task."""
        found = [row["data"] for row in await self.rows(SELECT_TASK, (str(task),))]
        return max(found, key=lambda each: (each["epoch"], each["version"]))

    async def ask(self, method, path, school, role="school_admin", person=None, headers=None, **more):
        claims = Claims(role=role, school=school, person=person or uuid4(), use="internal")
        signed = {"Authorization": f"Bearer {sign(self.key, claims, dt.timedelta(minutes=1))}"}
        return await self.client.request(method, f"/v1/files{path}", headers=signed | (headers or {}), **more)


@pytest.fixture(scope="module")
def backing(tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys")
    write_keys(keys)
    with fresh_database(["files"]) as database:
        yield Backing(database, NO_BROKER, keys)


@asynccontextmanager
async def serving(backing):
    environment = {name.lower(): value for name, value in backing.environment("files").items()}
    settings, reader = Settings(**environment), ScriptedReader()
    service = build(settings, reader)
    transport = httpx.ASGITransport(service.app(), raise_app_exceptions=False)
    await service.database.open()
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://files", timeout=30) as client:
            key = (backing.keys / "signing.pem").read_bytes()
            yield Files(service, open_store(settings.storage_url), reader, client, key)
    finally:
        await service.database.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def files(backing):
    async with serving(backing) as found:
        yield found


@pytest.fixture
def admin(backing):
    """A superuser's connection to the database."""
    with psycopg.connect(backing.admin_url, autocommit=True) as connection:
        yield connection
