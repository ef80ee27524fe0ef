"""Fixtures: `harness` is the report service without relay, projection and consumers, on an empty database."""

import psycopg
import pytest
import pytest_asyncio

from reports.main import build
from reports.settings import Settings
from services.reports.tests.harness import EMPTY, ReportsHarness
from shared.storage.locations import open_store
from shared.testing.fixtures import Backing, fresh_database, write_keys

NO_BROKER = "amqp://127.0.0.1:1/"


@pytest.fixture(scope="session")
def reports_backing(tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys")
    write_keys(keys)
    with fresh_database(["reports"]) as database:
        yield Backing(database, NO_BROKER, keys)


@pytest_asyncio.fixture
async def harness(reports_backing, tmp_path):
    environment = {name.lower(): value for name, value in reports_backing.environment("reports").items()}
    settings = Settings(**(environment | {"storage_url": (tmp_path / "blobs").as_uri(), "facts_patience": 0.3}))
    with psycopg.connect(reports_backing.admin_url, autocommit=True) as admin:
        admin.execute("SET search_path = reports")
        admin.execute(EMPTY)
    service = build(settings)
    await service.database.open()
    yield ReportsHarness(service, open_store(settings.storage_url))
    await service.database.close()
