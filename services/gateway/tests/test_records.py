"""Records of students: all or nothing, once, corrected by version, read by those who may."""

import asyncio
import json
from uuid import uuid4

import pytest
import pytest_asyncio

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODIES = {
    "behavior-reports": {"happened_on": "2026-11-02", "category": "Kindness", "severity": "praise"},
    "payments": {"status": "due", "amount": "19.90", "currency": "EUR", "due_on": "2026-12-01", "purpose": "Lunch"},
    "absences": {"day": "2026-11-03", "reason": "Flu"},
    "grades": {"course": "Maths", "given_on": "2026-11-04", "grade": "B-"},
    "remarks": {"noted_on": "2026-11-05", "text": "Reads a lot."},
}
TOPICS = {
    "behavior-reports": "behavior.recorded",
    "payments": "payment.recorded",
    "absences": "absence.recorded",
    "grades": "grade.recorded",
    "remarks": "remark.recorded",
}
FACTS = """
SELECT data FROM outbox WHERE routing_key = %s AND data::jsonb ->> 'record_id' = ANY(%s) ORDER BY position
"""
LEFT = """
SELECT (SELECT count(*) FROM record WHERE school_id = %(school)s) AS records,
       (SELECT count(*) FROM outbox WHERE data::jsonb ->> 'school_id' = %(school)s::text
          AND routing_key LIKE '%%.recorded') AS facts
"""


class House:
    """A school with a student, guardians by duty, and a stranger's child."""

    def __init__(self, gateway, school):
        self.gateway, self.school = gateway, school

    async def ask(self, method, path, role="school_admin", person=None, **more):
        return await self.gateway.ask(method, path, role, self.school, person or uuid4(), **more)

    async def add(self, role):
        body = {"given_name": "Ada", "family_name": "Demo", "memberships": [{"role": role}]}
        return (await self.ask("POST", "/v1/people", json=body)).json()["id"]

    async def record(self, path, student, key=None, **changes):
        headers = {"Idempotency-Key": key} if key else {}
        body = BODIES[path] | {"student_id": student} | changes
        return await self.ask("POST", f"/v1/{path}", json=body, headers=headers)

    async def facts(self, path, *ids):
        rows = await self.gateway.rows(FACTS, (TOPICS[path], list(ids)))
        return [json.loads(row["data"]) for row in rows]

    async def left(self):
        (row,) = await self.gateway.rows(LEFT, {"school": self.school})
        return row


@pytest_asyncio.fixture(loop_scope="module")
async def house(gateway):
    return House(gateway, await gateway.add_school())


@pytest.mark.parametrize("path", BODIES)
async def test_a_record_is_announced_corrected_and_withdrawn_each_with_its_version(house, path):
    # given
    student = await house.add("student")
    made = await house.record(path, student)
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    (record,) = made.json()["ids"]
    assert made.headers["location"] == f"/v1/{path}/{record}"
    # then
    (fact,) = await house.facts(path, record)
    version = await house.gateway.one("SELECT directory_version FROM school WHERE school_id = %s", (house.school,))
    assert (fact["version"], fact["directory_version"], fact["withdrawn"]) == (1, version, False)
    assert fact | BODIES[path] == fact
    # when it is corrected by somebody who read it
    where = f"/v1/{path}/{record}"
    read = await house.ask("GET", where)
    changed = {name: "2026-11-10" for name in BODIES[path] if name == "day" or name.endswith("_on")}
    body = BODIES[path] | changed
    assert (await house.ask("PUT", where, json=body)).status_code == 428
    done = await house.ask("PUT", where, json=body, headers={"If-Match": read.headers["etag"]})
    assert (done.status_code, done.headers["etag"], done.json()["facts"] | body) == (200, '"2"', done.json()["facts"])
    late = await house.ask("PUT", where, json=body, headers={"If-Match": read.headers["etag"]})
    assert (late.status_code, late.json()["code"]) == (412, "stale")
    # when
    gone = await house.ask("DELETE", where, headers={"If-Match": '"2"'})
    # then
    assert (gone.status_code, gone.json()["withdrawn"]) == (200, True)
    assert [(f["version"], f["withdrawn"]) for f in await house.facts(path, record)] == [
        (1, False),
        (2, False),
        (3, True),
    ]
    again = await house.ask("PUT", where, json=body, headers={"If-Match": '"3"'})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert (await house.ask("GET", f"/v1/{path}")).json()["items"] == []


