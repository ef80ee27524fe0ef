"""`house` is the notifier on a database of its own: no relay and no consumers, a test performs its permits."""

import sys
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent))

from house import House

from notifier.providers.fcm import FcmCourier
from notifier.providers.smtp import SmtpCourier
from shared.testing.fixtures import Backing, fresh_database, write_keys

EMPTY = """
TRUNCATE notification, delivery, attempt, release, inbox_item, outbox, inbox, task_track, directory_seen,
    digest_window, group_address, suppression CASCADE
"""
NOBODY = "amqp://127.0.0.1:1/"
"""No broker: what a house emits stays in its outbox."""


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
        yield Backing(database, NOBODY, keys)


@pytest_asyncio.fixture
async def open_house(notifier_backing):
    """Makes houses: `await open_house(push=answer, mail=answer, **settings)`; nothing is in them."""
    opened = []

    async def make(**changes):
        house = House.of(notifier_backing, **changes)
        opened.append(house)
        await house.service.database.open()
        return house

    with psycopg.connect(notifier_backing.admin_url, autocommit=True) as admin:
        admin.execute("SET search_path = notifier")
        admin.execute(EMPTY)
    yield make
    for house in opened:
        await house.service.database.close()


@pytest_asyncio.fixture
async def house(open_house):
    return await open_house()
