"""The whole system after a day of the demo, and its accounts; one browser for each file of tests."""

import asyncio
import os
import shutil
from contextlib import closing

import pytest
import pytest_asyncio

from benchmarks import watchers
from benchmarks.console_rows import add_examples
from cli.demo import player
from cli.demo.accounts import accounts
from cli.demo.school import SCHOOLS
from cli.operations.service_names import NAMES
from cli.testing.system import System
from shared.testing.fixtures import Backing, fresh_database, fresh_vhost, write_keys
from tests.console.browsing import chromium

# The demo leaves no message behind that failed for good: add some, of two faults.
ADD_FAILURES = """
INSERT INTO gateway.failure (school_id, message_id, queue, type, error, fingerprint, attempts, first_failed,
                             last_failed, headers, body)
SELECT s.school_id, gen_random_uuid(), f.queue, f.type, f.error, f.type, 5, now() - make_interval(mins => n * 7),
       now() - make_interval(mins => n), '{}', '{}'
FROM gateway.school s, generate_series(1, 9) n
JOIN (VALUES (0, 'notifier.payment.recorded', 'payment.recorded', 'KeyError: amount'),
             (1, 'files.file.uploaded', 'file.uploaded', 'OSError: a made-up disk is full')
) AS f(kind, queue, type, error) ON f.kind = (n %% 3 = 0)::int
WHERE s.sourced_id = %s RETURNING 1
"""


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
            asyncio.run(watch(found))
            asyncio.run(found.start(*NAMES))
            assert player.main(found.demo_stack()) == 0
            leave_behind(found, SCHOOLS[1].sourced_id)
            yield found
        finally:
            asyncio.run(found.stop())


async def watch(system):
    """Start the Prometheus that the overview asks, where there is one."""
    broker = os.environ["TEST_RABBITMQ_METRICS_URL"]
    if broker and all(map(shutil.which, watchers.PROGRAMS)):
        started = await watchers.start(system, broker.split("/")[2], every="5s", waits=None)
        system.extra["PROMETHEUS_URL"] = started.prometheus


def leave_behind(system, school):
    """What the demo has no example of."""
    system.rows(ADD_FAILURES, school)
    with closing(system.api()) as api:
        add_examples(api, school)


@pytest.fixture(scope="session")
def people(school_day):
    """The demo's accounts by their role."""
    with closing(school_day.api()) as api:
        return {each.role: each for each in accounts(api)}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser():
    async with chromium() as found:
        yield found
