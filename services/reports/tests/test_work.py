"""Work on a report: waits for facts, stores files, is announced once; equal requests share; failures leave nothing."""

import asyncio
import datetime as dt
import hashlib
import io
import zipfile

import pypdf
import pytest
from uuid_utils.compat import uuid7

from reports import handlers
from reports.making import bundle, cleanup, job, redraw, requests
from reports.making.content import read_content
from reports.making.files import store_files
from reports.permits import CleanupPermit, ReportPermit
from shared.errors import LeaseLost
from shared.events import (
    Envelope,
    PersonChanged,
    ReportRequested,
    ReportsCleanupDue,
    ReportsMonthlyDue,
    TaskCancelRequested,
)
from shared.jobs.time_limits import TimeLimits
from shared.storage.blob_store import BlobStore

NOV, DEC = dt.date(2026, 11, 1), dt.date(2026, 12, 1)
NOW = dt.datetime(2026, 12, 1, 6, 0, 0, 123456, tzinfo=dt.UTC)
EXPIRE_LEASES = "UPDATE task_lease SET leased_until = '-infinity'"


def asked(school, student=None, **changes):
    report = uuid7()
    kind = "student_progress" if student else "grade_progress" if "grade" in changes else "monthly"
    base = {"report_id": report, "task_id": report, "school_id": school, "kind": kind, "student_id": student}
    days = {"starts": NOV, "ends": DEC, "requested_at": NOW}
    return ReportRequested(**(base | days | changes))


async def receive(harness, event):
    async with harness.service.transactions.begin() as tx:
        await requests.request(event, tx, 10)


async def make(harness, event, store: BlobStore | None = None, limits=job.LIMITS):
    cause = Envelope.of(event, "test")
    work = ReportPermit(task_id=event.task_id)
    await job.make(work, cause, harness.service.transactions, store or harness.store, 0.3, limits)


async def content(harness, key):
    blob = await harness.store.open(key)
    return b"".join([part async for part in blob.chunks()])


async def keys(harness):
    return sorted([each.key async for each in harness.store.list("reports")])


async def states(harness):
    return {row["report_id"]: row["state"] for row in await harness.rows("SELECT report_id, state FROM report")}


async def test_a_report_becomes_a_pdf_and_a_workbook_and_is_told_with_its_task(harness):
    school = await harness.school()
    await harness.record("behavior", school, await harness.student(school))
    event = asked(school, requested_by=uuid7())
    await receive(harness, event)
    await receive(harness, event)
    # when
    await make(harness, event)
    # then
    files = {row["format"]: row for row in await harness.rows("SELECT * FROM report_file")}
    pdf = pypdf.PdfReader(io.BytesIO(await content(harness, files["pdf"]["blob"])))
    assert "November 2026" in pdf.pages[0].extract_text()
    assert zipfile.ZipFile(io.BytesIO(await content(harness, files["xlsx"]["blob"]))).testzip() is None
    (ready,) = await harness.emitted("report.ready")
    assert (ready["name"], ready["period"], ready["requested_by"]) == (
        "Monthly report",
        "November 2026",
        str(event.requested_by),
    )
    assert (await harness.emitted("task.changed"))[-1]["state"] == "succeeded"
    with pytest.raises(LeaseLost):
        await make(harness, event)


async def test_a_report_waits_for_the_records_that_its_requester_had_seen(harness):
    school = await harness.school()
    ada = await harness.student(school)
    late = harness.made("grade", school, ada)
    event = asked(school, ada, records={late.record_id: 1})
    await receive(harness, event)
    await make(harness, event)
    assert (await harness.emitted("task.changed"))[-1]["state"] == "failed"
    assert list((await states(harness)).values()) == ["failed"]
    assert [each["cancelled"] for each in await harness.emitted("report.failed")] == [False]
    # when it has arrived
    await harness.append(late)
    again = asked(school, ada, records={late.record_id: 1})
    await receive(harness, again)
    await make(harness, again)
    # then
    assert (await states(harness))[again.report_id] == "ready"


