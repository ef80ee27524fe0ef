"""What is shown of a file, and its links."""

from uuid import uuid4

import pytest

from services.gateway.tests.files.uploads import PDF, upload

pytestmark = pytest.mark.asyncio(loop_scope="module")


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


async def test_a_file_has_short_lived_links_to_its_blobs(gateway, owners, store, school):
    # given
    file = (await upload(gateway, school, name="Quittung Süd.pdf")).json()["id"]
    known = {"id": file, "school_id": str(school), "name": "Quittung Süd.pdf", "media_type": "application/pdf"}
    owners(files_GET=(200, known | {"state": "processed", "code": None, "revision": 1, "thumbnails": ["256"]}))
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
    known = {"id": file, "school_id": str(school), "name": "x.pdf", "media_type": "", "revision": 0}
    for state, code in (("refused", "malware"), ("deleted", None)):
        owners(files_GET=(200, known | {"state": state, "code": code, "thumbnails": []}))
        answer = await gateway.ask("GET", f"/v1/files/{file}", "staff", school, uuid4())
        assert answer.json()["links"] == {}


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
