"""Uploads: stored as a whole or not at all; forwarded to the file service; recorded once."""

import asyncio
import hashlib
import json
from uuid import uuid4

import pytest
import pytest_asyncio
from uuid_utils.compat import uuid7

from gateway.files import orphans, recording
from gateway.files.intake import Intake, original_key
from gateway.files.received_file import clean_name
from shared.errors import Reject, StorageFull
from shared.events import FileConfirmed, FileDeleted, FileProcessed, FileRestored
from shared.events.files import RecordFound
from shared.http.provided import Provided
from shared.storage.locations import open_store

pytestmark = pytest.mark.asyncio(loop_scope="module")

UPLOADS = "SELECT * FROM upload WHERE school_id = %s ORDER BY file_id"
UPLOADED = """
SELECT data::jsonb AS data FROM outbox
WHERE routing_key = 'file.uploaded' AND data::jsonb ->> 'school_id' = %s ORDER BY position
"""
RECORDED = """
SELECT routing_key AS topic, data::jsonb AS data FROM outbox
WHERE routing_key LIKE '%%.recorded' AND data::jsonb ->> 'school_id' = %s ORDER BY position
"""
LEASE_OVER = "UPDATE upload SET leased_until = '-infinity' WHERE school_id = %s RETURNING file_id"
PDF = b"%PDF-1.7 made-up"


@pytest.fixture
def store(backing):
    return open_store(backing.environment("gateway")["STORAGE_URL"])


@pytest_asyncio.fixture(loop_scope="module")
async def school(gateway):
    return await gateway.add_school()


@pytest_asyncio.fixture(loop_scope="module")
async def student(gateway, school):
    return await add_student(gateway, school)


async def add_student(gateway, school, guardian=None, *, billing=True):
    student = await gateway.add_person(school, "student")
    async with gateway.service.transactions.begin() as tx:
        await tx.execute("INSERT INTO student (school_id, student_id) VALUES (%s, %s)", (school, student))
        if guardian:
            query = "INSERT INTO guardianship (school_id, student_id, guardian_id, billing) VALUES (%s, %s, %s, %s)"
            await tx.execute(query, (school, student, guardian, billing))
    return student


async def upload(gateway, school, content=PDF, role="staff", person=None, key=None, name="receipt.pdf", **form):
    data = {"kind": "payment_receipt"} | {field.removeprefix("form_"): str(value) for field, value in form.items()}
    headers = {"Idempotency-Key": key} if key else None
    files = {"file": (name, content, "application/pdf")}
    return await gateway.ask(
        "POST", "/v1/files", role, school, person or uuid4(), headers=headers, data=data, files=files
    )


async def content_of(store, school, file):
    blob = await store.open(original_key(school, file))
    return b"".join([part async for part in blob.chunks()])


async def keys(store, school):
    return [blob.key async for blob in store.list(f"files/{school}/")]


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
        ({"student": "nobody"}, 422, "invalid"),
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


class FullStore:
    async def put(self, key, content):
        async for _ in content:
            raise StorageFull("no room")


async def test_a_full_store_is_507_and_nothing_is_kept(gateway, store, school):
    # given
    overrides = gateway.client._transport.app.dependency_overrides
    full = Intake(gateway.service.transactions, FullStore(), lease=60, space=10**9)

    async def instead():
        return full

    overrides[Provided(Intake)] = instead
    # when
    try:
        answer = await upload(gateway, school, key="again")
    finally:
        overrides.pop(Provided(Intake))
    # then
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert await gateway.rows(UPLOADED, (str(school),)) == []
    await orphans.remove_orphans(gateway.service.transactions, store)
    assert await gateway.rows(UPLOADS, (school,)) == []
    assert (await upload(gateway, school, key="again")).status_code == 202


