"""Files in the console: the list and its filter, uploads without a script, one file, and the review queue."""

from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from uuid_utils.compat import uuid7

pytestmark = pytest.mark.asyncio(loop_scope="module")

OURS = {"Sec-Fetch-Site": "same-origin"}
UPLOADS = "SELECT * FROM upload WHERE school_id = %s"
PDF = b"%PDF-1.7 made-up"
BOX = {"x0": 0.1, "y0": 0.2, "x1": 0.4, "y1": 0.25}


async def add_student(gateway, school, given, family="Demo"):
    student = await gateway.add_person(school, "student")
    async with gateway.service.transactions.begin() as tx:
        await tx.execute("INSERT INTO student (school_id, student_id, grade) VALUES (%s, %s, '07')", (school, student))
        query = "UPDATE person SET given_name = %s, family_name = %s WHERE person_id = %s"
        await tx.execute(query, (given, family, student))
    return student


async def add_file(gateway, school, kind="payment_receipt"):
    file = uuid7()
    async with gateway.service.transactions.begin() as tx:
        query = (
            "INSERT INTO upload (file_id, school_id, kind, state, leased_until, size, sha256, task_id)"
            " VALUES (%s, %s, %s, 'stored', now(), 9, 'made-up', %s)"
        )
        await tx.execute(query, (file, school, kind, uuid4()))
    return file


def listed(school, file=None, student=None, **changes):
    return {
        "id": str(file or uuid4()),
        "school_id": str(school),
        "kind": "payment_receipt",
        "state": "needs_review",
        "version": 4,
        "name": "receipt <1>.pdf",
        "media_type": "application/pdf",
        "size": 120_000,
        "student_id": student and str(student),
        "uploaded_by": None,
        "uploaded_at": "2026-11-20T08:00:00+00:00",
        "confirmed_by": None,
        "confirmed_at": None,
        "duplicate_of": None,
        "similar_to": None,
        "pages": 1,
        "revision": 1,
        "code": None,
        "message": None,
        "reasons": ["missing_amount", "uploaded_by_family"],
        "thumbnails": ["256", "1024"],
    } | changes


def whole(school, file=None, student=None, **changes):
    fields = {
        "amount": {"value": "12.50", "confidence": 0.6, "page": 1, "box": BOX, "text": "12,50"},
        "currency": {"value": "EUR", "confidence": 1, "page": 1, "box": None, "text": "EUR"},
    }
    more = {"fields": fields, "rows": [], "notices": [], "records": None, "read_at": None}
    return listed(school, file, student) | more | changes


async def test_the_list_is_filtered_in_the_address_and_names_the_students(gateway, signed_in, owners, school):
    # given
    school = await gateway.add_school()
    student = await add_student(gateway, school, "Ayşe")
    await add_student(gateway, school, "Ayla", "Demo-Two")
    scripted = owners(files_GET=(200, {"items": [listed(school, student=student)], "next": str(uuid4())}))
    async with signed_in(school, "staff") as browser:
        # when
        page = await browser.get("/console/files", state="needs_review", kind="payment_receipt", name="ayşe")
        # then
        assert page.status_code == 200
        assert "receipt &lt;1&gt;.pdf" in page.text
        assert "Ayşe Demo" in page.text
        assert '<img class="thumb" src="/v1/blobs/' in page.text
        assert f"student={student}&amp;after=" in page.text
        # and several who fit are asked for, before a file is
        asked = len(scripted.asked)
        page = await browser.get("/console/files", name="Ay")
        assert "Ayla Demo-Two" in page.text
        assert len(scripted.asked) == asked


