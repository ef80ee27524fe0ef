"""The directory over HTTP: each change is one commit, published with its version and its schools' positions."""

import asyncio
import json
from uuid import uuid4

import pytest

from gateway.directory import classes

pytestmark = pytest.mark.asyncio(loop_scope="module")

PUBLISHED = """
SELECT data FROM outbox WHERE routing_key = %s AND data::jsonb ->> %s = %s ORDER BY position DESC LIMIT 1
"""
POSITIONS = """
SELECT s.directory_version AS version, (
    SELECT array_agg(value::bigint ORDER BY value::bigint) FROM outbox o, jsonb_each_text(o.data::jsonb -> 'positions')
    WHERE key = s.school_id::text) AS published
FROM school s WHERE s.school_id = %s
"""
ADA = {
    "given_name": "Ada",
    "family_name": "Demo",
    "memberships": [{"role": "guardian"}],
    "contacts": [{"kind": "mail", "address": "ada@example.org"}],
}


async def published(gateway, topic, field, value):
    """The newest fact of a topic about something."""
    rows = await gateway.rows(PUBLISHED, (topic, field, str(value)))
    return json.loads(rows[0]["data"]) if rows else None


async def add(gateway, school, role, **more):
    body = ADA | {"memberships": [{"role": role} | more]}
    answer = await gateway.ask("POST", "/v1/people", "school_admin", school, json=body)
    assert answer.status_code == 201
    return answer.json()["id"]


async def admin(gateway, school, method, path, **more):
    return await gateway.ask(method, path, "school_admin", school, uuid4(), **more)


async def test_a_schools_settings_are_published_as_a_whole(gateway):
    body = {"name": "Linden", "timezone": "Europe/Berlin", "quiet": {"starts": "21:00", "ends": "06:30"}}
    made = await gateway.ask("POST", "/v1/schools", json=body)
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    school = made.json()["id"]
    clerk = await add(gateway, school, "staff")
    # when
    changes = {"announces": ["absence", "payment_due"], "digest_at": "06:45", "office": [clerk], "mute_details": False}
    answer = await admin(gateway, school, "PATCH", f"/v1/schools/{school}", json=changes, headers={"If-Match": '"1"'})
    # then
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    fact = await published(gateway, "school.changed", "school_id", school)
    assert (fact["announces"], fact["office"], fact["mute_details"]) == (["absence", "payment_due"], [clerk], False)
    assert (fact["quiet"], fact["digest_at"]) == ({"starts": "21:00:00", "ends": "06:30:00"}, "06:45:00")
    assert fact["version"] == 2
    # when: an older reader writes
    stale = await admin(
        gateway, school, "PATCH", f"/v1/schools/{school}", json={"name": "X"}, headers={"If-Match": '"1"'}
    )
    assert (stale.status_code, stale.json()["code"]) == (412, "stale")
    # when: quiet hours are taken away
    answer = await admin(gateway, school, "PATCH", f"/v1/schools/{school}", json={"quiet": None})
    assert answer.json()["quiet"] is None


async def test_a_calendar_is_published_with_its_closures_added_and_removed(gateway):
    school = await gateway.add_school()
    terms = [{"name": "Autumn", "starts": "2026-08-24", "ends": "2027-01-31"}]
    year = {"name": "Year", "kind": "schoolYear", "starts": "2026-08-24", "ends": "2027-07-02"}
    body = {"weekdays": [7, 1, 2, 3, 4], "terms": [*terms, year]}
    path = f"/v1/schools/{school}/calendar"
    assert (await admin(gateway, school, "PUT", path, json=body)).status_code == 200
    fact = await published(gateway, "calendar.changed", "school_id", school)
    assert (fact["weekdays"], fact["terms"]) == ([1, 2, 3, 4, 7], terms)
    # when it snows
    snow = {"name": "Snow", "starts": "2026-12-01", "ends": "2026-12-02"}
    closed = await admin(gateway, school, "POST", f"/v1/schools/{school}/closures", json=snow)
    assert closed.status_code == 201
    fact = await published(gateway, "calendar.changed", "school_id", school)
    assert (fact["closures"], fact["version"]) == ([snow], 3)
    # when: it melts
    (closure,) = closed.json()["closures"]
    gone = await admin(gateway, school, "DELETE", f"/v1/schools/{school}/closures/{closure['closure_id']}")
    assert gone.status_code == 204
    assert (await published(gateway, "calendar.changed", "school_id", school))["closures"] == []


