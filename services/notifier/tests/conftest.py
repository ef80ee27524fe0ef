"""Fixtures: `harness` is the notifier without relay and consumers; `client` is a school in it."""

import httpx
import psycopg
import pytest
import pytest_asyncio

from notifier.providers.fcm import FcmCourier
from notifier.providers.smtp import SmtpCourier
from services.notifier.tests.client import NotifierClient
from services.notifier.tests.harness import EMPTY, NotifierHarness
from shared.testing.fixtures import Backing, fresh_database, write_keys

NO_BROKER = "amqp://127.0.0.1:1/"
"""Events of a harness stay in its outbox."""


@pytest.fixture
async def push_courier(fcm):
    courier = FcmCourier(fcm.web, fcm.folder / "service-account.json", ca_file=fcm.folder / "ca.pem")
    yield courier
    await courier.close()


@pytest.fixture
async def mail_courier(smtp):
    courier = SmtpCourier(f"smtp://127.0.0.1:{smtp.port}", "school@example.org", cooldown=0)
    yield courier
    await courier.close()


@pytest.fixture(scope="session")
def notifier_backing(tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys")
    write_keys(keys)
    with fresh_database(["notifier"]) as database:
        yield Backing(database, NO_BROKER, keys)


@pytest_asyncio.fixture
async def open_harness(notifier_backing):
    """Make empty harnesses: `await open_harness(push=answer, mail=answer, **settings)`."""
    opened = []

    async def make(**changes):
        harness = NotifierHarness.of(notifier_backing, **changes)
        opened.append(harness)
        await harness.service.database.open()
        return harness

    with psycopg.connect(notifier_backing.admin_url, autocommit=True) as admin:
        admin.execute("SET search_path = notifier")
        admin.execute(EMPTY)
    yield make
    for harness in opened:
        await harness.service.database.close()


@pytest_asyncio.fixture
async def harness(open_harness):
    return await open_harness()


@pytest_asyncio.fixture
async def client(harness):
    transport = httpx.ASGITransport(harness.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://notifier") as http:
        found = NotifierClient(harness, http)
        await found.set_school()
        yield found
