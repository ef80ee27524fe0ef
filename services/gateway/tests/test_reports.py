"""Requests of reports: what is accepted, what is refused with a reason, and who may ask for which."""

import datetime as dt
import json
from uuid import uuid4

import pytest

from gateway.reports.schemas import days_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

REQUESTED = "SELECT data FROM outbox WHERE routing_key = 'report.requested' AND data::jsonb ->> 'school_id' = %s"
TASKS = "SELECT state, kind FROM task WHERE task_id = %s"
MONTH = {"kind": "monthly", "period": "2026-01"}


async def student_of(gateway, school, guardian, custody="true"):
    student = await gateway.add_person(school, "student")
    await gateway.rows("INSERT INTO student (school_id, student_id) VALUES (%s, %s) RETURNING 1", (school, student))
    query = "INSERT INTO guardianship (school_id, student_id, guardian_id, custody) VALUES (%s, %s, %s, %s) RETURNING 1"
    await gateway.rows(query, (school, student, guardian, custody))
    return student


async def test_a_request_opens_a_task_and_says_what_its_requester_had_seen(gateway):
    school = await gateway.add_school()
    person = await gateway.add_person(school, "school_admin")
    student = await student_of(gateway, school, await gateway.add_person(school))
    grade = {"student_id": str(student), "course": "Languages", "given_on": "2026-01-05", "grade": "A"}
    recorded = await gateway.ask("POST", "/v1/grades", "school_admin", school, person, json=grade)
    # when
    asked = MONTH | {"formats": ["pdf"], "language": "de", "to_share": True}
    key = {"Idempotency-Key": "one"}
    answers = [await gateway.ask("POST", "/v1/reports", "school_admin", school, person, key, json=asked) for _ in "ab"]
    # then
    assert [answer.status_code for answer in answers] == [202, 202], answers[0].text
    assert answers[0].json() == answers[1].json()
    (row,) = await gateway.rows(REQUESTED, (str(school),))
    event = json.loads(row["data"])
    assert (event["starts"], event["ends"], event["formats"]) == ("2026-01-01", "2026-02-01", ["pdf"])
    assert event["to_share"] is True
    assert event["records"] == {recorded.json()["ids"][0]: 1}
    assert event["requested_by"] == str(person)
    (task,) = await gateway.rows(TASKS, (answers[0].json()["task_id"],))
    assert (task["state"], task["kind"]) == ("accepted", "report.make")


@pytest.mark.parametrize(
    "wrong",
    [
        {"period": "2976-01"},
        {"period": "2026-13"},
        {"period": "1976-01-01/2026-01-01"},
        {"period": "2026-02-02/2026-02-01"},
        {"kind": "yearly"},
        {"language": "tlh"},
        {"formats": []},
        {"formats": ["docx"]},
        {"student": str(uuid4())},
        {"kind": "grade_progress", "grade": "05", "to_share": True},
        {"kind": "student_progress"},
        {"kind": "student_progress", "student": str(uuid4())},
        {"period": "2026-01-01/2026-01-15"},
        {"formats": ["zip"]},
        {"grade": "05"},
        {"kind": "grade_progress"},
        {"kind": "grade_progress", "grade": "99"},
        {"kind": "grade_progress", "grade": "05", "student": str(uuid4())},
        {"kind": "grade_progress", "grade": "05", "formats": ["xlsx"]},
    ],
)
async def test_a_request_that_cannot_be_is_refused_with_a_reason_and_nothing_is_done(gateway, wrong):
    school = await gateway.add_school()
    # when
    answer = await gateway.ask("POST", "/v1/reports", "staff", school, json=MONTH | wrong)
    # then
    assert answer.status_code == 422
    assert answer.json()["code"] in ("invalid", "unknown_people")
    assert await gateway.rows(REQUESTED, (str(school),)) == []


async def test_a_month_is_for_the_office_and_a_students_progress_also_for_teachers_and_guardians_with_custody(gateway):
    school = await gateway.add_school()
    mother, other = [await gateway.add_person(school) for _ in "ab"]
    student = await student_of(gateway, school, mother)
    query = (
        "INSERT INTO guardianship (school_id, student_id, guardian_id, custody) VALUES (%s, %s, %s, false) RETURNING 1"
    )
    await gateway.rows(query, (school, student, other))
    office, teacher = [await gateway.add_person(school, role) for role in ("staff", "teacher")]
    progress = {"kind": "student_progress", "student": str(student), "period": "2026-01-07/2026-03-31"}
    asked = {
        ("staff", office): (202, 202),
        ("teacher", teacher): (403, 202),
        ("guardian", mother): (403, 202),
        ("guardian", other): (403, 404),
    }
    # when
    found = {}
    for role, person in asked:
        answers = [
            await gateway.ask("POST", "/v1/reports", role, school, person, json=body) for body in (MONTH, progress)
        ]
        found[role, person] = tuple(answer.status_code for answer in answers)
    # then
    assert found == asked


async def test_a_student_of_another_school_is_unknown(gateway):
    school, foreign = await gateway.add_school(), await gateway.add_school()
    student = await student_of(gateway, foreign, await gateway.add_person(foreign))
    body = {"kind": "student_progress", "student": str(student), "period": "2026-01"}
    # when
    answer = await gateway.ask("POST", "/v1/reports", "staff", school, json=body)
    # then
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_people")


async def test_a_period_is_a_month_or_its_first_and_last_day():
    assert days_of("2026-12") == (dt.date(2026, 12, 1), dt.date(2027, 1, 1))
    assert days_of("2026-09-01/2026-12-18") == (dt.date(2026, 9, 1), dt.date(2026, 12, 19))


async def test_the_progress_of_a_grade_is_for_the_office_and_comes_as_a_document_and_an_archive(gateway):
    school = await gateway.add_school()
    await student_of(gateway, school, await gateway.add_person(school))
    await gateway.rows("UPDATE student SET grade = '05' WHERE school_id = %s RETURNING 1", (school,))
    body = {"kind": "grade_progress", "grade": "05", "period": "2026-01"}
    # when
    answers = [await gateway.ask("POST", "/v1/reports", role, school, json=body) for role in ("staff", "teacher")]
    # then
    assert [answer.status_code for answer in answers] == [202, 403], answers[0].text
    (row,) = await gateway.rows(REQUESTED, (str(school),))
    event = json.loads(row["data"])
    assert (event["kind"], event["grade"], event["formats"]) == ("grade_progress", "05", ["pdf", "zip"])