async def test_an_equal_request_gets_the_same_files_until_a_fact_is_new_or_it_is_forced(harness):
    school = await harness.school()
    ada = await harness.student(school)
    events = [asked(school, ada) for _ in range(2)]
    events.append(asked(school, ada, force=True))
    for event in events:
        await receive(harness, event)
        await make(harness, event)
    await harness.record("grade", school, ada)
    events.append(asked(school, ada))
    await receive(harness, events[-1])
    await make(harness, events[-1])
    # then
    same = {row["report_id"]: row["same_as"] for row in await harness.rows("SELECT report_id, same_as FROM report")}
    assert [same[event.report_id] for event in events] == [None, events[0].report_id, None, None]
    assert len(await keys(harness)) == 6
    assert len(await harness.emitted("report.ready")) == 3
    rows = await harness.rows("SELECT format, sha256 FROM report_file f JOIN report r USING (report_id) WHERE forced")
    first = await harness.rows("SELECT format, sha256 FROM report_file WHERE report_id = %s", (events[0].report_id,))
    assert {row["format"] for row in rows} == {row["format"] for row in first} == {"pdf", "xlsx"}


async def test_a_version_to_share_is_another_report_than_the_whole_one(harness):
    school = await harness.school()
    await harness.record("behavior", school, await harness.student(school))
    events = [asked(school), asked(school, to_share=True), asked(school, to_share=True)]
    for event in events:
        await receive(harness, event)
        await make(harness, event)
    # then
    rows = {
        row["report_id"]: row for row in await harness.rows("SELECT report_id, same_as, smallest_count FROM report")
    }
    whole, shared, again = [rows[event.report_id] for event in events]
    assert [row["smallest_count"] for row in (whole, shared, again)] == [None, 10, 10]
    assert [row["same_as"] for row in (whole, shared, again)] == [None, None, events[1].report_id]
    (file,) = await harness.rows(
        "SELECT * FROM report_file WHERE report_id = %s AND format = 'pdf'", (events[1].report_id,)
    )
    text = pypdf.PdfReader(io.BytesIO(await content(harness, file["blob"]))).pages[0].extract_text()
    assert "Version to share" in text
    assert "Ada" not in text


async def test_a_worker_that_dies_after_storing_leaves_nothing_that_the_next_does_not_replace(harness):
    school = await harness.school()
    event = asked(school)
    await receive(harness, event)

    class Dying:
        def __init__(self):
            self.left = 1

        async def put(self, key, content):
            await harness.store.put(key, content)
            self.left -= 1
            if not self.left:
                raise SystemExit

    with pytest.raises(SystemExit):
        await make(harness, event, Dying())
    assert len(await keys(harness)) == 1
    await harness.execute(EXPIRE_LEASES)
    # when
    await make(harness, event)
    # then
    assert await keys(harness) == sorted(row["blob"] for row in await harness.rows("SELECT blob FROM report_file"))
    assert len(await harness.emitted("report.ready")) == 1


async def test_csv_comes_as_an_archive_of_the_figures_and_each_list(harness):
    school = await harness.school()
    await harness.record("behavior", school, await harness.student(school))
    event = asked(school, formats=("csv",))
    await receive(harness, event)
    # when
    await make(harness, event)
    # then
    (file,) = await harness.rows("SELECT * FROM report_file")
    assert (file["format"], file["media_type"]) == ("csv", "application/zip")
    archive = zipfile.ZipFile(io.BytesIO(await content(harness, file["blob"])))
    assert archive.testzip() is None
    assert len(archive.namelist()) > 1
    assert all(name.endswith(".csv") and archive.read(name).startswith(b"\xef\xbb\xbf") for name in archive.namelist())
    assert (await harness.emitted("task.changed"))[-1]["result"]["warnings"] == []


