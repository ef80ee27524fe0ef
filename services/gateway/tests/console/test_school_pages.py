"""Reports, schedules and people in the console."""

from uuid import uuid4

import pytest
from uuid_utils.compat import uuid7

pytestmark = pytest.mark.asyncio(loop_scope="module")

NO_REPORT = {"reports_GET": (404, {})}
RULE = {"kind": "calendar", "every": 2, "unit": "week", "time": "07:30:00", "starts": "2026-09-01", "skip_closed": True}


async def add_student(gateway, school, given, grade="07"):
    student = await gateway.add_person(school, "student")
    async with gateway.service.transactions.begin() as tx:
        values = (school, student, grade)
        await tx.execute("INSERT INTO student (school_id, student_id, grade) VALUES (%s, %s, %s)", values)
        await tx.execute("UPDATE membership SET grade = %s WHERE person_id = %s", (grade, student))
        await tx.execute("UPDATE person SET given_name = %s WHERE person_id = %s", (given, student))
    return student


def field(page, name):
    return page.split(f'name="{name}" value="')[1].split('"')[0]


def summary(school, **changes):
    return {
        "report_id": str(uuid4()),
        "task_id": str(uuid4()),
        "school_id": str(school),
        "state": "ready",
        "kind": "monthly",
        "student_id": None,
        "grade": None,
        "starts": "2026-11-01",
        "ends": "2026-12-01",
        "language": "en",
        "requested_by": None,
        "requested_at": "2026-11-20T08:00:00+00:00",
        "ready_at": None,
    } | changes


def schedule(school, **changes):
    return {
        "id": str(uuid4()),
        "school_id": str(school),
        "emits": "notification.due",
        "state": "active",
        "version": 4,
        "rule": RULE,
        "timezone": "UTC",
        "catch_up": "once",
        "runs": 3,
        "requested_by": None,
        "message": {"title": "Canteen <menu>", "body": "Lentils", "channels": ["push"]},
        "next_run": "2026-12-01T07:30:00+00:00",
        "last_run": None,
    } | changes


async def add_schedule(gateway, school, person=None):
    found = uuid7()
    async with gateway.service.transactions.begin() as tx:
        query = "INSERT INTO schedule_intent (schedule_id, school_id, created_by) VALUES (%s, %s, %s)"
        await tx.execute(query, (found, school, person))
    return found


async def test_a_report_is_made_once_from_its_form_and_followed(gateway, signed_in, owners, school):
    school = await gateway.add_school()
    student = await add_student(gateway, school, "Samira")
    owners(**NO_REPORT)
    async with signed_in(school, "teacher") as browser:
        form = (await browser.get("/console/reports/new")).text
        typed = {"kind": "student_progress", "starts": "2026-09-01", "ends": "2026-10-31", "formats": ["pdf", "csv"]}
        typed |= {"language": "ar", "key": field(form, "key"), "student_name": "sam"}
        # when the student is looked for first
        found = (await browser.post("/console/reports/new", **typed, wish="find")).text
        assert f'name="student" value="{student}" checked' in found
        assert 'name="starts" type="date" value="2026-09-01"' in found
        answers = [await browser.post("/console/reports/new", **typed) for _ in range(2)]
        # then
        assert [answer.status_code for answer in answers] == [303, 303]
        (place,) = {answer.headers["location"] for answer in answers}
        page = await browser.get(place)
        assert "The report is being made." in page.text
    data = await gateway.one("SELECT data::jsonb AS data FROM outbox WHERE routing_key = 'report.requested'")
    assert (data["student_id"], data["language"], data["formats"]) == (str(student), "ar", ["pdf", "csv"])
    assert (data["starts"], data["ends"]) == ("2026-09-01", "2026-11-01")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"kind": "student_progress", "month": "2026-10", "student_name": "no such"}, "Choose the student"),
        ({"kind": "monthly", "month": "October"}, "Give a month"),
        ({"kind": "monthly", "month": "2026-10", "formats": "zip"}, "monthly is made as"),
        ({"kind": "grade_progress", "month": "2026-10", "grade": "11"}, "has no student at this school"),
        ({"kind": "grade_progress", "month": "2100-10", "grade": "07"}, "has not begun yet"),
    ],
)
async def test_a_report_that_cannot_be_made_keeps_the_form(gateway, signed_in, school, typed, said):
    async with signed_in(school, "staff") as browser:
        page = await browser.post("/console/reports/new", **typed, language="de", key="k")
    assert page.status_code == 422
    assert said in page.text
    assert f'value="{typed["month"]}"' in page.text


