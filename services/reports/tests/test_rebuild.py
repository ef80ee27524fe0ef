"""A rebuild of the facts from the real log gives the same rows and the same pages."""

import datetime as dt
from random import Random

import pytest

from reports.facts.position import Position, newest_position
from reports.facts.projection import TABLES
from reports.main import build
from reports.pages.render import render_pdf
from reports.settings import Settings
from services.reports.tests.generated_year import Year
from services.reports.tests.harness import ReportsHarness
from services.reports.tests.test_generated_year import digest
from shared.events.records import RecordEvent
from shared.replays.rebuild import rebuild
from shared.service.service import Service
from shared.settings import ServiceSettings
from shared.testing.fixtures import Backing, declare, eventually, fresh_database, fresh_vhost, running, write_keys

COUNT = " + ".join(f"(SELECT count(*) FROM {table})" for table in TABLES if table.endswith("_fact"))
ONE = "(SELECT min(record_id::text)::uuid FROM {})"
DAMAGE = (
    f"UPDATE behavior_fact SET category = 'wrong' WHERE version = 1 AND record_id = {ONE.format('behavior_fact')}",
    f"DELETE FROM payment_fact WHERE record_id = {ONE.format('payment_fact')}",
    "INSERT INTO school_fact SELECT school_id, 99, log_offset, 'Added', timezone, language, active FROM school_fact",
)


@pytest.fixture
def backing(tmp_path):
    write_keys(tmp_path)
    with fresh_database(["gateway", "reports"]) as database, fresh_vhost() as amqp:
        yield Backing(database, amqp, tmp_path)


def settings_of(kind, backing, name):
    return kind(**{key.lower(): value for key, value in backing.environment(name).items()})


async def test_a_rebuild_from_the_log_repairs_the_facts_and_draws_the_same_bytes(backing):
    gateway = Service("gateway", settings_of(ServiceSettings, backing, "gateway"), creates_keys=True)
    settings = settings_of(Settings, backing, "reports")
    await declare(backing.amqp_url, gateway.topology(), build(settings).topology())
    year = Year(Random(3)).build(schools=1, students=6, records=9)
    log = [*year.events, *year.events[::3]]
    rows = {(event.topic, event.subject, event.version) for event in year.events}
    records = sum(isinstance(event, RecordEvent) for event in log)
    ends = Position(directory=len(log) - records - 1, records=records - 1, work=-1)
    memberships = sum(len(getattr(event, "memberships", ())) for event in year.events)
    async with running(gateway), running(build(settings)) as service:
        harness = ReportsHarness(service, None)
        async with gateway.transactions.begin() as tx:
            for event in log:
                tx.emit(event)

        async def arrived():
            (row,) = await harness.rows(f"SELECT {COUNT} AS facts")
            async with service.transactions.begin() as tx:
                return row["facts"], await newest_position(tx, year.schools[0])

        async def made():
            report = await harness.monthly(year.schools[0], dt.date(2025, 11, 1))
            return await digest(harness), render_pdf(report, "en").content

        await eventually(arrived, lambda found: found == (len(rows) + memberships, ends), within=30)
        before = await made()
        for statement in DAMAGE:
            await harness.execute(statement)
        assert (await made())[0] != before[0]
        # when
        found = await rebuild(service, "remember_facts")
        # then
        assert (found.failed, {name: n for name, n in found.changed.items() if n}) == (
            0,
            {"behavior_fact": 1, "payment_fact": found.changed["payment_fact"], "school_fact": 1},
        )
        assert await made() == before
