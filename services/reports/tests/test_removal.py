"""Files of cancelled reports and of old ones are removed."""

import datetime as dt

from uuid_utils.compat import uuid7

from reports.making import cleanup
from reports.making.content import read_content
from reports.making.files import store_files
from reports.permits import CleanupPermit
from services.reports.tests.harness import DEC, NOW, asked
from shared.events import Envelope, ReportsCleanupDue, TaskCancelRequested


async def test_a_cancelled_report_leaves_no_file(harness):
    school = await harness.school()
    event = asked(school)
    await harness.receive(event)
    row = (await harness.rows("SELECT * FROM report"))[0]
    report = row | {"directory_offset": 0, "records_offset": -1, "work_offset": -1}
    async with harness.service.transactions.begin() as tx:
        drawn = await read_content(tx, report)
    await store_files(harness.store, report, drawn)
    wish = TaskCancelRequested(task_id=event.task_id, school_id=school, kind="report.make", requested_at=NOW)
    await harness.cancel(wish)
    # when
    await cleanup.clean_failed(harness.service.transactions, harness.store)
    # then
    assert await harness.keys() == []
    assert await harness.states() == {event.report_id: "cancelled"}
    assert [each["cancelled"] for each in await harness.emitted("report.failed")] == [True]


async def test_reports_are_removed_with_their_files_after_a_year(harness):
    school = await harness.school()
    old, new = (
        asked(school),
        asked(school, starts=DEC, ends=dt.date(2027, 1, 1), requested_at=NOW + dt.timedelta(days=30)),
    )
    shared = asked(school)
    for event in (old, shared, new):
        await harness.issue(event)
    assert len(await harness.keys()) == 4
    task = uuid7()
    due = ReportsCleanupDue(schedule_id=uuid7(), task_id=task, due_at=NOW + dt.timedelta(days=366))
    async with harness.service.transactions.begin() as tx:
        await cleanup.permit_cleanup(due, tx)
    # when
    permit = CleanupPermit(task_id=task, before=due.due_at - cleanup.KEPT)
    for _ in range(2):
        await cleanup.clean(permit, Envelope.of(due, "test"), harness.service.transactions, harness.store)
    # then
    assert list(await harness.states()) == [new.report_id]
    assert await harness.keys() == sorted(row["blob"] for row in await harness.rows("SELECT blob FROM report_file"))
    assert [each["removed"] for each in await harness.emitted("reports.cleaned")] == [2]