async def test_orphans_are_removed_after_their_lease_and_nothing_else(gateway, store, school):
    # given: one stored, one whose sender is gone, one on its way
    await upload(gateway, school)
    columns = "(file_id, school_id, kind, leased_until, size, sha256, task_id)"
    gone, going = uuid7(), uuid7()
    async with gateway.service.transactions.begin() as tx:
        for file, until in ((gone, "-infinity"), (going, "2999-01-01")):
            await tx.execute(
                f"INSERT INTO upload {columns} VALUES (%s, %s, 'other', %s, 3, 'x', %s)",
                (file, school, until, uuid7()),
            )

    async def parts():
        yield b"abc"

    for file in (gone, going):
        await store.put(original_key(school, file), parts())
    # when
    await orphans.remove_orphans(gateway.service.transactions, store)
    # then
    rows = await gateway.rows(UPLOADS, (school,))
    assert sorted(row["state"] for row in rows) == ["receiving", "stored"]
    assert await content_of(store, school, going) == b"abc"
    assert len(await keys(store, school)) == 2


async def test_what_took_too_long_to_store_does_not_count(gateway, store, school):
    # given
    class SlowStore:
        async def put(self, key, content):
            await gateway.rows(LEASE_OVER, (school,))
            return await store.put(key, content)

    overrides = gateway.client._transport.app.dependency_overrides
    slow = Intake(gateway.service.transactions, SlowStore(), lease=60, space=10**9)

    async def instead():
        return slow

    overrides[Provided(Intake)] = instead
    try:
        answer = await upload(gateway, school)
    finally:
        overrides.pop(Provided(Intake))
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert await gateway.rows(UPLOADED, (str(school),)) == []
    await orphans.remove_orphans(gateway.service.transactions, store)
    assert await keys(store, school) == []


async def test_a_file_is_accepted_until_its_owner_knows_it(gateway, owners, school):
    person = uuid4()
    file = (await upload(gateway, school, person=person)).json()["id"]
    owners(files_GET=(404, {}))
    answer = await gateway.ask("GET", f"/v1/files/{file}", "staff", school, person)
    assert (answer.status_code, answer.json()["state"]) == (200, "accepted")
    foreign = await gateway.ask("GET", f"/v1/files/{file}", "staff", await gateway.add_school(), person)
    assert foreign.status_code == 404
    hidden = await gateway.ask("GET", f"/v1/files/{file}", "guardian", school, uuid4())
    assert hidden.status_code == 404


async def test_only_the_office_confirms_receipts(gateway, owners, school):
    file = (await upload(gateway, school)).json()["id"]
    scripted = owners(files_POST=(200, {"state": "confirmed"}))
    teacher = await gateway.ask("POST", f"/v1/files/{file}/confirm", "teacher", school, uuid4(), json={})
    assert teacher.status_code == 403
    unknown = await gateway.ask(
        "POST", f"/v1/files/{file}/confirm", "staff", school, uuid4(), json={"student_id": str(uuid4())}
    )
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_people")
    staff = await gateway.ask(
        "POST", f"/v1/files/{file}/confirm", "staff", school, uuid4(), json={"fields": {"amount": "12.50"}}
    )
    assert staff.status_code == 200
    assert scripted.asked == [("files", "POST", f"/v1/files/{file}/confirm")]
    assert scripted.bodies == [{"fields": {"amount": "12.50"}}]


def found(kind, student, **facts):
    return RecordFound(kind=kind, student_id=student, facts=facts)


def processed(file, school, *records, kind="payment_receipt"):
    return FileProcessed(
        file_id=file,
        school_id=school,
        version=2,
        kind=kind,
        records=records,
        uploaded_by=uuid4(),
        processed_at="2026-11-20T08:00:00Z",
    )


async def test_a_processed_file_is_recorded_once(gateway, school, student):
    # given
    file = uuid4()
    facts = {"status": "received", "amount": "42.5", "currency": "EUR", "paid_on": "2026-11-12", "file_id": str(file)}
    event = processed(file, school, found("payment", student, **facts))
    # when
    for _ in range(2):
        async with gateway.service.transactions.begin() as tx:
            await recording.record_processed(event, tx)
    confirmed = FileConfirmed(
        **event.model_dump(include={"file_id", "school_id", "kind", "records"}),
        version=3,
        confirmed_at="2026-11-20T09:00:00Z",
    )
    async with gateway.service.transactions.begin() as tx:
        await recording.record_confirmed(confirmed, tx)
    # then
    (recorded,) = await gateway.rows(RECORDED, (str(school),))
    assert (recorded["topic"], recorded["data"]["file_id"]) == ("payment.recorded", str(file))
    assert (recorded["data"]["amount"], recorded["data"]["recorded_by"]) == ("42.5", str(event.uploaded_by))
    listed = (await gateway.ask("GET", "/v1/payments", "staff", school, uuid4())).json()["items"]
    assert [item["facts"]["amount"] for item in listed] == ["42.5"]


