"""The whole system after a day of the demo, and its accounts; one browser for each file of tests."""

import asyncio
from contextlib import closing

import pytest
import pytest_asyncio

from cli.demo import player
from cli.demo.accounts import accounts
from cli.operations import tokens
from cli.operations.service_names import NAMES
from cli.testing.system import System
from shared.testing.fixtures import Backing, fresh_database, fresh_vhost, write_keys
from tests.console.browsing import chromium


@pytest.fixture(scope="session")
def school_day(tmp_path_factory):
    """The system with all its services, on which the demo was played."""
    folder = tmp_path_factory.mktemp("console")
    write_keys(folder / "keys")
    with fresh_database(NAMES) as database, fresh_vhost() as amqp:
        found = System(Backing(database, amqp, folder / "keys"), folder)
        try:
            asyncio.run(found.start_fakes())
            asyncio.run(found.declare())
            asyncio.run(found.start(*NAMES))
            assert player.main(stack(found)) == 0
            yield found
        finally:
            asyncio.run(found.stop())


def stack(system):
    """What the demo has to know of a system."""
    key = system.backing.keys / "signing.pem"
    return {
        "gateway": system.url,
        "token": lambda role: tokens.make(key, role),
        "person_token": lambda role, school: tokens.make_for_person(key, system.url, role, school),
        "fcm": system.fcm,
        "fcm_ca": str(system.certs / "ca.pem"),
        "mail": {"smtp": f"127.0.0.1:{system.ports['smtp']}", "http": system.mail},
    }


@pytest.fixture(scope="session")
def people(school_day):
    """The demo's accounts by their role."""
    with closing(school_day.api()) as api:
        return {each.role: each for each in accounts(api)}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser():
    async with chromium() as found:
        yield found
