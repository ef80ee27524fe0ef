"""A file is read once, by one worker, and what follows from it is in one commit."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from files import handlers
from files.processing import blobs, job
from services.files.tests.conftest import accepted, finding, receipt, refused
from shared.errors import LeaseLost
from shared.events import TaskCancelRequested
from shared.jobs.time_limits import TimeLimits
from shared.testing.fixtures import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADA = ("Ada", "Demo-Fir 0001")


async def test_a_clear_receipt_is_processed_with_its_payment(files):
    # given
    school, ada = await files.school(ADA)
    # when
    event = await files.read(school, receipt(), student_id=ada)
    # then
    row = await files.file(event.file_id)
    assert (row["state"], row["reasons"], row["revision"]) == ("processed", [], 1)
    (processed,) = await files.events(event.file_id, "file.processed")
    assert processed["uploaded_by"] == str(event.uploaded_by)
    (record,) = processed["records"]
    assert (record["kind"], record["student_id"]) == ("payment", str(ada))
    facts = {name: record["facts"][name] for name in ("status", "amount", "currency", "paid_on", "file_id")}
    assert facts == {
        "status": "received",
        "amount": "42.5",
        "currency": "EUR",
        "paid_on": "2026-11-12",
        "file_id": str(event.file_id),
    }
    task = await files.task(event.task_id)
    assert (task["state"], task["result"]["state"], task["result"]["records"]) == ("succeeded", "processed", 1)


async def test_the_time_of_a_reading_is_measured_by_the_kind_of_its_file(files):
    before = readings(files, "transcript")
    school, ada = await files.school(ADA)
    await files.read(school, receipt(), student_id=ada, kind="transcript")
    assert readings(files, "transcript") == before + 1


def readings(files, kind):
    samples = files.seconds.collect()[0].samples
    return sum(each.value for each in samples if each.name.endswith("_count") and each.labels == {"kind": kind})


async def test_the_reader_gets_the_bytes_and_what_the_school_knows(files):
    school, ada = await files.school(ADA)
    await files.read(school, receipt(), student_id=ada, content=b"these bytes", name="made-up.pdf")
    content, name, kind, hints = files.reader.asked[-1]
    assert (content, name, kind) == (b"these bytes", "made-up.pdf", "payment_receipt")
    assert (hints.country, hints.currency, hints.uploaded_on.isoformat()) == ("DE", "EUR", "2026-11-20")


async def test_a_transcript_becomes_a_grade_for_each_row(files):
    school, ada = await files.school(ADA)
    rows = [{"subject": "Mathematics", "grade": "A-"}, {"subject": "Languages", "grade": "B+"}]
    found = finding("transcript", {"student": "ada demo-fir 0001", "period": "First term"}, rows)
    event = await files.read(school, found, kind="transcript")
    (processed,) = await files.events(event.file_id, "file.processed")
    said = [(each["facts"]["course"], each["facts"]["grade"], each["facts"]["term"]) for each in processed["records"]]
    assert said == [("Mathematics", "A-", "First term"), ("Languages", "B+", "First term")]
    assert {each["student_id"] for each in processed["records"]} == {str(ada)}


@pytest.mark.parametrize(
    ("found", "changes", "reason"),
    [
        (receipt(amount=("42.50", 0.4)), {}, "unsure_amount"),
        (receipt(date=None), {}, "missing_date"),
        (receipt(), {"uploader_role": "guardian"}, "uploaded_by_family"),
        (receipt(), {"duplicate_of": uuid4()}, "duplicate"),
        (receipt(date="2026-13-05"), {}, "invalid_paid_on"),
        (finding("payment_receipt", {"student": "Bo Demo-Elm 0002"}), {}, "student_mismatch"),
    ],
)
async def test_what_is_unsure_needs_a_review_and_records_nothing(files, found, changes, reason):
    school, ada, _ = await files.school(ADA, ("Bo", "Demo-Elm 0002"))
    event = await files.read(school, found, student_id=ada, **changes)
    row = await files.file(event.file_id)
    assert row["state"] == "needs_review"
    assert any(reason in each for each in row["reasons"]), row["reasons"]
    assert await files.events(event.file_id, "file.processed") == []
    (review,) = await files.events(event.file_id, "file.needs_review")
    assert review["reasons"] == row["reasons"]
    assert (await files.task(event.task_id))["state"] == "succeeded"


async def test_the_same_receipt_in_another_picture_names_the_earlier_file(files):
    school, ada = await files.school(ADA)
    first = await files.read(school, receipt(reference="R-1"), student_id=ada)
    second = await files.read(school, receipt(reference="R-1"), student_id=ada)
    row = await files.file(second.file_id)
    assert (row["state"], row["reasons"], row["similar_to"]) == (
        "needs_review",
        ["possible_duplicate"],
        first.file_id,
    )


async def test_a_refused_file_fails_its_task_with_code_and_sentence(files):
    school, _ = await files.school(ADA)
    event = await files.upload(school)
    await files.process(event.task_id, refused("encrypted", "The PDF needs a password. Send it without one."))
    row = await files.file(event.file_id)
    assert (row["state"], row["code"]) == ("refused", "encrypted")
    task = await files.task(event.task_id)
    assert (task["state"], task["error"]) == ("failed", "encrypted: The PDF needs a password. Send it without one.")
    (event_refused,) = await files.events(event.file_id, "file.refused")
    assert event_refused["code"] == "encrypted"


async def test_a_permit_that_comes_twice_changes_nothing(files):
    school, ada = await files.school(ADA)
    event = await files.read(school, receipt(), student_id=ada)
    with pytest.raises(LeaseLost):
        await files.process(event.task_id)
    assert len(await files.events(event.file_id, "file.processed")) == 1


async def test_an_upload_that_arrives_twice_is_registered_once(files):
    school, ada = await files.school(ADA)
    event = await files.read(school, receipt(), student_id=ada)
    await files.register(event)
    assert (await files.file(event.file_id))["state"] == "processed"


async def test_a_reading_that_failed_is_read_again_and_counts_once(files):
    school, ada = await files.school(ADA)
    event = await files.upload(school, student_id=ada)

    async def broken(_, __):
        raise RuntimeError("the reader has a bug")

    await files.process(event.task_id, broken)
    assert (await files.task(event.task_id))["state"] == "retrying"
    await files.rows(
        "UPDATE task_lease SET leased_until = '-infinity' WHERE task_id = %s RETURNING 1", (event.task_id,)
    )
    await files.process(event.task_id, accepted(receipt()))
    assert len(await files.events(event.file_id, "file.processed")) == 1


async def test_a_cancel_stops_a_reading_in_the_middle(files):
    # given
    school, _ = await files.school(ADA)
    event = await files.upload(school)
    reading = asyncio.Event()

    async def endless(_, on_progress):
        on_progress(3, 50)
        reading.set()
        await asyncio.Event().wait()

    files.reader.reading = endless
    working = asyncio.create_task(files.process(event.task_id, limits=TimeLimits(lease=3, beat=0.1)))
    await reading.wait()
    # when
    wish = TaskCancelRequested(task_id=event.task_id, school_id=school, kind=job.KIND, requested_at=event.uploaded_at)
    async with files.service.transactions.begin() as tx:
        await handlers.cancel(wish, tx)
    await working
    # then
    assert (await files.task(event.task_id))["state"] == "cancelled"
    row = await files.file(event.file_id)
    assert (row["state"], row["code"]) == ("refused", "not_read")


async def test_progress_is_published_page_by_page(files):
    school, ada = await files.school(ADA)
    event = await files.upload(school, student_id=ada)
    going_on = asyncio.Event()

    async def slowly(_, on_progress):
        on_progress(3, 50)
        await going_on.wait()
        return accepted(receipt(), pages=50)

    files.reader.reading = slowly
    working = asyncio.create_task(files.process(event.task_id))
    task = await eventually(lambda: files.task(event.task_id), lambda seen: seen["total"] == 50)
    assert (task["state"], task["done"]) == ("running", 3)
    going_on.set()
    await working
    assert (await files.task(event.task_id))["done"] == 50


async def test_thumbnails_are_stored_beside_the_original(files):
    school, ada = await files.school(ADA)
    event = await files.upload(school, student_id=ada)

    async def with_pictures(out, _):
        (out / "256.webp").write_bytes(b"small")
        reading = accepted(receipt())
        return replace(reading, thumbnails={"256": "256.webp"})

    await files.process(event.task_id, with_pictures)
    assert (await files.file(event.file_id))["thumbnails"] == ["256"]
    blob = await files.store.open(blobs.thumbnail_key(school, event.file_id, "256"))
    assert b"".join([part async for part in blob.chunks()]) == b"small"


async def test_a_file_waits_until_the_directory_has_its_version(files):
    school, ada = await files.school(ADA)
    event = await files.upload(school, student_id=ada, directory_version=7)
    await files.process(event.task_id, accepted(receipt()))
    task = await files.task(event.task_id)
    assert task["state"] == "retrying"
    assert "version 7" in task["error"]
