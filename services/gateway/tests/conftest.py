"""The real gateway application on a fresh database, asked over HTTP in the test's own event loop."""

import csv
import datetime as dt
import io
import json
import zipfile
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from uuid import uuid4

import httpx
import psycopg
import pytest
import pytest_asyncio
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from uuid_utils.compat import uuid7

from gateway.accounts.dependencies import SignInTools
from gateway.accounts.passwords import Passwords
from gateway.http.service_client import ServiceClients
from gateway.live.hub import Hub
from gateway.main import app, build, build_api
from gateway.permits import ImportPermit
from gateway.roster_import import job
from gateway.settings import Settings
from shared.events import Envelope
from shared.http.provided import Provided
from shared.http.tokens import Claims, sign
from shared.service.service import Service
from shared.storage.threaded_store import ThreadedStore
from shared.testing.fixtures import Backing, declare, eventually, fresh_database, fresh_vhost, write_keys

AWAY = "http://127.0.0.1:1"
"""No program listens there: an owner that is away."""
OWNERS = ("files_url", "notifier_url", "reports_url", "scheduler_url")
NO_BROKER = "amqp://127.0.0.1:1/"
QUICK = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1),))
"""The same algorithm as an installation's, for a thousandth of its cost."""
COMMON = "sourcedId,status,dateLastModified,"
COLUMNS = {
    "orgs": "name,type,identifier,parentSourcedId",
    "academicSessions": "title,type,startDate,endDate,parentSourcedId,schoolYear",
    "courses": "title,courseCode,grades,orgSourcedId",
    "classes": "title,grades,courseSourcedId,classCode,classType,schoolSourcedId,termSourcedIds",
    "users": (
        "enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,"
        "middleName,identifier,email,sms,phone,agentSourcedIds,grades,password"
    ),
    "roles": "userSourcedId,roleType,role,beginDate,endDate,orgSourcedId",
    "enrollments": "classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate",
}


class Scripted(ServiceClients):
    """Owners that answer as they are told, over the real client."""

    def __init__(self, key, script):
        super().__init__({name: f"http://{name}" for name in ("scheduler", "notifier", "files", "reports")}, key)
        self.asked = []
        self.bodies = []
        self._script = script
        self._clients = {
            name: httpx.AsyncClient(base_url=f"http://{name}", transport=httpx.MockTransport(self._answer))
            for name in self._clients
        }

    def _answer(self, request):
        self.asked.append((request.url.host, request.method, request.url.path))
        self.bodies.append(json.loads(request.content) if request.content else None)
        status, body = self._script[request.url.host, request.method]
        return httpx.Response(status, json=body, headers={"ETag": '"4"'})


@dataclass(frozen=True)
class Gateway:
    """One running application, and what a test asks of it."""

    service: Service
    client: httpx.AsyncClient
    key: bytes
    backing: Backing

    def token(self, role, school=None, person=None, *, minutes=5, use="access"):
        return sign(self.key, Claims(role=role, school=school, person=person, use=use), dt.timedelta(minutes=minutes))

    async def ask(self, method, path, role="platform_admin", school=None, person=None, headers=None, **more):
        signed = {"Authorization": f"Bearer {self.token(role, school, person)}"}
        return await self.client.request(method, path, headers=signed | (headers or {}), **more)

    async def rows(self, query, values=None):
        async with self.service.transactions.begin() as tx:
            return await tx.rows(query, values)

    async def one(self, query, values=None):
        (row,) = await self.rows(query, values)
        (value,) = row.values()
        return value

    async def add_school(self):
        """A new school; its id."""
        school = uuid7()
        query = "INSERT INTO school (school_id, sourced_id, name, timezone) VALUES (%s, %s, 'Demo', 'UTC')"
        async with self.service.transactions.begin() as tx:
            await tx.execute(query, (school, f"school-{school}"))
        return school

    async def add_person(self, school, role="guardian"):
        """A new person of a school; their id. The sourcedId is `person-<id>`."""
        person = uuid7()
        async with self.service.transactions.begin() as tx:
            query = "INSERT INTO person (person_id, sourced_id, given_name, family_name) VALUES (%s, %s, 'Ada', 'Demo')"
            await tx.execute(query, (person, f"person-{person}"))
            query = "INSERT INTO membership (person_id, school_id, role) VALUES (%s, %s, %s)"
            await tx.execute(query, (person, school, role))
        return person

    async def open_import(self, content):
        """An uploaded roster; its task."""
        task = uuid4()
        async with self.service.transactions.begin() as tx:
            await job.open_import(tx, task, io.BytesIO(content))
        return task

    async def run_import(self, task, transactions=None, **options):
        permit = ImportPermit(task_id=task)
        cause = Envelope.of_work(permit.name, permit.subject, "test")
        await job.run(permit, cause, transactions or self.service.transactions, **options)