async def test_a_cancelled_report_leaves_no_file(harness):
    school = await harness.school()
    event = asked(school)
    await receive(harness, event)
    row = (await harness.rows("SELECT * FROM report"))[0]
    report = row | {"directory_offset": 0, "records_offset": -1, "work_offset": -1}
    async with harness.service.transactions.begin() as tx:
        drawn = await read_content(tx, report)
    await store_files(harness.store, report, drawn)
    wish = TaskCancelRequested(task_id=event.task_id, school_id=school, kind="report.make", requested_at=NOW)
    async with harness.service.transactions.begin() as tx:
        await job.cancel(wish, tx)
    # when
    await cleanup.clean_failed(harness.service.transactions, harness.store)
    # then
    assert await keys(harness) == []
    assert await states(harness) == {event.report_id: "cancelled"}
    assert [each["cancelled"] for each in await harness.emitted("report.failed")] == [True]


async def test_a_month_that_has_ended_makes_one_report_in_the_schools_language(harness):
    school = await harness.school(language="fr")
    instants = {"starts_at": NOW, "ends_at": NOW, "due_at": NOW}
    due = ReportsMonthlyDue(
        schedule_id=uuid7(), task_id=uuid7(), school_id=school, month=NOV, timezone="Europe/Berlin", **instants
    )
    for _ in range(2):
        async with harness.service.transactions.begin() as tx:
            await requests.request_monthly(due, tx, 10)
    await make(harness, due)
    # then
    (ready,) = await harness.emitted("report.ready")
    assert (ready["name"], ready["period"], ready["requested_by"]) == ("Rapport mensuel", "novembre 2026", None)


async def test_reports_are_removed_with_their_files_after_a_year(harness):
    school = await harness.school()
    old, new = (
        asked(school),
        asked(school, starts=DEC, ends=dt.date(2027, 1, 1), requested_at=NOW + dt.timedelta(days=30)),
    )
    shared = asked(school)
    for event in (old, shared, new):
        await receive(harness, event)
        await make(harness, event)
    assert len(await keys(harness)) == 4
    task = uuid7()
    due = ReportsCleanupDue(schedule_id=uuid7(), task_id=task, due_at=NOW + dt.timedelta(days=366))
    async with harness.service.transactions.begin() as tx:
        await cleanup.permit_cleanup(due, tx)
    # when
    permit = CleanupPermit(task_id=task, before=due.due_at - cleanup.KEPT)
    for _ in range(2):
        await cleanup.clean(permit, Envelope.of(due, "test"), harness.service.transactions, harness.store)
    # then
    assert list(await states(harness)) == [new.report_id]
    assert await keys(harness) == sorted(row["blob"] for row in await harness.rows("SELECT blob FROM report_file"))
    assert [each["removed"] for each in await harness.emitted("reports.cleaned")] == [2]


async def test_a_late_grade_leaves_the_issued_report_and_a_reissue_says_what_it_replaces(harness):
    school = await harness.school()
    ada = await harness.student(school)
    await harness.record("grade", school, ada, grade="C")
    first = asked(school, ada)
    await receive(harness, first)
    await make(harness, first)
    issued = await content(harness, (await keys(harness))[0])
    # when
    await harness.record("grade", school, ada, course="Languages", grade="A")
    again = asked(school, ada, replaces=first.report_id, reason="A late grade", formats=("pdf",))
    await receive(harness, again)
    await make(harness, again)
    # then
    files = await harness.rows("SELECT blob FROM report_file WHERE report_id = %s", (again.report_id,))
    pages = pypdf.PdfReader(io.BytesIO(await content(harness, files[0]["blob"]))).pages
    text = "".join(page.extract_text() for page in pages)
    assert "A late grade" in text
    assert str(first.report_id)[:8] in text
    assert "Languages" in text
    assert issued == await content(harness, next(key for key in await keys(harness) if str(first.report_id) in key))
    told = [each["report_id"] for each in await harness.emitted("report.ready")]
    assert told == [str(first.report_id), str(again.report_id)]
    # and what is not a report of this student cannot be replaced
    wrong = asked(school, ada, replaces=uuid7())
    await receive(harness, wrong)
    await make(harness, wrong)
    assert (await states(harness))[wrong.report_id] == "failed"