async def test_an_upload_needs_no_script_and_happens_once(gateway, signed_in, owners, school):
    school = await gateway.add_school()
    owners(files_GET=(404, {}))
    async with signed_in(school, "teacher") as browser:
        form = (await browser.get("/console/files/new")).text
        key = form.split('name="key" value="')[1].split('"')[0]
        sent = {"data": {"kind": "other", "key": key}, "files": {"file": ("letter.pdf", PDF, "application/pdf")}}
        answers = [await browser.client.post("/console/files/new", headers=OURS, **sent) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [303, 303]
        (row,) = await gateway.rows(UPLOADS, (school,))
        assert {answer.headers["location"] for answer in answers} == {f"/console/files/{row['file_id']}"}
        page = await browser.get(answers[0].headers["location"])
        assert "being read" in page.text
        # and what cannot be stored is said in the form
        empty = sent | {"files": {"file": ("empty.pdf", b"", "application/pdf")}}
        answer = await browser.client.post("/console/files/new", headers=OURS, **empty)
        assert answer.status_code == 422
        assert "The file has no bytes." in answer.text


@pytest.mark.parametrize(
    ("path", "role"), [("/console/files/new", "school_admin"), ("/console/imports", "platform_admin")]
)
async def test_a_form_with_a_file_comes_back_filled_when_the_session_had_ended(browse, signed_in, school, path, role):
    fields = {"kind": "behavior_report", "source": "A made-up & old system", "key": "k"}
    async with browse() as browser:
        sent = {"data": fields, "files": {"file": ("a.pdf", PDF * 10_000, "application/pdf")}}
        answer = await browser.client.post(path, headers=OURS, **sent)
        assert answer.status_code == 303
    # when the person has signed in, then the sign-in leads to
    back = parse_qs(urlsplit(answer.headers["location"]).query)["return_to"][0]
    async with signed_in(school, role) as browser:
        page = (await browser.get(back)).text
    assert "Choose the file again." in page
    assert '<option value="behavior_report" selected>' in page or 'value="A made-up &amp; old system"' in page
    assert "checked> Only try it" not in page
    assert 'value="k"' not in page


async def test_a_file_shows_its_values_over_the_picture_of_its_page(gateway, signed_in, owners, school):
    file = await add_file(gateway, school)
    owners(files_GET=(200, whole(school, file)))
    async with signed_in(school, "staff") as browser:
        page = (await browser.get(f"/console/files/{file}")).text
    assert '<rect class="doubt" x="0.1" y="0.2"' in page
    assert 'name="field.amount" value="12.50"' in page
    assert 'name="field.date" value=""' in page, "a record needs a date, read or not"
    assert "Amount: not found." in page
    assert "A family uploaded it." in page


async def test_a_review_is_confirmed_as_corrected_and_goes_on_with_the_queue(gateway, signed_in, owners, school):
    # given
    school = await gateway.add_school()
    student, file = await add_student(gateway, school, "Noor"), await add_file(gateway, school)
    scripted = owners(files_GET=(200, whole(school, file)), files_POST=(200, whole(school, file, state="confirmed")))
    typed = {"field.amount": "15.20", "field.currency": "EUR", "field.date": "2026-11-19", "version": '"4"'}
    async with signed_in(school, "staff") as browser:
        # when the name fits one student
        answer = await browser.post(f"/console/files/{file}/confirm", **typed, student_name="noor", wish="confirm")
        # then
        assert (answer.status_code, answer.headers["location"]) == (303, f"/console/review?done={file}")
    assert scripted.asked[-1] == ("files", "POST", f"/v1/files/{file}/confirm")
    assert scripted.bodies[-1] == {
        "student_id": str(student),
        "fields": {"amount": "15.20", "currency": "EUR", "date": "2026-11-19"},
        "another_one": False,
    }


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((412, {"detail": "stale"}), "has changed since you opened it"),
        (
            (409, {"detail": {"code": "conflict", "message": "twin", "file_id": "x"}}),
            "Another file seems to be the same document.",
        ),
        (
            (
                422,
                {
                    "detail": {
                        "code": "invalid",
                        "message": "wrong",
                        "errors": [{"loc": ["body", "fields", "paid_on"], "code": "x", "message": "is no day"}],
                    }
                },
            ),
            "is no day",
        ),
    ],
)
async def test_a_review_that_cannot_be_used_keeps_what_was_typed(gateway, signed_in, owners, school, answer, said):
    student, file = await add_student(gateway, school, "Kim"), await add_file(gateway, school)
    owners(files_GET=(200, whole(school, file)), files_POST=answer)
    async with signed_in(school, "staff") as browser:
        page = await browser.post(f"/console/files/{file}/confirm", **{"field.amount": "1 000"}, student=student)
    assert page.status_code == answer[0]
    assert said in page.text
    assert 'name="field.amount" value="1 000"' in page.text
    assert f'name="student" value="{student}" checked' in page.text