async def test_a_transcript_is_a_grade_for_each_row(gateway, school, student):
    file = uuid4()
    grades = [
        found("grade", student, course=course, term="First term", given_on="2026-11-20", grade=grade)
        for course, grade in (("Mathematics", "A-"), ("Languages", "B+"))
    ]
    async with gateway.service.transactions.begin() as tx:
        await recording.record_processed(processed(file, school, *grades, kind="transcript"), tx)
    rows = await gateway.rows(RECORDED, (str(school),))
    assert sorted((row["data"]["course"], row["data"]["grade"]) for row in rows) == [
        ("Languages", "B+"),
        ("Mathematics", "A-"),
    ]


async def test_facts_that_cannot_be_recorded_are_rejected_for_a_person_to_see(gateway, school, student):
    for record in (found("payment", student, amount="-1"), found("grade", uuid4(), course="x", grade="1")):
        with pytest.raises(Reject):
            async with gateway.service.transactions.begin() as tx:
                await recording.record_processed(processed(uuid4(), school, record), tx)
    assert await gateway.rows(RECORDED, (str(school),)) == []


async def test_a_body_of_another_type_is_refused(gateway, school):
    answer = await gateway.ask("POST", "/v1/files", "staff", school, uuid4(), json={"kind": "other"})
    assert answer.status_code in (415, 422)
    assert json.loads(answer.text)["code"] in ("unsupported_media_type", "invalid")


async def test_a_file_has_short_lived_links_to_its_blobs(gateway, owners, store, school):
    # given
    file = (await upload(gateway, school, name="Quittung Süd.pdf")).json()["id"]
    told = {"id": file, "school_id": str(school), "name": "Quittung Süd.pdf", "media_type": "application/pdf"}
    owners(files_GET=(200, told | {"state": "processed", "code": None, "revision": 1, "thumbnails": ["256"]}))
    # when
    answer = await gateway.ask("GET", f"/v1/files/{file}", "staff", school, uuid4())
    # then
    links = answer.json()["links"]
    assert set(links) == {"original", "256"}
    original = await gateway.client.get(links["original"])
    assert (original.status_code, original.content) == (200, PDF)
    assert original.headers["content-type"] == "application/pdf"
    assert "Quittung%20S%C3%BCd.pdf" in original.headers["content-disposition"]
    altered = await gateway.client.get(links["original"][:-2] + "xx")
    assert (altered.status_code, altered.json()["code"]) == (404, "link_unknown")


async def test_malware_and_deleted_files_have_no_link_to_the_original(gateway, owners, school):
    file = (await upload(gateway, school)).json()["id"]
    told = {"id": file, "school_id": str(school), "name": "x.pdf", "media_type": "", "revision": 0}
    for state, code in (("refused", "malware"), ("deleted", None)):
        owners(files_GET=(200, told | {"state": state, "code": code, "thumbnails": []}))
        answer = await gateway.ask("GET", f"/v1/files/{file}", "staff", school, uuid4())
        assert answer.json()["links"] == {}


async def test_a_divided_receipt_is_a_payment_of_each_sibling(gateway, school, student):
    # given
    file, sibling = uuid4(), await add_student(gateway, school)
    facts = {"status": "received", "currency": "EUR", "paid_on": "2026-11-12", "file_id": str(file)}
    parts = [found("payment", student, amount="2.5", **facts)]
    parts.append(found("payment", sibling, amount="2.5", file_part=2, **facts))
    # when
    for _ in range(2):
        async with gateway.service.transactions.begin() as tx:
            await recording.record_processed(processed(file, school, *parts), tx)
    # then
    rows = await gateway.rows(RECORDED, (str(school),))
    assert sorted(row["data"]["student_id"] for row in rows) == sorted(map(str, (student, sibling)))
