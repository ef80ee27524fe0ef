"""One system for all journeys: the demo school imported, its devices registered."""

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from cli.demo import school
from cli.operations.service_names import NAMES
from cli.testing.system import System
from shared.testing.fixtures import Backing, fresh_database, fresh_vhost, write_keys

HERE = Path(__file__).parent
LEASE_SECONDS = "12"
"""Short, so that a kill is soon repaired; on a busy machine a live worker must be able to renew it."""
START_TIMEOUT = pytest.mark.timeout(300)
"""The first journey of a process waits until its services have started and the demo school is imported."""


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent == HERE and item.get_closest_marker("timeout") is None:
            item.add_marker(START_TIMEOUT)


@pytest.fixture(scope="package")
def system(tmp_path_factory):
    folder = tmp_path_factory.mktemp("journeys")
    write_keys(folder / "keys")
    with fresh_database(NAMES) as database, fresh_vhost() as amqp:
        backing, extra = Backing(database, amqp, folder / "keys"), {"DELIVERY_LEASE": LEASE_SECONDS}
        found = System(backing, folder, extra=extra, forks=True)
        try:
            asyncio.run(found.start_fakes())
            asyncio.run(found.declare())
            asyncio.run(found.start("gateway", "notifier"))
            asyncio.run(populate(found))
            yield found
        finally:
            asyncio.run(found.stop())


@pytest.fixture(scope="package")
def scheduled(system):
    """The system with its scheduler, which several files need: a second start would find its port in use."""
    asyncio.run(system.start("scheduler"))
    return system


async def populate(system):
    group = school.build()
    with closing(system.api()) as api:
        await system.finished(api.import_roster(group.roster, "the-demo-school"))
        for start in range(0, len(group.devices), 1000):
            api.register(group.devices[start : start + 1000])