async def test_reports_are_listed_and_a_ready_one_is_downloaded(gateway, signed_in, owners, school):
    report = summary(school)
    whole = {"report": report, "name": "Monthly report", "period": "November 2026"}
    file = {"format": "pdf", "media_type": "application/pdf", "size": 1, "sha256": "0", "blob": f"reports/{school}/1/a"}
    owners(reports_GET=(200, {"items": [report], "next": None} | whole | {"files": [file]}))
    async with gateway.service.transactions.begin() as tx:
        query = "INSERT INTO task (task_id, school_id, kind, state) VALUES (%s, %s, 'report.make', 'succeeded')"
        await tx.execute(query, (report["task_id"], school))
    async with signed_in(school, "staff") as browser:
        page = (await browser.get("/console/reports")).text
        assert f'/console/reports/{report["report_id"]}"' in page
        assert "2026-11-01 – 2026-11-30" in page
        page = (await browser.get(f"/console/reports/{report['report_id']}")).text
        assert '<a class="button" href="/v1/blobs/' in page
    async with signed_in(school, "teacher") as browser:
        assert (await browser.get(f"/console/reports/{report['report_id']}")).status_code == 404


async def test_schedules_are_listed_in_words_and_in_the_schools_time(gateway, signed_in, owners, school):
    async with gateway.service.transactions.begin() as tx:
        await tx.execute("UPDATE school SET timezone = 'Asia/Dubai' WHERE school_id = %s", (school,))
    owners(scheduler_GET=(200, {"items": [schedule(school)], "timezone": "Asia/Dubai", "next": None}))
    async with signed_in(school, "staff") as browser:
        page = (await browser.get("/console/schedules", state="active")).text
    assert "Canteen &lt;menu&gt;" in page
    assert "Every 2 weeks at 07:30, from 2026-09-01, not on days without school" in page
    assert "2026-12-01 11:30" in page
    assert "Times in Asia/Dubai" in page


async def test_a_schedule_is_paused_run_and_deleted_with_its_version(gateway, signed_in, owners, school):
    me = uuid4()
    mine, others = await add_schedule(gateway, school, me), await add_schedule(gateway, school)
    runs = {"runs": ["2026-12-01T07:30:00+00:00"], "timezone": "UTC"}
    scripted = owners(
        scheduler_GET=(200, schedule(school)), scheduler_POST=(200, runs), scheduler_DELETE=(200, schedule(school))
    )
    async with signed_in(school, "teacher", me) as browser:
        page = (await browser.get(f"/console/schedules/{mine}")).text
        assert "Next runs" in page
        version = {"version": field(page, "version").replace("&#34;", '"')}
        for verb in ("run-now", "delete"):
            assert (await browser.get(f"/console/schedules/{mine}/{verb}")).status_code == 200
        for verb, asked in (("pause", "POST"), ("resume", "POST"), ("run-now", "POST"), ("delete", "DELETE")):
            answer = await browser.post(f"/console/schedules/{mine}/{verb}", **version)
            assert (answer.status_code, answer.headers["location"]) == (303, f"/console/schedules/{mine}")
            assert scripted.asked[-1][1] == asked
        before = len(scripted.asked)
        for verb in ("pause", "resume", "run-now", "delete"):
            assert (await browser.post(f"/console/schedules/{others}/{verb}")).status_code == 403
        assert len(scripted.asked) == before
        assert "/pause" not in (await browser.get(f"/console/schedules/{others}")).text


async def test_schedules_of_the_system_are_run_by_those_who_may(signed_in, owners, school):
    of_group = schedule(school, school_id=None, emits="files.cleanup_due", message=None)
    of_school = schedule(school, emits="reports.monthly_due", message=None)
    runs = {"runs": [], "timezone": "UTC"}
    for role, shown, may in (
        ("school_admin", of_group, False),
        ("school_admin", of_school, True),
        ("platform_admin", of_group, True),
    ):
        owners(scheduler_GET=(200, shown | {"items": [shown], "next": None}), scheduler_POST=(200, runs))
        async with signed_in(school, role) as browser:
            listed = (await browser.get("/console/system-schedules", school=str(school))).text
            title = "Clean up files" if shown is of_group else "Monthly report of the school"
            assert title in listed
            page = (await browser.get(f"/console/schedules/{shown['id']}", school=str(school))).text
            assert ("/run-now" in page) is may, (role, title)
            assert "/delete" not in page
            if may:
                address = f"/console/schedules/{shown['id']}/run-now?school={school}"
                assert "The job runs at once." in (await browser.get(address)).text
                assert (await browser.post(address, version='"4"')).status_code == 303


async def test_another_schools_schedules_and_reports_have_no_page(gateway, signed_in, owners, school):
    other = await gateway.add_school()
    foreign = await add_schedule(gateway, other)
    owners(scheduler_GET=(404, {}), scheduler_POST=(404, {}), **NO_REPORT)
    async with signed_in(school, "school_admin") as browser:
        for path in (f"schedules/{foreign}", f"schedules/{foreign}/delete", f"reports/{uuid4()}"):
            assert (await browser.get(f"/console/{path}")).status_code == 404, path
        for path in ("schedules", "reports", "reports/new"):
            assert (await browser.get(f"/console/{path}", school=other)).status_code == 404, path
        assert (await browser.post(f"/console/schedules/{foreign}/pause")).status_code == 404


