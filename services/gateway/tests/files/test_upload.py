"""Uploads: stored as a whole or not at all, once for a key."""

import asyncio
import hashlib
import json
from uuid import uuid4

import pytest

from gateway.files import orphans, recording
from gateway.files.received_file import clean_name
from services.gateway.tests.files.uploads import PDF, UPLOADED, UPLOADS, add_student, content_of, keys, upload
from shared.events import FileDeleted, FileRestored

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_upload_is_stored_and_its_event_committed_with_it(gateway, store, school, student):
    # when
    person = uuid4()
    answer = await upload(gateway, school, student=student, person=person, name="../../etc/passwd\u202e.pdf")
    # then
    assert answer.status_code == 202
    found = answer.json()
    assert (found["state"], found["duplicate_of"]) == ("accepted", None)
    assert answer.headers["location"] == f"/v1/tasks/{found['task_id']}"
    assert await content_of(store, school, found["id"]) == PDF
    (row,) = await gateway.rows(UPLOADS, (school,))
    assert (row["state"], row["size"], row["sha256"]) == ("stored", len(PDF), hashlib.sha256(PDF).hexdigest())
    (event,) = [each["data"] for each in await gateway.rows(UPLOADED, (str(school),))]
    assert (event["file_id"], event["task_id"], event["student_id"]) == (found["id"], found["task_id"], str(student))
    assert (event["name"], event["uploaded_by"], event["uploader_role"]) == ("passwd.pdf", str(person), "staff")
    task = (await gateway.ask("GET", f"/v1/tasks/{found['task_id']}", "staff", school, person)).json()
    assert (task["kind"], task["state"]) == ("file.process", "accepted")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("C:\\Users\\demo\\scan.pdf", "scan.pdf"),
        ("..", "file"),
        ("\x00\x1f", "file"),
        ("a" * 300 + ".pdf", "a" * 196 + ".pdf"),
        ("Quittung Mu\u0308ller.pdf", "Quittung Müller.pdf"),
    ],
)
async def test_a_name_loses_what_is_no_name(name, shown):
    assert clean_name(name) == shown


async def test_the_same_key_and_file_is_one_upload(gateway, store, school):
    person = uuid4()
    first = await upload(gateway, school, key="one", person=person)
    again = await upload(gateway, school, key="one", person=person)
    other = await upload(gateway, school, b"other bytes", key="one", person=person)
    assert again.json() == first.json()
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert len(await keys(store, school)) == 1


async def test_the_same_key_at_once_is_one_upload(gateway, store, school):
    person = uuid4()
    answers = await asyncio.gather(*(upload(gateway, school, key="one", person=person) for _ in range(4)))
    assert len({answer.json()["id"] for answer in answers}) == 1
    await orphans.remove_orphans(gateway.service.transactions, store)
    assert [row["state"] for row in await gateway.rows(UPLOADS, (school,))] == ["stored"]
    assert len(await keys(store, school)) == 1


async def test_the_same_bytes_name_the_first_file_that_is_not_deleted(gateway, school):
    # given
    first = (await upload(gateway, school)).json()["id"]
    second = (await upload(gateway, school)).json()
    assert second["duplicate_of"] == first
    # when
    common = {"file_id": first, "school_id": school}
    at = {"deleted_at": "2026-11-20T08:00:00Z"}
    async with gateway.service.transactions.begin() as tx:
        await recording.mark_deleted(FileDeleted(**common, **at, version=2), tx)
    # then
    assert (await upload(gateway, school)).json()["duplicate_of"] == second["id"]
    # and when it is restored, whatever the order of both facts
    async with gateway.service.transactions.begin() as tx:
        await recording.mark_restored(FileRestored(**common, restored_at=at["deleted_at"], version=3), tx)
        await recording.mark_deleted(FileDeleted(**common, **at, version=2), tx)
    assert (await upload(gateway, school)).json()["duplicate_of"] == first


async def test_bad_input_leaves_nothing(gateway, store, school, student):
    foreign = await gateway.add_school()
    stranger = await add_student(gateway, foreign)
    for form, status, code in (
        ({"kind": "invoice"}, 422, "invalid"),
        ({"form_school": foreign}, 404, "unknown_school"),
        ({"student": stranger}, 422, "unknown_people"),
        ({"student": "unknown"}, 422, "invalid"),
        ({"content": b""}, 422, "empty_file"),
        ({"role": "guardian"}, 403, "forbidden"),
        ({"role": "guardian", "student": student}, 422, "unknown_people"),
        ({"role": "guardian", "student": student, "kind": "transcript"}, 403, "forbidden"),
        ({"role": "student"}, 403, "forbidden"),
    ):
        answer = await upload(gateway, school, **form)
        assert (answer.status_code, answer.json()["code"]) == (status, code), form
    assert await gateway.rows(UPLOADS, (school,)) == []
    assert await keys(store, school) == []


async def test_a_file_over_the_limit_is_refused(backing, serve, school, gateway):
    async with serve(backing, file_limit_bytes=1000, school_space_bytes=1500) as small:
        beyond = await upload(small, school, b"x" * 1001)
        assert (beyond.status_code, beyond.json()["code"]) == (413, "too_large")
        far_beyond = await upload(small, school, b"x" * 200_000)
        assert (far_beyond.status_code, far_beyond.json()["code"]) == (413, "too_large")
        assert (await upload(small, school, b"x" * 1000)).status_code == 202
        full = await upload(small, school, b"y" * 501)
        assert (full.status_code, full.json()["code"]) == (413, "school_full")
        assert (await upload(small, school, b"y" * 500)).status_code == 202


async def test_a_guardian_uploads_a_receipt_for_a_student_they_pay_for(gateway):
    school, guardian = await gateway.add_school(), uuid4()
    guardian = await gateway.add_person(school)
    student = await add_student(gateway, school, guardian)
    other = await add_student(gateway, school, guardian, billing=False)
    answer = await upload(gateway, school, role="guardian", person=guardian, student=student)
    assert answer.status_code == 202
    answer = await upload(gateway, school, role="guardian", person=guardian, student=other)
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_people")


async def test_a_body_of_another_type_is_refused(gateway, school):
    answer = await gateway.ask("POST", "/v1/files", "staff", school, uuid4(), json={"kind": "other"})
    assert answer.status_code in (415, 422)
    assert json.loads(answer.text)["code"] in ("unsupported_media_type", "invalid")
