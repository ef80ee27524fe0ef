"""What people decide about files: confirm, delete, restore, read again."""

import asyncio
from uuid import uuid4

import pytest
import pytest_asyncio

from services.files.tests.conftest import accepted, finding, receipt, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADA = ("Ada", "Demo-Fir 0001")


@pytest_asyncio.fixture(loop_scope="module")
async def unsure(files):
    """A school, its student, and a receipt whose amount is unsure."""
    school, ada = await files.school(ADA)
    event = await files.read(school, receipt(amount=("42.50", 0.4)), student_id=ada)
    return school, ada, event


async def test_a_confirmation_with_a_correction_records_it_once(files, unsure):
    # given
    school, ada, event = unsure
    shown = await files.ask("GET", f"/{event.file_id}", school)
    assert (shown.json()["state"], shown.json()["fields"]["amount"]["confidence"]) == ("needs_review", 0.4)
    # when
    person = uuid4()
    headers = {"If-Match": shown.headers["etag"]}
    path, wish = f"/{event.file_id}/confirm", {"fields": {"amount": "45.50"}}
    answer = await files.ask("POST", path, school, person=person, headers=headers, json=wish)
    # then
    assert (answer.status_code, answer.json()["state"]) == (200, "confirmed")
    assert answer.json()["fields"]["amount"]["value"] == "42.50"
    (confirmed,) = await files.events(event.file_id, "file.confirmed")
    assert confirmed["records"][0]["facts"]["amount"] == "45.5"
    assert (confirmed["confirmed_by"], confirmed["records"][0]["student_id"]) == (str(person), str(ada))
    again = await files.ask("POST", path, school, json=wish)
    assert (again.status_code, again.json()["detail"]["code"]) == (409, "too_late")
    assert len(await files.events(event.file_id, "file.confirmed")) == 1


async def test_two_confirmations_at_once_are_one(files, unsure):
    school, _, event = unsure
    asked = [files.ask("POST", f"/{event.file_id}/confirm", school, json={}) for _ in range(4)]
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert len(await files.events(event.file_id, "file.confirmed")) == 1


async def test_a_stale_confirmation_is_refused(files, unsure):
    school, _, event = unsure
    answer = await files.ask("POST", f"/{event.file_id}/confirm", school, headers={"If-Match": '"1"'}, json={})
    assert answer.status_code == 412


@pytest.mark.parametrize(
    ("wish", "place"),
    [
        ({"fields": {"amount": "a lot"}}, ["body", "fields", "amount"]),
        ({"fields": {"currency": "euro"}}, ["body", "fields", "currency"]),
        ({"fields": {"date": "2026-13-05"}}, ["body", "fields", "paid_on"]),
        ({"fields": {"date": None}}, ["body", "fields", "paid_on"]),
    ],
)
async def test_a_wrong_correction_names_its_field(files, unsure, wish, place):
    school, _, event = unsure
    answer = await files.ask("POST", f"/{event.file_id}/confirm", school, json=wish)
    assert answer.status_code == 422
    assert place in [error["loc"] for error in answer.json()["detail"]["errors"]]
    assert (await files.file(event.file_id))["state"] == "needs_review"


async def test_another_schools_file_is_not_found(files, unsure):
    _, _, event = unsure
    other, _ = await files.school(ADA)
    for method, path in (("GET", ""), ("POST", "/confirm"), ("POST", "/restore"), ("POST", "/reprocess")):
        answer = await files.ask(method, f"/{event.file_id}{path}", other, json={} if method == "POST" else None)
        assert answer.status_code == 404, path


async def test_a_duplicate_is_confirmed_only_as_another_one(files):
    school, ada = await files.school(ADA)
    first = await files.read(school, receipt(), student_id=ada)
    second = await files.read(school, receipt(), student_id=ada)
    path = f"/{second.file_id}/confirm"
    answer = await files.ask("POST", path, school, json={})
    assert (answer.status_code, answer.json()["detail"]["file_id"]) == (409, str(first.file_id))
    answer = await files.ask("POST", path, school, json={"another_one": True})
    assert answer.status_code == 200


async def test_rows_of_a_transcript_are_replaced_as_a_whole(files):
    school, ada = await files.school(ADA)
    rows = [{"subject": "Mathematics", "grade": ("A", 0.2)}, {"subject": "Languages", "grade": "B"}]
    event = await files.read(school, finding("transcript", {}, rows), kind="transcript")
    assert (await files.file(event.file_id))["reasons"] == ["no_student", "missing_student", "unsure_rows"]
    wish = {"student_id": str(ada), "rows": [{"subject": "Mathematics", "grade": "A+"}]}
    answer = await files.ask("POST", f"/{event.file_id}/confirm", school, json=wish)
    assert answer.status_code == 200
    (confirmed,) = await files.events(event.file_id, "file.confirmed")
    assert [record["facts"]["grade"] for record in confirmed["records"]] == ["A+"]


