"""Fixtures for tests: a new database, a new virtual host, and a service that runs inside the test.

They use real PostgreSQL and RabbitMQ at TEST_DATABASE_URL, TEST_AMQP_URL and TEST_RABBITMQ_MANAGEMENT_URL (`make test`
starts both). Tests do not sleep for a fixed time: `eventually` waits for a condition and reports the last value.
"""

import asyncio
import atexit
import base64
import os
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, LiteralString, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import uuid4

import httpx
import psycopg
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import sql

from shared.consumers.dead_letters import DeadLetter
from shared.messaging import topology_admin
from shared.messaging.connection import connected
from shared.messaging.topology import Topology
from shared.persistence.migration_runner import migrate
from shared.service.service import Service
from shared.transactions.unit_of_work import UnitOfWork

T = TypeVar("T")

TEMPLATES = 0x5CC0_12
"""Key of an advisory lock, so that one process at a time makes a template."""


@dataclass(frozen=True, slots=True)
class Backing:
    """The database and virtual host of one test. `admin_url` owns the database; services have their own logins."""

    admin_url: str
    amqp_url: str
    keys: Path

    def environment(self, service: str) -> dict[str, str]:
        """Return the environment of one service's process."""
        return {
            "DATABASE_URL": service_url(self.admin_url, service),
            "AMQP_URL": self.amqp_url,
            "VAULT_KEY_FILE": str(self.keys / "vault.key"),
            "SIGNING_KEY_FILE": str(self.keys / "signing.pem"),
            "VERIFY_KEY_FILE": str(self.keys / "verify.pem"),
            "STORAGE_URL": (self.keys / "blobs").as_uri(),
            "STANDINS": "1",
        }


def service_url(admin_url: str, service: str) -> str:
    """Return the URL of the service's own login on the same database."""
    parts = urlsplit(admin_url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{service}:test@{host}"))


def write_keys(folder: Path) -> None:
    """Create the keys of an installation for one test."""
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
    """Create a migrated database, copied from the first one of this process; returns its URL, drops it afterwards."""
    server = server or os.environ["TEST_DATABASE_URL"]
    template = _template(server, tuple(services))
    name = f"test_{uuid4().hex[:12]}"
    # A connection for each statement, because some tests kill the server in between.
    _execute(server, "CREATE DATABASE {} TEMPLATE {}", name, template)
    try:
        yield _url(server, name)
    finally:
        _execute(server, "DROP DATABASE {} WITH (FORCE)", name)


@cache
def _template(server: str, services: tuple[str, ...]) -> str:
    """Return a migrated database as a template for copies, which are ten times faster than migrations.

    Where the server ends with the tests, their processes share it: the first one migrates while the others wait.
    """
    shared = "TEST_SERVER_IS_REMOVED" in os.environ
    name = "_".join(("template", *services)) if shared else f"template_{uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (TEMPLATES,))
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).rowcount:
            return name
        making = f"making_{uuid4().hex[:12]}"  # gets its name when it is whole: a process may be killed meanwhile
        _execute(server, "CREATE DATABASE {}", making)
        url = _url(server, making)
        migrate(url, {service: service_url(url, service) for service in services})
        _execute(server, "ALTER DATABASE {} RENAME TO {}", making, name)
    if not shared:
        atexit.register(_forget, server, name)
    return name


def _forget(server: str, name: str) -> None:
    with suppress(psycopg.OperationalError):  # the server may have ended before
        _execute(server, "DROP DATABASE {} WITH (FORCE)", name)


def _url(server: str, database: str) -> str:
    return urlunsplit(urlsplit(server)._replace(path=f"/{database}"))


def _execute(server: str, statement: LiteralString, *names: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@cache
def _authorities() -> ssl.SSLContext:
    """Load them once: httpx loads them for each client, which takes 90 ms."""
    return httpx.create_ssl_context()


@contextmanager
def fresh_vhost(broker: str | None = None, management: str | None = None) -> Iterator[str]:
    """Create a virtual host; returns its AMQP URL, deletes it afterwards."""
    amqp = urlsplit(broker or os.environ["TEST_AMQP_URL"])
    name = f"test-{uuid4().hex[:12]}"
    user, password = amqp.username or "guest", amqp.password or "guest"
    api = (management or os.environ["TEST_RABBITMQ_MANAGEMENT_URL"]).rstrip("/")
    with httpx.Client(base_url=api, auth=(user, password), verify=_authorities(), timeout=30) as client:
        client.put(f"/api/vhosts/{name}").raise_for_status()
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        client.put(f"/api/permissions/{name}/{quote(user)}", json=everything).raise_for_status()
        try:
            yield urlunsplit(amqp._replace(path=f"/{name}"))
        finally:
            client.delete(f"/api/vhosts/{name}").raise_for_status()


async def declare(url: str, *topologies: Topology) -> None:
    """Run the topology step."""
    wanted = Topology()
    for each in topologies:
        wanted |= each
    async with connected(url, "topology") as connection:
        await topology_admin.declare(connection, wanted)


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[Service]:
    """Run a service in this event loop until the body ends; returns it when it is ready."""
    async with service.runtime.running():
        await eventually(service.runtime.not_ready, lambda reasons: reasons == [], within=30)
        yield service


class FakeClock:
    """A clock that advances only when code sleeps, for code with a `sleep` parameter."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleeps: list[float] = []

    async def sleep(self, seconds: float) -> None:
        """Advance by `seconds` immediately, and let other tasks run."""
        self.now += seconds
        self.sleeps.append(seconds)
        await asyncio.sleep(0)


class Recorder:
    """A handler for tests that records its events. `fails` returns the error to raise for an event, or None."""

    def __init__(self, fails: Callable[[Any], BaseException | None] = lambda _: None) -> None:
        self.seen: list[Any] = []
        self._fails = fails

    async def one(self, event: Any, _: UnitOfWork) -> None:
        """Handle one event, as a reaction does."""
        self.seen.append(event)
        if problem := self._fails(event):
            raise problem

    async def many(self, events: Sequence[Any], tx: UnitOfWork) -> None:
        """Handle several events, as a projection does."""
        for event in events:
            await self.one(event, tx)

    async def keep(self, letter: DeadLetter, _: UnitOfWork) -> None:
        """Store a dead letter."""
        self.seen.append(letter)

    async def until(self, expected: Callable[[list[Any]], Any], *, within: float = 15.0) -> list[Any]:
        """Wait until the recorded events are as expected; returns them."""

        async def look() -> list[Any]:
            return list(self.seen)

        return await eventually(look, expected, within=within)


async def eventually(look: Callable[[], Awaitable[T]], expected: Callable[[T], Any], *, within: float = 15.0) -> T:
    """Wait until the result of `look` is as `expected`; returns it. Fails after `within` seconds with the last one."""
    end = time.monotonic() + within
    pause = 0.01
    while True:
        seen = await look()
        if expected(seen):
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"not within {within} s; the last value was {seen!r}")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.2)