async def test_rows_are_added_and_emptied_ones_left_out(gateway, signed_in, owners, school):
    student, file = await add_student(gateway, school, "Lin"), await add_file(gateway, school, "transcript")
    rows = [{"subject": {"value": name, "confidence": 1}, "grade": {"value": "A", "confidence": 1}} for name in "ab"]
    found = whole(school, file, kind="transcript", fields={}, rows=rows)
    scripted = owners(files_GET=(200, found), files_POST=(200, found))
    path = f"/console/files/{file}/confirm"
    typed = {"student": student, "row.0.subject": "Maths", "row.0.grade": "B", "row.1.subject": "", "row.1.grade": " "}
    async with signed_in(school, "teacher") as browser:
        more = (await browser.post(path, **typed, wish="row")).text
        assert 'name="row.0.subject" value="Maths"' in more
        assert 'name="row.2.subject" value=""' in more
        assert (await browser.post(path, **typed, wish="confirm")).status_code == 303
    assert scripted.bodies[-1]["rows"] == [{"subject": "Maths", "grade": "B"}]


async def test_another_schools_file_has_no_page_and_a_teacher_confirms_no_receipt(gateway, signed_in, owners, school):
    other = await gateway.add_school()
    file, foreign = await add_file(gateway, school), await add_file(gateway, other)
    scripted = owners(files_GET=(200, whole(school, file)), files_POST=(200, {}))
    async with signed_in(school, "teacher") as browser:
        for path in ("", "/delete"):
            assert (await browser.get(f"/console/files/{foreign}{path}")).status_code in (403, 404)
        assert (await browser.post(f"/console/files/{foreign}/confirm")).status_code == 404
        assert (await browser.get("/console/files", school=other)).status_code == 404
        assert "Check and confirm" not in (await browser.get(f"/console/files/{file}")).text
        assert (await browser.post(f"/console/files/{file}/confirm")).status_code == 403
        assert (await browser.post(f"/console/files/{file}/delete")).status_code == 403
    assert not [each for each in scripted.asked if each[1] == "POST"]


async def test_a_file_is_deleted_after_a_question(gateway, signed_in, owners, school):
    file = await add_file(gateway, school)
    scripted = owners(files_GET=(200, whole(school, file)), files_DELETE=(204, None))
    async with signed_in(school, "staff") as browser:
        page = await browser.get(f"/console/files/{file}/delete")
        assert "Delete this file?" in page.text
        assert not [each for each in scripted.asked if each[1] == "DELETE"]
        assert (await browser.post(f"/console/files/{file}/delete")).status_code == 303
    assert scripted.asked[-1] == ("files", "DELETE", f"/v1/files/{file}")


async def test_an_administrator_of_the_group_chooses_the_school_first(gateway, signed_in, owners, school):
    owners(files_GET=(200, {"items": [], "next": None}))
    async with signed_in(None, "platform_admin") as browser:
        asked = await browser.get("/console/files")
        assert (asked.status_code, asked.headers["location"]) == (303, "/console/schools?to=%2Fconsole%2Ffiles")
        page = await browser.get(asked.headers["location"])
        assert page.status_code == 200
        assert "/console/files?school=" in page.text
        page = await browser.get("/console/files", school=school)
        assert f"/console/files/new?school={school}" in page.text