async def test_seed_22_bulk_lists_every_unknown_or_foreign_student_and_records_nothing(house, gateway):
    # given
    here = await house.add("student")
    there = await House(gateway, await gateway.add_school()).add("student")
    guardian, nobody = await house.add("guardian"), str(uuid4())
    records = [BODIES["absences"] | {"student_id": each} for each in (here, there, guardian, nobody)]
    # when
    answer = await house.ask("POST", "/v1/absences:bulk", json={"records": records})
    # then
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_people")
    assert answer.json()["people"] == sorted([there, guardian, nobody])
    assert await house.left() == {"records": 0, "facts": 0}


async def test_seed_22_an_unknown_kind_or_value_is_refused(house):
    student = await house.add("student")
    for path, changes in (
        ("payments", {"status": "lost"}),
        ("payments", {"amount": "-1"}),
        ("payments", {"amount": "1.00001"}),
        ("payments", {"discount": "0"}),
        ("payments", {"currency": "euro"}),
        ("payments", {"status": "received"}),
        ("absences", {"status": "gone"}),
        ("absences", {"day": "2026-02-30"}),
        ("behavior-reports", {"severity": "worst"}),
        ("grades", {"grade": ""}),
        ("grades", {"state": "excused"}),
        ("grades", {"state": "hidden"}),
        ("remarks", {"text": "a\0b"}),
    ):
        answer = await house.record(path, student, **changes)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), (path, changes)
    assert await house.left() == {"records": 0, "facts": 0}