async def test_a_person_joins_changes_and_leaves_and_stays_in_the_books(gateway):
    school = await gateway.add_school()
    person = await add(gateway, school, "student", grade="07")
    fact = await published(gateway, "student.changed", "student_id", person)
    assert (fact["grade"], fact["active"]) == ("07", True)
    # when
    path = f"/v1/people/{person}"
    changed = await admin(gateway, school, "PATCH", path, json={"given_name": "Bo", "language": "de"})
    assert (changed.json()["given_name"], changed.json()["version"]) == ("Bo", 2)
    contacts = {"contacts": [{"kind": "phone", "address": "+999 123"}]}
    assert (await admin(gateway, school, "PUT", f"{path}/contacts", json=contacts)).status_code == 200
    fact = await published(gateway, "person.changed", "person_id", person)
    assert (fact["given_name"], fact["language"], fact["contacts"]) == ("Bo", "de", contacts["contacts"])
    # when
    left = await admin(gateway, school, "DELETE", f"{path}/memberships/student")
    # then
    (membership,) = left.json()["memberships"]
    assert membership["ends"] is not None
    assert (await published(gateway, "student.changed", "student_id", person))["active"] is False
    assert (await admin(gateway, school, "DELETE", f"{path}/memberships/student")).status_code == 404
    assert (await admin(gateway, school, "GET", path)).status_code == 200
    listed = await admin(gateway, school, "GET", "/v1/people", params={"active": True})
    assert listed.json()["items"] == []


async def test_guardians_have_a_rank_and_duties_and_strangers_are_listed(gateway):
    school, other = await gateway.add_school(), await gateway.add_school()
    child = await add(gateway, school, "student", grade="07")
    mother, father = [await add(gateway, school, "guardian") for _ in range(2)]
    stranger, nobody = await add(gateway, other, "guardian"), str(uuid4())
    path = f"/v1/students/{child}/guardians"
    # when
    body = {"guardians": [{"person_id": each} for each in (mother, stranger, nobody)]}
    refused = await admin(gateway, school, "PUT", path, json=body)
    # then
    assert (refused.status_code, refused.json()["people"]) == (422, sorted([stranger, nobody]))
    assert (await published(gateway, "student.changed", "student_id", child))["guardians"] == []
    # when
    body = {"guardians": [{"person_id": mother, "rank": 2, "billing": False}, {"person_id": father, "rank": 1}]}
    assert (await admin(gateway, school, "PUT", path, json=body)).status_code == 200
    # then
    fact = await published(gateway, "student.changed", "student_id", child)
    assert [(g["person_id"], g["rank"], g["billing"]) for g in fact["guardians"]] == [
        (father, 1, True),
        (mother, 2, False),
    ]
    # and: guardians find their own children and nobody else's
    answer = await gateway.ask("GET", "/v1/students", "guardian", school, mother)
    assert [item["id"] for item in answer.json()["items"]] == [child]
    answer = await gateway.ask("GET", "/v1/students", "guardian", school, stranger)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")  # no guardian of this school