async def test_an_erasure_empties_the_facts_and_removes_the_students_reports(harness):
    school = await harness.school()
    ada, ben = await harness.student(school), await harness.student(school, "Ben")
    for student in (ada, ben):
        await harness.record("remark", school, student)
        await harness.record("absence", school, student, reason="A made-up reason")
        event = asked(school, student)
        await receive(harness, event)
        await make(harness, event)
    erased = PersonChanged(person_id=ada, active=False, version=9, erased_at=NOW)
    # when
    await harness.append(erased)
    await handlers.erase(harness.service.transactions)
    await cleanup.clean_erased(harness.service.transactions, harness.store)
    # then
    names = await harness.rows("SELECT DISTINCT given_name FROM person_fact")
    assert {row["given_name"] for row in names} == {None, "Ben"}
    texts = await harness.rows("SELECT text, student_id FROM remark_fact")
    assert {row["student_id"]: row["text"] for row in texts} == {ada: "", ben: "A made-up remark."}
    reasons = await harness.rows("SELECT student_id FROM absence_fact WHERE reason IS NOT NULL")
    assert [row["student_id"] for row in reasons] == [ben]
    assert [row["student_id"] for row in await harness.rows("SELECT student_id FROM report")] == [ben]
    assert len(await keys(harness)) == 2
    report = await harness.monthly(school)
    assert (report.students, sorted(row.student for row in report.absences)) == (2, ["", "Ben Demo"])


async def test_stored_reports_of_a_school_are_drawn_again_without_the_names_of_an_erased_student(harness):
    school, other = await harness.school(), await harness.school()
    ada, ben = await harness.student(school, "Ada", "07"), await harness.student(school, "Ben", "07")
    for student, text in ((ada, "Mischief"), (ben, "Kindness")):
        await harness.record("behavior", school, student, description=text)
    await harness.record("behavior", other, await harness.student(other, "Ada"))
    formats = ("csv", "pdf", "xlsx")
    events = [asked(school, formats=formats), asked(school, grade="07", formats=("pdf", "zip")), asked(other)]
    for event in events:
        await receive(harness, event)
        await make(harness, event)
    before = await read_files(harness)
    await harness.record("behavior", school, ben)  # it is in no report that was made before
    # when
    await harness.append(PersonChanged(person_id=ada, active=False, version=9, erased_at=NOW))
    await handlers.erase(harness.service.transactions)
    for _ in range(2):
        await redraw.redraw(harness.service.transactions, harness.store)
    # then
    after = await read_files(harness)
    changed = {
        event.report_id: {after[key] != before[key] for key in before if key[0] == event.report_id} for event in events
    }
    assert list(changed.values()) == [{True}, {True}, {False}]
    month, grade, _ = [event.report_id for event in events]
    for form in formats:
        old, new = [texts(form, files[month, form]) for files in (before, after)]
        for word in ("Ada Demo", "Mischief"):
            assert (word in old, word in new) == (True, False), (form, word)
        assert "Ben Demo" in new
        assert "Kindness" in new
    figures = [texts("csv", files[month, "csv"]).split("Behaviour by category")[1][:40] for files in (before, after)]
    assert figures[0] == figures[1]
    assert zipfile.ZipFile(io.BytesIO(after[grade, "zip"])).namelist() == ["Ben Demo.pdf"]
    assert "Ada" not in texts("pdf", after[grade, "pdf"])
    digests = {
        (row["report_id"], row["format"]): row["sha256"] for row in await harness.rows("SELECT * FROM report_file")
    }
    assert digests == {key: hashlib.sha256(content).hexdigest() for key, content in after.items()}
    # and what is drawn now needs no second drawing
    again = asked(school)
    await receive(harness, again)
    await make(harness, again)
    assert await harness.rows(redraw.SELECT_OUTDATED) == []
    # and a grade without students has no report any more
    await harness.append(PersonChanged(person_id=ben, active=False, version=9, erased_at=NOW))
    await handlers.erase(harness.service.transactions)
    await redraw.redraw(harness.service.transactions, harness.store)
    assert set(await states(harness)) == {month, events[2].report_id, again.report_id}
    assert len(await keys(harness)) == 7


