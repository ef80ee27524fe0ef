"""From the request of a report over HTTP to its files, and to the person who asked for it."""

import asyncio
import datetime as dt
import io
import json
import uuid
import zipfile
from collections import Counter
from contextlib import closing

import openpyxl
import pypdf
import pytest

from cli.demo.report_check import check_monthly, check_progress, monthly_figures
from cli.demo.report_desk import KINDS, ReportDesk
from cli.main import command
from cli.operations import tokens
from shared.storage.locations import open_store
from shared.testing.fixtures import eventually

ADMINISTRATOR = """
SELECT m.school_id, m.person_id, s.timezone FROM gateway.membership m JOIN gateway.contact c USING (person_id)
JOIN gateway.school s USING (school_id)
WHERE m.role = 'school_admin' AND c.kind = 'mail' ORDER BY 1, 2 LIMIT 1
"""
FAMILY = """
SELECT g.student_id, g.guardian_id FROM gateway.guardianship g
WHERE g.school_id = %s AND g.custody ORDER BY 1, 2 LIMIT 1
"""
STRANGER = """
SELECT m.person_id FROM gateway.membership m WHERE m.school_id = %s AND m.role = 'guardian' AND NOT EXISTS (
    SELECT FROM gateway.guardianship g WHERE g.guardian_id = m.person_id AND g.student_id = %s) LIMIT 1
"""
DELIVERED = """
SELECT d.channel, d.state, n.title FROM notifier.notification n JOIN notifier.delivery d USING (notification_id)
WHERE n.origin = %s AND d.person_id = %s AND d.channel <> 'push'
"""
pytestmark = pytest.mark.timeout(300)  # the service reads the whole log of the demo school first

DAY = dt.date(2026, 10, 14)
STORED = "SELECT blob FROM reports.report_file"
STATES = "SELECT report_id, state FROM reports.report WHERE report_id = ANY(%s)"
BEGUN = """
SELECT FROM reports.report r JOIN reports.task_lease l USING (task_id)
WHERE r.report_id = %s AND r.directory_offset IS NOT NULL AND r.state = 'waiting'
"""
READY = """
SELECT count(*) AS n FROM gateway.intent i JOIN notifier.notification n USING (notification_id)
WHERE n.origin = 'report:' || %s
"""
ANNOUNCED = """
SELECT count(*) AS n FROM gateway.intent i JOIN notifier.notification n USING (notification_id)
WHERE n.origin = ANY(%s)
"""


@pytest.fixture(scope="module")
def administrator(system):
    """A running report service, and the administrator of a school."""
    asyncio.run(system.start("reports"))
    (row,) = system.rows(ADMINISTRATOR)
    return row


def desk(system, role, school, person) -> ReportDesk:
    key = system.backing.keys / "signing.pem"
    return ReportDesk(system.url, lambda: tokens.make(key, role, school, person))


async def files(system, api, school, report):
    await system.finished(report)
    found = await asyncio.to_thread(api.report, school, report)
    assert found["state"] == "ready"
    return {each["format"]: await asyncio.to_thread(api.download, each["url"]) for each in found["files"]}


async def stored(system):
    store = open_store((system.backing.keys / "blobs").as_uri())
    try:
        return {each.key async for each in store.list("reports")}
    finally:
        await store.close()


def record_some(api, school, student):
    about, day = {"student_id": student}, DAY.isoformat()
    api.record("behavior-reports", school, about | {"happened_on": day, "category": "lateness"})
    api.record("absences", school, about | {"day": day})
    paid = {"amount": "20.00", "currency": "EUR", "status": "received", "paid_on": day}
    api.record("payments", school, about | paid)
    api.record("grades", school, about | {"course": "Languages", "given_on": day, "grade": "B+"})


async def test_a_report_equals_the_records_and_the_person_who_asked_is_notified(system, administrator):
    school, person = administrator["school_id"], administrator["person_id"]
    with closing(desk(system, "school_admin", school, person)) as api:
        student = api.students(str(school))[0]["id"]
        record_some(api, str(school), student)
        # when
        asked = {"school": str(school), "period": f"{DAY:%Y-%m}"}
        monthly = api.request_report(asked | {"kind": "monthly"}, str(uuid.uuid4()))
        progress = api.request_report(asked | {"kind": "student_progress", "student": student}, str(uuid.uuid4()))
        # then
        month = (DAY.replace(day=1), DAY.replace(day=31))
        records = {kind: api.records(kind, str(school), month) for kind in KINDS}
        expected = monthly_figures(len(api.students(str(school))), records)
        check_monthly(await files(system, api, school, monthly), expected)
        check_progress(await files(system, api, school, progress), ["B+"])

        async def delivered():
            rows = await asyncio.to_thread(system.rows, DELIVERED, f"report:{monthly}", person)
            return {(each["channel"], each["state"], each["title"]) for each in rows}

        title = "Report ready: Monthly report"
        wanted = {("mail", "accepted", title), ("inbox", "accepted", title)}
        await eventually(delivered, lambda seen: seen == wanted, within=60)