async def test_classes_are_published_with_their_students(gateway):
    school = await gateway.add_school()
    pupil, teacher = await add(gateway, school, "student", grade="07"), await add(gateway, school, "teacher")
    made = await admin(gateway, school, "POST", "/v1/classes", json={"title": "Maths 7a", "grades": ["07"]})
    assert made.status_code == 201
    room = made.json()["id"]
    path = f"/v1/classes/{room}/enrolments"
    # when
    body = {"enrolments": [{"person_id": pupil}, {"person_id": teacher, "role": "teacher", "leads": True}]}
    assert (await admin(gateway, school, "POST", path, json=body)).json() == {"enrolled": 2}
    # then
    fact = await published(gateway, "student.changed", "student_id", pupil)
    assert (fact["classes"], fact["class_names"]) == ([room], ["Maths 7a"])
    found = await admin(gateway, school, "GET", "/v1/students", params={"class": room})
    assert [item["id"] for item in found.json()["items"]] == [pupil]
    # when: a teacher as a student, a stranger, and somebody right
    stranger = str(uuid4())
    refused = await admin(
        gateway, school, "POST", path, json={"enrolments": [{"person_id": stranger}, {"person_id": pupil}]}
    )
    assert (refused.status_code, refused.json()["people"]) == (422, [stranger])
    refused = await admin(gateway, school, "POST", path, json={"enrolments": [{"person_id": teacher}]})
    assert (refused.status_code, refused.json()["people"]) == (422, [teacher])
    # when
    await admin(gateway, school, "PATCH", f"/v1/classes/{room}", json={"title": "Algebra 7a"})
    assert (await published(gateway, "student.changed", "student_id", pupil))["class_names"] == ["Algebra 7a"]
    # when
    ended = await admin(gateway, school, "PATCH", f"/v1/classes/{room}", json={"active": False})
    assert (ended.status_code, ended.json()["version"]) == (200, 3)
    assert (await published(gateway, "student.changed", "student_id", pupil))["classes"] == []
    await admin(gateway, school, "PATCH", f"/v1/classes/{room}", json={"active": True})
    assert (await admin(gateway, school, "DELETE", f"{path}/{pupil}")).status_code == 204
    assert (await published(gateway, "student.changed", "student_id", pupil))["classes"] == []


async def test_an_enrolment_that_ends_by_its_date_is_published_by_the_sweep(gateway):
    school = await gateway.add_school()
    pupil = await add(gateway, school, "student")
    room = (await admin(gateway, school, "POST", "/v1/classes", json={"title": "Maths"})).json()["id"]
    body = {"enrolments": [{"person_id": pupil, "ends": "2999-01-01"}]}
    await admin(gateway, school, "POST", f"/v1/classes/{room}/enrolments", json=body)
    async with gateway.service.transactions.begin() as tx:
        await tx.execute("UPDATE enrolment SET ends = current_date WHERE person_id = %s", (pupil,))
    # when
    await classes.end_lapsed(gateway.service.transactions)
    # then
    assert (await published(gateway, "student.changed", "student_id", pupil))["classes"] == []


async def test_everybody_chooses_for_themselves_and_safety_cannot_be_refused(gateway):
    school = await gateway.add_school()
    person = await add(gateway, school, "guardian")
    wanted = [{"kind": "general", "channel": "mail", "wanted": False}]
    body = {"preferences": wanted, "quiet": {"starts": "22:00", "ends": "07:00"}}
    # when
    answer = await gateway.ask("PUT", "/v1/me/preferences", "guardian", school, person, json=body)
    # then
    assert answer.status_code == 200
    fact = await published(gateway, "person.changed", "person_id", person)
    assert (fact["preferences"], fact["quiet"]["starts"]) == (wanted, "22:00:00")
    unsafe = {"preferences": [{"kind": "safety", "channel": "push", "wanted": False}]}
    assert (await gateway.ask("PUT", "/v1/me/preferences", "guardian", school, person, json=unsafe)).status_code == 422
    # and: staff see and change them too, but only of their own school
    path = f"/v1/people/{person}/preferences"
    assert (await gateway.ask("GET", path, "staff", school)).json()["preferences"] == wanted
    assert (await gateway.ask("GET", path, "staff", await gateway.add_school())).status_code == 404


async def test_an_app_that_signs_out_takes_its_device_along(gateway):
    school, token = await gateway.add_school(), uuid4().hex
    person = await gateway.add_person(school)
    await gateway.ask("PUT", "/v1/me/devices", "guardian", school, person, json={"token": token, "platform": "web"})
    listed = await gateway.ask("GET", "/v1/me/devices", "guardian", school, person)
    assert [item["token"] for item in listed.json()["items"]] == [token]
    other = await gateway.add_person(school)
    remove = {"json": {"token": token}}
    assert (await gateway.ask("POST", "/v1/me/devices:remove", "guardian", school, other, **remove)).status_code == 404
    assert (await gateway.ask("POST", "/v1/me/devices:remove", "guardian", school, person, **remove)).status_code == 204
    assert (await published(gateway, "person.changed", "person_id", person))["devices"] == []


