"""What a service's tests stand on: a fresh database, a fresh virtual host, and a service that runs inside the test.

Real PostgreSQL and RabbitMQ, named by TEST_DATABASE_URL, TEST_AMQP_URL and TEST_RABBITMQ_MANAGEMENT_URL (`make test`
starts them). Nothing sleeps for luck: `eventually` waits for a condition and says what it last saw.
"""

import asyncio
import atexit
import base64
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, LiteralString, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import uuid4

import aio_pika
import httpx
import psycopg
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import sql

from shared.consumers.dead_letters import DeadLetter
from shared.messaging import topology_admin
from shared.messaging.topology import Topology
from shared.persistence.migration_runner import migrate
from shared.service.service import Service
from shared.transactions.unit_of_work import UnitOfWork

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Backing:
    """One test's own database and virtual host. `admin_url` owns the database; services get their own logins."""

    admin_url: str
    amqp_url: str
    keys: Path

    def environment(self, service: str) -> dict[str, str]:
        """Settings of one service, as its process would find them."""
        return {
            "DATABASE_URL": service_url(self.admin_url, service),
            "AMQP_URL": self.amqp_url,
            "VAULT_KEY_FILE": str(self.keys / "vault.key"),
            "SIGNING_KEY_FILE": str(self.keys / "signing.pem"),
            "VERIFY_KEY_FILE": str(self.keys / "verify.pem"),
            "STANDINS": "1",
        }


def service_url(admin_url: str, service: str) -> str:
    """A login of the service's own, on the same server and database."""
    parts = urlsplit(admin_url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{service}:test@{host}"))


def write_keys(folder: Path) -> None:
    """The installation's keys, made for one test."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vault.key").write_bytes(base64.b64encode(os.urandom(32)))
    private = Ed25519PrivateKey.generate()
    (folder / "signing.pem").write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (folder / "verify.pem").write_bytes(
        private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


@contextmanager
def fresh_database(services: Sequence[str], server: str | None = None) -> Iterator[str]:
    """URL of a new, migrated database, dropped afterwards: a copy of the first one that this process has migrated."""
    server = server or os.environ["TEST_DATABASE_URL"]
    template = _template(server, tuple(services))
    name = f"test_{uuid4().hex[:12]}"
    # A connection each: the server may be killed in between, that is what some tests are about.
    _execute(server, "CREATE DATABASE {} TEMPLATE {}", name, template)
    try:
        yield _url(server, name)
    finally:
        _execute(server, "DROP DATABASE {} WITH (FORCE)", name)


@cache
def _template(server: str, services: tuple[str, ...]) -> str:
    """A migrated database that nobody writes to, for as long as the process lives: a copy is made ten times sooner."""
    name = f"template_{uuid4().hex[:12]}"
    _execute(server, "CREATE DATABASE {}", name)
    atexit.register(_forget, server, name)
    url = _url(server, name)
    migrate(url, {service: service_url(url, service) for service in services})
    return name


def _forget(server: str, name: str) -> None:
    with suppress(psycopg.OperationalError):  # the server may have ended before, with all it had
        _execute(server, "DROP DATABASE {} WITH (FORCE)", name)


def _url(server: str, database: str) -> str:
    return urlunsplit(urlsplit(server)._replace(path=f"/{database}"))


def _execute(server: str, statement: LiteralString, *names: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def fresh_vhost(broker: str | None = None, management: str | None = None) -> Iterator[str]:
    """AMQP URL of a new virtual host, deleted afterwards."""
    amqp = urlsplit(broker or os.environ["TEST_AMQP_URL"])
    name = f"test-{uuid4().hex[:12]}"
    user, password = amqp.username or "guest", amqp.password or "guest"
    api = (management or os.environ["TEST_RABBITMQ_MANAGEMENT_URL"]).rstrip("/")
    with httpx.Client(base_url=api, auth=(user, password), timeout=30) as client:
        client.put(f"/api/vhosts/{name}").raise_for_status()
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        client.put(f"/api/permissions/{name}/{quote(user)}", json=everything).raise_for_status()
        try:
            yield urlunsplit(amqp._replace(path=f"/{name}"))
        finally:
            client.delete(f"/api/vhosts/{name}").raise_for_status()


async def declare(url: str, *topologies: Topology) -> None:
    """The topology step."""
    wanted = Topology()
    for each in topologies:
        wanted |= each
    async with await aio_pika.connect(url) as connection:
        await topology_admin.declare(connection, wanted)


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[Service]:
    """The service, started and ready, in this event loop; drained afterwards."""
    async with service.runtime.running():
        await eventually(service.runtime.not_ready, lambda reasons: reasons == [], within=30)
        yield service


class FakeClock:
    """Time that passes only when somebody sleeps; for what takes `sleep` as a parameter."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleeps: list[float] = []

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass at once; everybody else gets a turn."""
        self.now += seconds
        self.sleeps.append(seconds)
        await asyncio.sleep(0)


class Recorder:
    """A handler for tests: remembers what it was given, and fails as told.

    `fails` is asked with each event and returns what to raise, or None.
    """

    def __init__(self, fails: Callable[[Any], BaseException | None] = lambda _: None) -> None:
        self.seen: list[Any] = []
        self._fails = fails

    async def one(self, event: Any, _: UnitOfWork) -> None:
        """A reaction."""
        self.seen.append(event)
        if problem := self._fails(event):
            raise problem

    async def many(self, events: Sequence[Any], tx: UnitOfWork) -> None:
        """A projection."""
        for event in events:
            await self.one(event, tx)

    async def keep(self, letter: DeadLetter, _: UnitOfWork) -> None:
        """A keeper of dead letters."""
        self.seen.append(letter)

    async def until(self, expected: Callable[[list[Any]], Any], *, within: float = 15.0) -> list[Any]:
        """What was seen, once it is as expected."""

        async def look() -> list[Any]:
            return list(self.seen)

        return await eventually(look, expected, within=within)


async def eventually(look: Callable[[], Awaitable[T]], expected: Callable[[T], Any], *, within: float = 15.0) -> T:
    """What `look` finds once it is as `expected`; fails with the last sight after `within` seconds."""
    end = time.monotonic() + within
    pause = 0.01
    while True:
        seen = await look()
        if expected(seen):
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"not within {within} s; last seen: {seen!r}")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.2)