async def test_a_confirmed_file_stays_confirmed_when_it_is_read_again(files, unsure):
    # given
    school, _, event = unsure
    await files.ask("POST", f"/{event.file_id}/confirm", school, json={"fields": {"amount": "45.50"}})
    # when
    answer = await files.ask("POST", f"/{event.file_id}/reprocess", school)
    await files.process(answer.json()["task_id"], accepted(receipt(amount="99.99")))
    # then
    shown = (await files.ask("GET", f"/{event.file_id}", school)).json()
    assert (shown["state"], shown["revision"], shown["fields"]["amount"]["value"]) == ("confirmed", 1, "42.50")
    assert shown["records"][0]["facts"]["amount"] == "45.5"
    assert await files.events(event.file_id, "file.processed") == []
    task = await files.task(answer.json()["task_id"])
    assert (task["state"], task["result"]["kept"]) == ("succeeded", True)


async def test_a_refused_file_is_read_again(files):
    school, ada = await files.school(ADA)
    event = await files.upload(school, student_id=ada)
    await files.process(event.task_id, refused("timeout"))
    answer = await files.ask("POST", f"/{event.file_id}/reprocess", school)
    assert answer.json()["state"] == "stored"
    busy = await files.ask("POST", f"/{event.file_id}/reprocess", school)
    assert (busy.status_code, busy.json()["detail"]["code"]) == (409, "conflict")
    await files.process(answer.json()["task_id"], accepted(receipt()))
    assert (await files.file(event.file_id))["state"] == "processed"


async def test_a_deleted_file_is_listed_only_as_deleted_and_restored_as_it_was(files, unsure):
    school, _, event = unsure
    assert (await files.ask("DELETE", f"/{event.file_id}", school)).status_code == 204
    assert (await files.ask("DELETE", f"/{event.file_id}", school)).status_code == 204
    assert (await files.ask("GET", "", school)).json()["items"] == []
    (item,) = (await files.ask("GET", "", school, params={"state": "deleted"})).json()["items"]
    assert (item["id"], item["state"]) == (str(event.file_id), "deleted")
    refused_ = await files.ask("POST", f"/{event.file_id}/confirm", school, json={})
    assert (refused_.status_code, refused_.json()["detail"]["state"]) == (409, "deleted")
    assert len(await files.events(event.file_id, "file.deleted")) == 1
    answer = await files.ask("POST", f"/{event.file_id}/restore", school)
    assert answer.json()["state"] == "needs_review"
    (restored,) = await files.events(event.file_id, "file.restored")
    (deleted,) = await files.events(event.file_id, "file.deleted")
    assert restored["version"] > deleted["version"]


async def test_a_file_deleted_before_it_arrives_is_never_read(files):
    # given
    school, _ = await files.school(ADA)
    late = uuid4()
    assert (await files.ask("DELETE", f"/{late}", school)).status_code == 204
    # when
    event = await files.upload(school, file_id=late)
    # then
    assert (await files.task(event.task_id))["state"] == "cancelled"
    assert (await files.ask("GET", f"/{late}", school)).json()["state"] == "deleted"
    assert len(await files.events(late, "file.deleted")) == 1


async def test_a_file_deleted_before_it_is_read_is_read_after_its_restoring(files):
    school, ada = await files.school(ADA)
    event = await files.upload(school, student_id=ada)
    await files.ask("DELETE", f"/{event.file_id}", school)
    assert (await files.task(event.task_id))["state"] == "cancelled"
    answer = await files.ask("POST", f"/{event.file_id}/restore", school)
    assert answer.json()["state"] == "stored"
    await files.process(answer.json()["task_id"], accepted(receipt()))
    assert (await files.file(event.file_id))["state"] == "processed"


async def test_guardians_see_only_what_they_uploaded(files):
    school, ada = await files.school(ADA)
    guardian = uuid4()
    await files.read(school, receipt(), student_id=ada)
    own = await files.read(school, receipt(), student_id=ada, uploaded_by=guardian, uploader_role="guardian")
    listed = (await files.ask("GET", "", school, role="guardian", person=guardian)).json()["items"]
    assert [item["id"] for item in listed] == [str(own.file_id)]


async def test_a_receipt_is_divided_among_siblings(files):
    # given
    school, ada, bo = await files.school(ADA, ("Bo", "Demo-Fir 0001"))
    event = await files.read(school, receipt(), student_id=ada, uploader_role="guardian")
    path = f"/{event.file_id}/confirm"
    # when
    shares = [{"student_id": str(ada), "amount": "40"}, {"student_id": str(bo), "amount": "2.00"}]
    wrong = await files.ask("POST", path, school, json={"splits": shares})
    assert (wrong.status_code, wrong.json()["detail"]["errors"][0]["loc"]) == (422, ["body", "splits"])
    shares[1]["amount"] = "2.50"
    answer = await files.ask("POST", path, school, json={"splits": shares})
    # then
    assert answer.status_code == 200
    (confirmed,) = await files.events(event.file_id, "file.confirmed")
    said = {each["student_id"]: each["facts"]["amount"] for each in confirmed["records"]}
    assert said == {str(ada): "40", str(bo): "2.5"}
