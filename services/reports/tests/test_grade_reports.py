"""Progress reports of a whole grade: one archive and one document, or nothing."""

import asyncio
import io
import zipfile

import pypdf

from reports.making import bundle, cleanup
from services.reports.tests.harness import DEC, NOV, NOW, asked
from shared.events import TaskCancelRequested
from shared.jobs.time_limits import TimeLimits


async def test_the_progress_of_a_grade_is_one_archive_and_one_document_of_its_students(harness, monkeypatch):
    monkeypatch.setattr(bundle, "PART", 2)
    school = await harness.school()
    names = ("Zoë", "Ada", "Ben", "Ada", "Cleo")
    for name in names:
        await harness.record("grade", school, await harness.student(school, name, "07"), grade=f"Grade of {name}")
    await harness.student(school, "Elsewhere", "08")
    await harness.student(school, "Gone", "07", ends=NOV)
    await harness.student(school, "Later", "07", starts=DEC)
    event = asked(school, grade="07", formats=("pdf", "zip"))
    await harness.receive(event)
    # when
    await harness.make(event)
    # then
    files = {row["format"]: row for row in await harness.rows("SELECT * FROM report_file")}
    archive = zipfile.ZipFile(io.BytesIO(await harness.content(files["zip"]["blob"])))
    alphabetic = ["Ada Demo.pdf", "Ada Demo (2).pdf", "Ben Demo.pdf", "Cleo Demo.pdf", "Zoë Demo.pdf"]
    assert archive.namelist() == alphabetic
    text = pypdf.PdfReader(io.BytesIO(archive.read("Ben Demo.pdf"))).pages[0].extract_text()
    assert "Grade of Ben" in text
    document = pypdf.PdfReader(io.BytesIO(await harness.content(files["pdf"]["blob"])))
    assert [mark.title for mark in document.outline] == ["Ada Demo", "Ada Demo", "Ben Demo", "Cleo Demo", "Zoë Demo"]
    assert all(document.get_destination_page_number(mark) % 2 == 0 for mark in document.outline)
    changes = await harness.emitted("task.changed")
    assert [each["done"] for each in changes if each["state"] == "running"][-3:] == [2, 4, 5]
    (ready,) = await harness.emitted("report.ready")
    assert (ready["name"], ready["student_id"]) == ("Progress reports", None)
    again = asked(school, grade="07", formats=("pdf", "zip"))
    await harness.issue(again)
    same = {row["report_id"]: row["same_as"] for row in await harness.rows("SELECT report_id, same_as FROM report")}
    assert same[again.report_id] == event.report_id


async def test_a_cancelled_report_of_a_grade_leaves_no_file(harness, monkeypatch):
    monkeypatch.setattr(bundle, "PART", 1)
    school = await harness.school()
    for name in ("Ada", "Ben", "Cleo"):
        await harness.student(school, name, "07")
    event = asked(school, grade="07", formats=("pdf", "zip"))
    await harness.receive(event)
    wish = TaskCancelRequested(task_id=event.task_id, school_id=school, kind="report.make", requested_at=NOW)
    read, seen = bundle.student_progress, []

    async def read_and_cancel(*args):
        seen.append(args)
        if len(seen) == 2:
            await harness.cancel(wish)
            await asyncio.Event().wait()  # until the job notices the cancel
        return await read(*args)

    monkeypatch.setattr(bundle, "student_progress", read_and_cancel)
    # when
    await harness.make(event, limits=TimeLimits(soft=60, beat=0.05))
    await cleanup.clean_failed(harness.service.transactions, harness.store)
    # then
    assert len(seen) == 2
    assert await harness.keys() == []
    assert await harness.states() == {event.report_id: "cancelled"}
    assert (await harness.emitted("task.changed"))[-1]["state"] == "cancelled"
    assert [each["cancelled"] for each in await harness.emitted("report.failed")] == [True]
    assert await harness.emitted("report.ready") == []


async def test_a_grade_without_students_fails_and_says_so(harness):
    school = await harness.school()
    event = asked(school, grade="12", formats=("zip",))
    await harness.receive(event)
    # when
    await harness.make(event)
    # then
    last = (await harness.emitted("task.changed"))[-1]
    assert (last["state"], last["error"]) == (
        "failed",
        "Reject: no student of grade 12 was at this school in the period",
    )
    assert await harness.keys() == []