@asynccontextmanager
async def connected(service, application):
    """Only what requests need."""
    await service.database.open()
    try:
        yield
    finally:
        await Provided(ServiceClients).by(application).close()
        await Provided(SignInTools).by(application).firebase.close()
        await Provided(ThreadedStore).by(application).close()
        await service.database.close()


@asynccontextmanager
async def serving(backing, *, at_work=False, **changes):
    """The application; only `at_work` its relay, consumers, projections and periodic tasks run."""
    environment = {name.lower(): value for name, value in backing.environment("gateway").items()}
    settings = Settings(**(environment | dict.fromkeys(OWNERS, AWAY) | changes))
    service = build_api(settings)
    application = app(service)
    tools = Provided(SignInTools).by(application)
    application.state.provided[SignInTools] = replace(tools, passwords=Passwords(QUICK))
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)
    async with (
        application.router.lifespan_context(application) if at_work else connected(service, application),
        httpx.AsyncClient(transport=transport, base_url="http://gateway", timeout=30) as client,
    ):
        Provided(Hub).by(application).stop()  # this client waits for the end of an answer; test_live has a server
        yield Gateway(service, client, settings.signing_key_file.read_bytes(), backing)


@pytest.fixture(scope="module")
def backing(tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys")
    write_keys(keys)
    with fresh_database(["gateway"]) as database:
        yield Backing(database, NO_BROKER, keys)


@pytest.fixture(scope="module")
def backing_with_broker(backing):
    with fresh_vhost() as amqp:
        yield replace(backing, amqp_url=amqp)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def live(backing_with_broker):
    """The gateway with relay, consumers and projections at work."""
    environment = {name.lower(): value for name, value in backing_with_broker.environment("gateway").items()}
    await declare(backing_with_broker.amqp_url, build(Settings(**environment)).topology())
    async with serving(backing_with_broker, at_work=True) as running:
        await eventually(running.service.runtime.not_ready, lambda reasons: reasons == [], within=30)
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(backing):
    """The gateway as it answers requests: all that was emitted stays in the outbox."""
    async with serving(backing) as running:
        yield running


@pytest.fixture(scope="session")
def serve():
    """Runs another application: `async with serve(backing, **settings) as gateway`."""
    return serving


@pytest.fixture
def provided(gateway):
    """The application's objects by their types. A test may replace them; the real ones come back afterwards."""
    found = gateway.client._transport.app.state.provided
    real = dict(found)
    yield found
    found.update(real)


@pytest.fixture
def owners(gateway, provided):
    """Puts scripted owners into the application."""

    def put(**script):
        answers = {tuple(name.split("_")): answer for name, answer in script.items()}
        provided[ServiceClients] = scripted = Scripted(gateway.key, answers)
        return scripted

    return put


@pytest.fixture
def admin(backing):
    """A superuser's connection to the database."""
    with psycopg.connect(backing.admin_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def person():
    """Makes one row of users.csv."""

    def make(name, school, role="guardian", agents="", grade="", **changes):
        row = {
            "sourcedId": name,
            "enabledUser": "true",
            "orgSourcedIds": school,
            "role": role,
            "username": name,
            "givenName": name.title(),
            "familyName": "Demo",
            "email": f"{name}@example.org",
            "agentSourcedIds": agents,
            "grades": grade,
        }
        return row | changes

    return make


@pytest.fixture(scope="session")
def roster():
    """Packs schools, rows of users.csv and rows of other files as a OneRoster zip; a file that is not given is absent.

    users.csv is `without` some columns and has others `also`.
    """

    def make(schools, people, *, version="1.1", mode="bulk", without=(), also=(), **more):
        orgs = [{"sourcedId": name, "name": name.title(), "type": "school"} for name in schools]
        files = {"orgs": orgs, "users": people} | more
        if mode == "delta":
            files = {name: [{"status": "active", **row} for row in rows] for name, rows in files.items() if rows}
        lines = ["propertyName,value", "manifest.version,1.0", f"oneroster.version,{version}"]
        lines += [f"file.{name},{mode if name in files else 'absent'}" for name in COLUMNS]
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("manifest.csv", "\n".join(lines) + "\n")
            for name, rows in files.items():
                text = io.StringIO()
                columns = (COMMON + COLUMNS[name]).split(",")
                if name == "users":
                    columns = [*(each for each in columns if each not in without), *also]
                default = {"dateLastModified": "2026-09-01T10:00:00Z"} if mode == "delta" else {}
                writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
                writer.writeheader()
                writer.writerows(default | row for row in rows)
                archive.writestr(f"{name}.csv", text.getvalue())
        return out.getvalue()

    return make