async def read_files(harness):
    rows = await harness.rows("SELECT * FROM report_file")
    return {(row["report_id"], row["format"]): await content(harness, row["blob"]) for row in rows}


def texts(form, content):
    """All texts of a file."""
    if form == "pdf":
        return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)
    archive = zipfile.ZipFile(io.BytesIO(content))
    return "\n".join(archive.read(name).decode("utf-8-sig") for name in archive.namelist() if not name.endswith("png"))


async def test_a_cancelled_report_of_a_grade_leaves_no_file(harness, monkeypatch):
    monkeypatch.setattr(bundle, "PART", 1)
    school = await harness.school()
    for name in ("Ada", "Ben", "Cleo"):
        await harness.student(school, name, "07")
    event = asked(school, grade="07", formats=("pdf", "zip"))
    await receive(harness, event)
    wish = TaskCancelRequested(task_id=event.task_id, school_id=school, kind="report.make", requested_at=NOW)
    read, seen = bundle.student_progress, []

    async def read_and_cancel(*args):
        seen.append(args)
        if len(seen) == 2:
            await cancel(harness, wish)
            await asyncio.Event().wait()  # until the job notices the cancel
        return await read(*args)

    monkeypatch.setattr(bundle, "student_progress", read_and_cancel)
    # when
    await make(harness, event, limits=TimeLimits(soft=60, beat=0.05))
    await cleanup.clean_failed(harness.service.transactions, harness.store)
    # then
    assert len(seen) == 2
    assert await keys(harness) == []
    assert await states(harness) == {event.report_id: "cancelled"}
    assert (await harness.emitted("task.changed"))[-1]["state"] == "cancelled"
    assert [each["cancelled"] for each in await harness.emitted("report.failed")] == [True]
    assert await harness.emitted("report.ready") == []


async def cancel(harness, wish):
    async with harness.service.transactions.begin() as tx:
        await job.cancel(wish, tx)


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
    await receive(harness, event)
    # when
    await make(harness, event)
    # then
    files = {row["format"]: row for row in await harness.rows("SELECT * FROM report_file")}
    archive = zipfile.ZipFile(io.BytesIO(await content(harness, files["zip"]["blob"])))
    alphabetic = ["Ada Demo.pdf", "Ada Demo (2).pdf", "Ben Demo.pdf", "Cleo Demo.pdf", "Zoë Demo.pdf"]
    assert archive.namelist() == alphabetic
    text = pypdf.PdfReader(io.BytesIO(archive.read("Ben Demo.pdf"))).pages[0].extract_text()
    assert "Grade of Ben" in text
    document = pypdf.PdfReader(io.BytesIO(await content(harness, files["pdf"]["blob"])))
    assert [mark.title for mark in document.outline] == ["Ada Demo", "Ada Demo", "Ben Demo", "Cleo Demo", "Zoë Demo"]
    assert all(document.get_destination_page_number(mark) % 2 == 0 for mark in document.outline)
    changes = await harness.emitted("task.changed")
    assert [each["done"] for each in changes if each["state"] == "running"][-3:] == [2, 4, 5]
    (ready,) = await harness.emitted("report.ready")
    assert (ready["name"], ready["student_id"]) == ("Progress reports", None)
    again = asked(school, grade="07", formats=("pdf", "zip"))
    await receive(harness, again)
    await make(harness, again)
    same = {row["report_id"]: row["same_as"] for row in await harness.rows("SELECT report_id, same_as FROM report")}
    assert same[again.report_id] == event.report_id


async def test_a_grade_without_students_fails_and_says_so(harness):
    school = await harness.school()
    event = asked(school, grade="12", formats=("zip",))
    await receive(harness, event)
    # when
    await make(harness, event)
    # then
    last = (await harness.emitted("task.changed"))[-1]
    assert (last["state"], last["error"]) == (
        "failed",
        "Reject: no student of grade 12 was at this school in the period",
    )
    assert await keys(harness) == []
