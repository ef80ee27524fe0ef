"""From `report.ready`, as the report service will say it, to the people whom the report is for."""

import asyncio
import datetime as dt

import pytest
from uuid_utils.compat import uuid7

from reports.main import build
from reports.settings import Settings
from shared.events import ReportReady
from shared.testing.fixtures import eventually

ADMINISTRATOR = """
SELECT m.school_id, m.person_id FROM gateway.membership m JOIN gateway.contact c USING (person_id)
WHERE m.role = 'school_admin' AND c.kind = 'mail' ORDER BY 1, 2 LIMIT 1
"""
TOLD = """
SELECT d.channel, d.state, n.title FROM notifier.notification n JOIN notifier.delivery d USING (notification_id)
WHERE n.origin = %s AND d.person_id = %s AND d.channel <> 'push'
"""


@pytest.fixture
async def reports(system):
    """The report service with its own relay; what it does later on, the test does."""
    environment = {name.lower(): value for name, value in system.environment("reports").items()}
    service = build(Settings(**environment))
    async with service.runtime.running():
        yield service


async def test_a_report_that_is_ready_is_told_to_whoever_asked_for_it(system, reports):
    (row,) = system.rows(ADMINISTRATOR)
    report = uuid7()
    async with reports.transactions.begin() as tx:
        tx.emit(
            ReportReady(
                report_id=report,
                school_id=row["school_id"],
                name="Monthly report",
                period="November 2026",
                requested_by=row["person_id"],
                ready_at=dt.datetime.now(dt.UTC),
            )
        )

    async def told():
        rows = await asyncio.to_thread(system.rows, TOLD, f"report:{report}", row["person_id"])
        return {(each["channel"], each["state"], each["title"]) for each in rows}

    title = "Report ready: Monthly report"
    await eventually(told, lambda seen: seen == {("mail", "accepted", title), ("inbox", "accepted", title)}, within=60)