async def test_a_guardian_sees_the_progress_of_their_own_student_and_of_no_other(system, administrator):
    school = administrator["school_id"]
    (family,) = system.rows(FAMILY, school)
    (stranger,) = system.rows(STRANGER, school, family["student_id"])
    asked = {"kind": "student_progress", "student": str(family["student_id"]), "period": "2026-10"}
    with closing(desk(system, "guardian", school, family["guardian_id"])) as api:
        report = api.request_report(asked, str(uuid.uuid4()))
        made = await files(system, api, school, report)
    assert pypdf.PdfReader(io.BytesIO(made["pdf"])).pages
    assert openpyxl.load_workbook(io.BytesIO(made["xlsx"])).worksheets
    # when another guardian asks
    with closing(desk(system, "guardian", school, stranger["person_id"])) as api:
        answers = [
            api._client.get(f"/v1/reports/{report}"),
            api._client.get("/v1/reports", params={"student": asked["student"]}),
            api._client.post("/v1/reports", json=asked),
            api._client.post("/v1/reports", json={"kind": "monthly", "period": "2026-10"}),
        ]
    # then
    assert [answer.status_code for answer in answers] == [404, 404, 404, 403]


async def test_a_kill_in_the_middle_of_reports_loses_none_and_makes_none_twice(system, administrator):
    school, person = str(administrator["school_id"]), administrator["person_id"]
    with closing(desk(system, "school_admin", administrator["school_id"], person)) as api:
        students = [each["id"] for each in api.students(school)[:12]]
        wanted = [{"kind": "student_progress", "student": each, "period": "2026-09"} for each in students]
        reports = [api.request_report(each, str(uuid.uuid4())) for each in wanted]

        async def begun():
            rows = await asyncio.to_thread(system.rows, STATES, [uuid.UUID(each) for each in reports])
            return sum(row["state"] == "ready" for row in rows)

        await eventually(begun, lambda ready: 0 < ready < len(reports), within=60)
        # when
        system.kill("reports")
        await system.start("reports")
        # then
        for report in reports:
            made = await files(system, api, school, report)
            assert pypdf.PdfReader(io.BytesIO(made["pdf"])).pages

    async def announced():
        return (await asyncio.to_thread(system.rows, ANNOUNCED, [f"report:{each}" for each in reports]))[0]["n"]

    await eventually(announced, lambda n: n == len(reports), within=60)
    assert await stored(system) == {row["blob"] for row in system.rows(STORED)}


async def test_a_kill_in_the_middle_of_a_grades_reports_makes_each_once_and_leaves_no_other_file(system, administrator):
    school, person = str(administrator["school_id"]), administrator["person_id"]
    with closing(desk(system, "school_admin", administrator["school_id"], person)) as api:
        grades = Counter(each["grade"] for each in api.students(school) if each["grade"])
        grade, students = grades.most_common(1)[0]
        asked = {"kind": "grade_progress", "grade": grade, "period": "2026-10"}
        report = api.request_report(asked, str(uuid.uuid4()))

        async def begun():
            rows = await asyncio.to_thread(system.rows, BEGUN, uuid.UUID(report))
            return bool(rows)

        await eventually(begun, lambda working: working, within=60)
        # when
        system.kill("reports")
        await system.start("reports")
        # then
        made = await files(system, api, school, report)
    names = zipfile.ZipFile(io.BytesIO(made["zip"])).namelist()
    assert len(names) == len(set(names)) == students
    assert len(pypdf.PdfReader(io.BytesIO(made["pdf"])).outline) == students
    assert await stored(system) == {row["blob"] for row in system.rows(STORED)}
    rows = await asyncio.to_thread(system.rows, READY, str(report))
    assert [row["n"] for row in rows] == [1]


async def test_the_command_saves_a_reports_files_and_says_why_a_request_is_refused(
    system, administrator, tmp_path, monkeypatch, capsys
):
    school, person = administrator["school_id"], administrator["person_id"]
    key = system.backing.keys / "signing.pem"
    monkeypatch.setenv("SCHOOLCONNECT_TOKEN", tokens.make(key, "school_admin", school, person))
    make = ("reports", "make", "--gateway", system.url, "--out", str(tmp_path))
    # when
    made = await asyncio.to_thread(command, [*make, "--json", "--format", "pdf", "monthly", "2026-08"])
    answer = json.loads(capsys.readouterr().out)
    # then
    assert made == 0
    assert answer["files"] == [str(tmp_path / f"{answer['report_id']}.pdf")]
    assert pypdf.PdfReader(answer["files"][0]).pages
    assert [each.suffix for each in tmp_path.iterdir()] == [".pdf"]
    # when the month has not begun
    assert await asyncio.to_thread(command, [*make, "monthly", "2976-01"]) == 3
    assert "period: has not begun yet at this school" in capsys.readouterr().err
    # when there is no time to wait
    assert await asyncio.to_thread(command, [*make, "--timeout", "0", "monthly", "2026-07"]) == 4
    assert "it goes on" in capsys.readouterr().err


def test_the_command_needs_a_token_and_a_gateway_that_answers(monkeypatch, capsys):
    make = ["reports", "make", "--gateway", "http://127.0.0.1:1", "monthly", "2026-08"]
    monkeypatch.delenv("SCHOOLCONNECT_TOKEN", raising=False)
    assert command(make) == 1
    assert "set SCHOOLCONNECT_TOKEN" in capsys.readouterr().err
    monkeypatch.setenv("SCHOOLCONNECT_TOKEN", "made-up")
    assert command(make) == 1
    assert "does not answer: ConnectError" in capsys.readouterr().err
