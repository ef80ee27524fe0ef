"""A report is made: it waits for its facts, stores files, is announced once; a killed attempt leaves nothing behind."""

import io
import zipfile

import pypdf
import pytest
from uuid_utils.compat import uuid7

from reports.making import requests
from services.reports.tests.harness import NOV, NOW, asked
from shared.errors import LeaseLost
from shared.events import ReportsMonthlyDue

EXPIRE_LEASES = "UPDATE task_lease SET leased_until = '-infinity'"


async def test_seed_25_a_report_becomes_a_pdf_and_a_workbook_and_is_announced_with_its_task(harness):
    school = await harness.school()
    await harness.record("behavior", school, await harness.student(school))
    event = asked(school, requested_by=uuid7())
    await harness.receive(event)
    await harness.receive(event)
    # when
    await harness.make(event)
    # then
    files = {row["format"]: row for row in await harness.rows("SELECT * FROM report_file")}
    pdf = pypdf.PdfReader(io.BytesIO(await harness.content(files["pdf"]["blob"])))
    assert "November 2026" in pdf.pages[0].extract_text()
    assert zipfile.ZipFile(io.BytesIO(await harness.content(files["xlsx"]["blob"]))).testzip() is None
    (ready,) = await harness.emitted("report.ready")
    assert (ready["name"], ready["period"], ready["requested_by"]) == (
        "Monthly report",
        "November 2026",
        str(event.requested_by),
    )
    assert (await harness.emitted("task.changed"))[-1]["state"] == "succeeded"
    with pytest.raises(LeaseLost):
        await harness.make(event)
    counts = [each for each in harness.seconds.collect()[0].samples if each.name.endswith("_count")]
    assert [(each.labels, each.value) for each in counts] == [({"kind": "monthly"}, 1)]


async def test_a_report_waits_for_the_records_that_its_requester_had_seen(harness):
    school = await harness.school()
    ada = await harness.student(school)
    late = harness.made("grade", school, ada)
    event = asked(school, ada, records={late.record_id: 1})
    await harness.issue(event)
    assert (await harness.emitted("task.changed"))[-1]["state"] == "failed"
    assert list((await harness.states()).values()) == ["failed"]
    assert [each["cancelled"] for each in await harness.emitted("report.failed")] == [False]
    # when it has arrived
    await harness.append(late)
    again = asked(school, ada, records={late.record_id: 1})
    await harness.issue(again)
    # then
    assert (await harness.states())[again.report_id] == "ready"


async def test_csv_comes_as_an_archive_of_the_figures_and_each_list(harness):
    school = await harness.school()
    await harness.record("behavior", school, await harness.student(school))
    event = asked(school, formats=("csv",))
    await harness.receive(event)
    # when
    await harness.make(event)
    # then
    (file,) = await harness.rows("SELECT * FROM report_file")
    assert (file["format"], file["media_type"]) == ("csv", "application/zip")
    archive = zipfile.ZipFile(io.BytesIO(await harness.content(file["blob"])))
    assert archive.testzip() is None
    assert len(archive.namelist()) > 1
    assert all(name.endswith(".csv") and archive.read(name).startswith(b"\xef\xbb\xbf") for name in archive.namelist())
    assert (await harness.emitted("task.changed"))[-1]["result"]["warnings"] == []


async def test_a_worker_that_dies_after_storing_leaves_nothing_that_the_next_does_not_replace(harness):
    school = await harness.school()
    event = asked(school)
    await harness.receive(event)

    class Dying:
        def __init__(self):
            self.left = 1

        async def put(self, key, content):
            await harness.store.put(key, content)
            self.left -= 1
            if not self.left:
                raise SystemExit

    with pytest.raises(SystemExit):
        await harness.make(event, Dying())
    assert len(await harness.keys()) == 1
    await harness.execute(EXPIRE_LEASES)
    # when
    await harness.make(event)
    # then
    assert await harness.keys() == sorted(row["blob"] for row in await harness.rows("SELECT blob FROM report_file"))
    assert len(await harness.emitted("report.ready")) == 1


def month_ended(school):
    instants = {"starts_at": NOW, "ends_at": NOW, "due_at": NOW}
    ids = {"schedule_id": uuid7(), "task_id": uuid7(), "school_id": school}
    return ReportsMonthlyDue(**ids, month=NOV, timezone="Europe/Berlin", **instants)


async def request_month(harness, due):
    async with harness.service.transactions.begin() as tx:
        await requests.request_monthly(due, tx, 10)


async def test_a_month_that_has_ended_makes_one_report_in_the_schools_language(harness):
    due = month_ended(await harness.school(language="fr"))
    for _ in range(2):
        await request_month(harness, due)
    await harness.make(due)
    # then
    (ready,) = await harness.emitted("report.ready")
    assert (ready["name"], ready["period"], ready["requested_by"]) == ("Rapport mensuel", "novembre 2026", None)


async def test_a_month_that_fails_at_one_school_is_made_at_the_others(harness):
    known = await harness.school()
    unknown = uuid7()
    for due in (month_ended(unknown), month_ended(known)):
        await request_month(harness, due)
        await harness.make(due)
    # then
    states = await harness.rows("SELECT school_id, state FROM report")
    assert {row["school_id"]: row["state"] for row in states} == {unknown: "failed", known: "ready"}