async def add_guardian(gateway, school, student, mail=None, *, device=False):
    guardian = await gateway.add_person(school)
    async with gateway.service.transactions.begin() as tx:
        query = "INSERT INTO guardianship (school_id, student_id, guardian_id) VALUES (%s, %s, %s)"
        await tx.execute(query, (school, student, guardian))
        if mail:
            query = "INSERT INTO contact (person_id, kind, address) VALUES (%s, 'mail', %s)"
            await tx.execute(query, (guardian, mail))
        if device:
            query = "INSERT INTO device (token, person_id, platform) VALUES (%s, %s, 'web')"
            await tx.execute(query, (f"token-{guardian}", guardian))
    return guardian


async def test_people_are_found_by_a_part_of_their_name_in_their_school_only(gateway, signed_in):
    school, other = await gateway.add_school(), await gateway.add_school()
    student = await add_student(gateway, school, "Zoë")
    guardian = await add_guardian(gateway, school, student, "zoe.family@example.org")
    foreign = await add_student(gateway, other, "Zoë")
    async with signed_in(school, "teacher") as browser:
        page = (await browser.get("/console/people", name="ZOË d", role="student", grade="Grade 7")).text
        assert f"/console/people/{student}" in page
        assert str(foreign) not in page
        assert str(guardian) not in page
        page = (await browser.get(f"/console/people/{student}")).text
        assert f"/console/files/new?student={student}" in page
        assert f"/console/people/{guardian}" in page
        page = (await browser.get(f"/console/people/{guardian}")).text
        assert "zoe.family@example.org" in page
        assert "Zoë Demo" in page
        assert (await browser.get(f"/console/people/{foreign}")).status_code == 404
    answer = await gateway.ask("GET", "/v1/people?name=zo%C3%AB", "staff", school)
    assert [each["id"] for each in answer.json()["items"]] == [str(student)]


async def test_families_without_a_channel_that_works_are_found_before_an_emergency(gateway, signed_in, owners):
    # given
    school = await gateway.add_school()
    names = ("Mailed", "Bounced", "Pushed", "Bare", "Alone")
    students = {name: await add_student(gateway, school, name) for name in names}
    await add_guardian(gateway, school, students["Mailed"], "mailed@example.org")
    await add_guardian(gateway, school, students["Bounced"], "Bounced@example.org")
    await add_guardian(gateway, school, students["Pushed"], device=True)
    await add_guardian(gateway, school, students["Bare"])
    owners(notifier_GET=(200, {"items": [{"target": "bounced@example.org"}], "next": None}))
    async with signed_in(school, "staff") as browser:
        # when
        page = (await browser.get("/console/people/reachability")).text
    # then
    found = [name for name in names if f"/console/people/{students[name]}" in page]
    assert found == ["Bounced", "Bare", "Alone"]
    assert "mail comes back, no device" in page
    assert "none known" in page


async def test_a_roster_is_imported_once_and_its_rejected_rows_are_listed(gateway, signed_in, roster, person):
    name = f"school-{uuid4().hex[:8]}"
    content = roster([name], [person(f"{name}-a", name), person(f"{name}-b", name, role="no such role")])
    async with signed_in(None, "platform_admin") as browser:
        form = (await browser.get("/console/imports")).text
        sent = {"data": {"key": field(form, "key"), "source": "demo"}}
        sent |= {"files": {"file": ("roster.zip", content, "application/zip")}}
        headers = {"Sec-Fetch-Site": "same-origin"}
        answers = [await browser.client.post("/console/imports", headers=headers, **sent) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [303, 303]
        (place,) = {answer.headers["location"] for answer in answers}
        assert "The import is running." in (await browser.get(place)).text
        task = place.rpartition("/")[2]
        await gateway.run_import(task)
        # The relay of this module is held: the projection of the task is written by the test.
        result = '{"people": 1, "rejected": 1}'
        async with gateway.service.transactions.begin() as tx:
            query = "UPDATE task SET state = 'succeeded', result = %s::jsonb WHERE task_id = %s"
            await tx.execute(query, (result, task))
        page = (await browser.get(place)).text
        assert "<bdi>users.csv</bdi>" in page
        assert "<dt>Rows not used</dt><dd>1</dd>" in page
        empty = sent | {"files": {"file": ("roster.zip", b"", "application/zip")}}
        assert (await browser.client.post("/console/imports", headers=headers, **empty)).status_code == 422
    async with signed_in(uuid4(), "school_admin") as browser:
        assert (await browser.get("/console/imports")).status_code == 403