async def test_promise_16_what_is_another_schools_cannot_be_changed_or_seen(gateway):
    ours, theirs = await gateway.add_school(), await gateway.add_school()
    person = await add(gateway, theirs, "student", grade="07")
    room = (await admin(gateway, theirs, "POST", "/v1/classes", json={"title": "Maths"})).json()["id"]
    for method, path, body in (
        ("PATCH", f"/v1/people/{person}", {"given_name": "Bo"}),
        ("PUT", f"/v1/people/{person}/contacts", {"contacts": []}),
        ("PUT", f"/v1/people/{person}/memberships", {"role": "guardian"}),
        ("DELETE", f"/v1/people/{person}/memberships/student", None),
        ("PUT", f"/v1/people/{person}/preferences", {"preferences": []}),
        ("PATCH", f"/v1/students/{person}", {"grade": "08"}),
        ("PUT", f"/v1/students/{person}/guardians", {"guardians": []}),
        ("PATCH", f"/v1/classes/{room}", {"title": "X"}),
        ("GET", f"/v1/classes/{room}/enrolments", None),
        ("DELETE", f"/v1/classes/{room}/enrolments/{person}", None),
        ("PATCH", f"/v1/schools/{theirs}", {"name": "X"}),
        ("PUT", f"/v1/schools/{theirs}/calendar", {"weekdays": [1]}),
        ("GET", f"/v1/people/{person}", None),
        ("GET", f"/v1/students/{person}", None),
    ):
        answer = await admin(gateway, ours, method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (method, path)
    strangers = await admin(gateway, theirs, "GET", f"/v1/people/{person}")
    assert strangers.json()["version"] == 1


async def test_changes_of_all_kinds_at_once_leave_no_gap_in_the_versions(gateway):
    school = await gateway.add_school()
    pupils = [await add(gateway, school, "student", grade="07") for _ in range(6)]
    rooms = [
        (await admin(gateway, school, "POST", "/v1/classes", json={"title": f"R{n}"})).json()["id"] for n in range(2)
    ]
    everybody = {"enrolments": [{"person_id": each} for each in pupils]}
    backwards = {"enrolments": [{"person_id": each} for each in reversed(pupils)]}
    calls = [
        admin(gateway, school, "POST", f"/v1/classes/{rooms[n % 2]}/enrolments", json=backwards if n % 3 else everybody)
        for n in range(6)
    ]
    calls += [admin(gateway, school, "PATCH", f"/v1/students/{each}", json={"grade": "08"}) for each in pupils]
    calls += [admin(gateway, school, "PATCH", f"/v1/people/{each}", json={"given_name": "Cy"}) for each in pupils]
    calls += [admin(gateway, school, "PATCH", f"/v1/classes/{room}", json={"active": False}) for room in rooms]
    answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} == {200}
    (row,) = await gateway.rows(POSITIONS, (school,))
    assert row["published"] == list(range(1, row["version"] + 1))


async def test_pages_by_key_are_whole_and_in_order(gateway):
    school = await gateway.add_school()
    people = sorted([await add(gateway, school, "student", grade="07") for _ in range(5)])
    seen, after = [], None
    while True:
        params = {"limit": 2, "grade": "07"} | ({"after": after} if after else {})
        page = (await gateway.ask("GET", "/v1/students", "staff", school, params=params)).json()
        seen += [item["id"] for item in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert seen == people


@pytest.mark.parametrize(
    ("path", "body"), [("people", ADA), ("classes", {"title": "Demo 7a"})], ids=["people", "classes"]
)
async def test_an_id_that_another_school_uses_is_not_betrayed(gateway, path, body):
    ours, theirs, body = await gateway.add_school(), await gateway.add_school(), body | {"sourced_id": f"s-{uuid4()}"}
    for school in (theirs, ours):
        assert (await admin(gateway, school, "POST", f"/v1/{path}", json=body)).status_code == 201
        # within a school an id means one
        again = await admin(gateway, school, "POST", f"/v1/{path}", json=body)
        assert (again.status_code, again.json()["code"]) == (409, "conflict")


async def test_of_two_that_add_one_id_at_a_time_one_is_refused(gateway):
    ours, theirs, body = await gateway.add_school(), await gateway.add_school(), ADA | {"sourced_id": f"s-{uuid4()}"}
    assert (await admin(gateway, theirs, "POST", "/v1/people", json=body)).status_code == 201
    answers = await asyncio.gather(*(admin(gateway, ours, "POST", "/v1/people", json=body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
