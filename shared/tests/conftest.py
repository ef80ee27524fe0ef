"""A small service on a new database and virtual host per module."""

import sys
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from job_harness import Jobs

from shared.events import SchoolChanged
from shared.service.service import Service
from shared.settings import ServiceSettings
from shared.testing.fixtures import Backing, declare, eventually, fresh_database, fresh_vhost, running, write_keys


@pytest.fixture(scope="module")
def backing(tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys")
    write_keys(keys)
    with fresh_database(["gateway", "notifier"]) as database, fresh_vhost() as amqp:
        yield Backing(database, amqp, keys)


@dataclass
class Spine:
    """Builds services on one database and virtual host. Retry tiers are short, so that a test can wait for them."""

    backing: Backing

    def build(self, name="notifier", *, creates_keys=False, **changes):
        environment = {key.lower(): value for key, value in self.backing.environment(name).items()}
        settings = ServiceSettings(**(environment | {"retry_tiers": (1, 2)} | changes))
        return Service(name, settings, creates_keys=creates_keys)

    @asynccontextmanager
    async def running(self, *registrations, **changes):
        service = self.build(**changes)
        for register in registrations:
            register(service)
        await declare(self.backing.amqp_url, service.topology())
        async with running(service):
            yield service

    def school(self, version=1, school_id=None):
        school_id = school_id or uuid.uuid4()
        return SchoolChanged(
            school_id=school_id, name="Demo", timezone="UTC", version=version, positions={school_id: version}
        )

    async def emit(self, service, *facts):
        async with service.transactions.begin() as tx:
            for fact in facts:
                tx.emit(fact)

    async def count(self, service, query, *values):
        async with service.database.worker() as connection:
            return (await (await connection.execute(query, values)).fetchone())["count"]

    async def outbox_drained(self, service):
        await eventually(lambda: self.count(service, "SELECT count(*) FROM outbox"), lambda n: n == 0)


@pytest.fixture
def spine(backing):
    return Spine(backing)


@pytest.fixture
def consumer():
    return f"notifier.test.{uuid.uuid4().hex[:8]}"


@pytest.fixture
async def work(spine):
    """The long tasks of a service."""
    service = spine.build()
    await service.database.open()
    yield Jobs(service.transactions)
    await service.database.close()