async def test_promise_08_bulk_with_one_key_records_once(house):
    students = [await house.add("student") for _ in range(3)]
    body = {"records": [BODIES["absences"] | {"student_id": each} for each in students]}
    headers, teacher = {"Idempotency-Key": uuid4().hex}, str(uuid4())

    async def mark():
        return await house.ask("POST", "/v1/absences:bulk", "teacher", teacher, json=body, headers=headers)

    # when
    answers = await asyncio.gather(*(mark() for _ in range(20)))
    # then
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert await house.left() == {"records": 3, "facts": 3}
    other = body | {"records": body["records"][:2]}
    answer = await house.ask("POST", "/v1/absences:bulk", "teacher", teacher, json=other, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")


async def test_a_child_is_absent_once_and_a_receipt_is_one_payment(house):
    first, second = await house.add("student"), await house.add("student")
    assert (await house.record("absences", first)).status_code == 201
    # when two teachers mark the same morning
    records = [BODIES["absences"] | {"student_id": each} for each in (first, second)]
    answer = await house.ask("POST", "/v1/absences:bulk", json={"records": records})
    # then
    assert (answer.status_code, answer.json()["code"], answer.json()["people"]) == (409, "conflict", [first])
    assert (await house.record("absences", first, period="2")).status_code == 201
    # and
    paid = {"status": "received", "paid_on": "2026-11-06", "file_id": str(uuid4())}
    assert (await house.record("payments", first, **paid)).status_code == 201
    assert (await house.record("payments", second, **paid)).status_code == 409
    assert await house.left() == {"records": 3, "facts": 3}


async def test_money_is_exact(house):
    student = await house.add("student")
    (record,) = (
        await house.record("payments", student, amount="12345678.905", discount="0.005", currency="KWD")
    ).json()["ids"]
    (fact,) = await house.facts("payments", record)
    assert (fact["amount"], fact["discount"]) == ("12345678.905", "0.005")
    assert (await house.ask("GET", f"/v1/payments/{record}")).json()["facts"]["amount"] == "12345678.905"


async def test_guardians_read_what_they_answer_for_and_students_themselves(house):
    # given
    child, other = await house.add("student"), await house.add("student")
    carer, payer, stranger = [await house.add("guardian") for _ in range(3)]
    guardians = [{"person_id": carer, "billing": False}, {"person_id": payer, "custody": False}]
    answer = await house.ask("PUT", f"/v1/students/{child}/guardians", json={"guardians": guardians})
    assert answer.status_code == 200
    ids = {path: (await house.record(path, child)).json()["ids"][0] for path in ("absences", "payments")}
    for path in ids:
        await house.record(path, other)
    # then
    for role, who, seen in (
        ("guardian", carer, {"absences"}),
        ("guardian", payer, {"payments"}),
        ("guardian", stranger, set()),
        ("student", child, {"absences", "payments"}),
    ):
        for path, record in ids.items():
            listed = (await house.ask("GET", f"/v1/{path}", role, who)).json()["items"]
            one = await house.ask("GET", f"/v1/{path}/{record}", role, who)
            assert [item["id"] for item in listed] == ([record] if path in seen else []), (role, path)
            assert one.status_code == (200 if path in seen else 404)
            assert (await house.ask("DELETE", f"/v1/{path}/{record}", role, who)).status_code == 403


async def test_grades_that_are_not_released_are_for_the_staff_until_a_correction_releases_them(house):
    child, guardian = await house.add("student"), await house.add("guardian")
    answer = await house.ask("PUT", f"/v1/students/{child}/guardians", json={"guardians": [{"person_id": guardian}]})
    assert answer.status_code == 200
    draft = (await house.record("grades", child, state="not_released")).json()["ids"][0]
    excused = (await house.record("grades", child, state="excused", grade="")).json()["ids"][0]

    async def seen(role, who):
        listed = (await house.ask("GET", "/v1/grades", role, who, params={"student": child})).json()["items"]
        one = await house.ask("GET", f"/v1/grades/{draft}", role, who)
        return {item["id"]: item["facts"]["state"] for item in listed}, one.status_code

    everything = {draft: "not_released", excused: "excused"}
    readers = [("teacher", str(uuid4())), ("guardian", guardian), ("student", child)]
    # then
    less = ({excused: "excused"}, 404)
    assert [await seen(*each) for each in readers] == [(everything, 200), less, less]
    assert [fact["state"] for fact in await house.facts("grades", draft, excused)] == ["not_released", "excused"]
    # when
    released = BODIES["grades"] | {"state": "given"}
    answer = await house.ask("PUT", f"/v1/grades/{draft}", json=released, headers={"If-Match": '"1"'})
    # then
    assert answer.status_code == 200
    assert [await seen(*each) for each in readers] == [({draft: "given", excused: "excused"}, 200)] * 3


@pytest.mark.parametrize("path", ["grades", "remarks"])
async def test_records_of_an_erased_student_are_read_without_their_text(house, path):
    student = await house.add("student")
    (record,) = (await house.record(path, student)).json()["ids"]
    assert (await house.gateway.ask("DELETE", f"/v1/people/{student}")).status_code == 204
    # when
    listed = await house.ask("GET", f"/v1/{path}", params={"student": student})
    one = await house.ask("GET", f"/v1/{path}/{record}")
    # then
    assert [listed.status_code, one.status_code] == [200, 200]
    assert [item["facts"] for item in listed.json()["items"]] == [one.json()["facts"]]
    assert {"grade": "", "text": ""}.items() & one.json()["facts"].items()


async def test_promise_16_another_schools_record_does_not_exist(house, gateway):
    theirs = House(gateway, await gateway.add_school())
    (record,) = (await theirs.record("remarks", await theirs.add("student"))).json()["ids"]
    where, match = f"/v1/remarks/{record}", {"If-Match": '"1"'}
    assert (await house.ask("GET", where)).status_code == 404
    assert (await house.ask("PUT", where, json=BODIES["remarks"], headers=match)).status_code == 404
    assert (await house.ask("DELETE", where, headers=match)).status_code == 404
    assert (await house.ask("GET", where.replace("remarks", "grades"))).status_code == 404
    assert (await theirs.ask("GET", where)).json()["version"] == 1


async def test_lists_go_on_by_key_and_filter(house):
    student, other = await house.add("student"), await house.add("student")
    days = [f"2026-10-{day:02}" for day in range(1, 8)]
    for day in days:
        await house.record("absences", student, day=day, status="late" if day.endswith("3") else "absent")
    await house.record("absences", other, day="2026-10-05")
    seen, after = [], None
    while True:
        params = {"limit": 2, "student": student, "since": days[1]} | ({"after": after} if after else {})
        page = (await house.ask("GET", "/v1/absences", params=params)).json()
        seen += [item["facts"]["day"] for item in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert seen == days[:0:-1]
    late = (await house.ask("GET", "/v1/absences", params={"status": "late"})).json()["items"]
    assert [item["facts"]["day"] for item in late] == ["2026-10-03"]
    bad = await house.ask("GET", "/v1/absences", params={"after": "bm9uc2Vuc2U"})
    assert (bad.status_code, bad.json()["code"]) == (422, "invalid")


async def test_a_correction_says_when_it_was_made(house):
    """By the first version's time, a correction a day later would be over before anybody was told of it."""
    # given
    student = await house.add("student")
    (record,) = (await house.record("absences", student)).json()["ids"]
    async with house.gateway.service.transactions.begin() as tx:
        earlier = "UPDATE record SET recorded_at = recorded_at - interval '2 days' WHERE record_id = %s"
        await tx.execute(earlier, (record,))
    # when
    path = f"/v1/absences/{record}"
    answer = await house.ask("PUT", path, json=BODIES["absences"] | {"status": "excused"}, headers={"If-Match": '"1"'})
    withdrawn = await house.ask("DELETE", path, headers={"If-Match": '"2"'})
    assert (answer.status_code, withdrawn.status_code) == (200, 200)
    # then
    first, *corrections = await house.facts("absences", record)
    assert len(corrections) == 2
    assert all(each["recorded_at"] > first["recorded_at"] for each in corrections)
