"""Uploads as schools send them: a part of the rows is wrong, columns are missing, an export stopped half way."""

import json

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

TASK = "SELECT data FROM outbox WHERE routing_key = 'task.changed' AND data::jsonb ->> 'task_id' = %s ORDER BY position"
PERSON = """
SELECT p.source, p.given_name, p.active, p.signs_in,
    array(SELECT c.address FROM contact c WHERE c.person_id = p.person_id ORDER BY 1) AS addresses,
    array(SELECT o.sourced_id || ' ' || m.role FROM current_membership m JOIN school o USING (school_id)
          WHERE m.person_id = p.person_id ORDER BY 1) AS places
FROM person p WHERE p.sourced_id = %s ORDER BY p.source
"""
GUARDIANS = """
SELECT g.sourced_id, x.custody, x.billing, x.emergency, x.rank FROM guardianship x
JOIN person g ON g.person_id = x.guardian_id JOIN person s ON s.person_id = x.student_id
WHERE s.sourced_id = %s ORDER BY x.rank, 1
"""
IDS = """
SELECT s.school_id, x.person_id FROM school s, person x WHERE s.sourced_id = %s AND x.sourced_id = %s
"""
TERMS = "SELECT count(*) FROM term t JOIN school s USING (school_id) WHERE s.sourced_id = %s"
SIGN_IN = "INSERT INTO account (person_id) VALUES (%s) RETURNING person_id"
NOTICES = """
SELECT data::jsonb #>> '{audience,people,0}' AS person, data::jsonb #>> '{variables,addresses}' AS addresses FROM outbox
WHERE routing_key = 'notification.requested' AND data::jsonb ->> 'template' = 'address_removed'
  AND data::jsonb #>> '{audience,people,0}' = ANY(%s)
"""
GRADE = """
SELECT s.grade, m.grade AS listed FROM student s JOIN person p ON p.person_id = s.student_id
JOIN membership m ON (m.person_id, m.school_id) = (s.student_id, s.school_id) WHERE p.sourced_id = %s
"""


async def imported(gateway, content, **order):
    """Import; the task's last fact."""
    task = await opened(gateway, content, **order)
    return await ran(gateway, task)


async def opened(gateway, content, **order):
    query = "&".join(f"{name}={value}" for name, value in order.items())
    path = f"/v1/imports/oneroster?{query}"
    answer = await gateway.ask("POST", path, content=content, headers={"Content-Type": "application/zip"})
    assert answer.status_code == 202, answer.text
    return answer.json()["task_id"]


async def ran(gateway, task):
    await gateway.run_import(task)
    return await fact(gateway, task)


async def fact(gateway, task):
    return json.loads((await gateway.rows(TASK, (str(task),)))[-1]["data"])


async def one(gateway, name):
    (row,) = await gateway.rows(PERSON, (name,))
    return row


async def guardians(gateway, student):
    return [tuple(row.values()) for row in await gateway.rows(GUARDIANS, (student,))]


def family(person, s, *, mail="g1", second=None):
    """A student with two guardians; `mail` is the local part of the first one's address, `second` another address."""
    return [
        person(f"{s}-st", s, "student", f"{s}-g1,{s}-g2", "07"),
        person(f"{s}-g1", s, "guardian", f"{s}-st", email=f"{mail}@example.org"),
        person(f"{s}-g2", s, "parent", f"{s}-st", email=second or f"{s}-g2@example.org"),
    ]


async def test_a_session_that_is_gone_in_an_upload_without_a_school_ends_no_term_of_other_schools(
    gateway, roster, person
):
    year = {"title": "Year", "type": "schoolYear", "startDate": "2026-08-01", "endDate": "2099-08-01"}
    sessions = [{"sourcedId": "pine-year", "schoolYear": "2027", **year}]
    people = [person("pine-t", "pine", "teacher")]
    await imported(gateway, roster(["pine"], people, academicSessions=sessions))
    assert await gateway.one(TERMS, ("pine",)) == 1
    # when: what an upload does not name stays, what it names goes
    other = [{"sourcedId": "other", "status": "tobedeleted"}, {"sourcedId": "new", "schoolYear": "2027", **year}]
    assert (await imported(gateway, roster([], [], academicSessions=other)))["state"] == "succeeded"
    # then
    assert await gateway.one(TERMS, ("pine",)) == 1
    await imported(gateway, roster([], [], academicSessions=[gone("pine-year")]))
    assert await gateway.one(TERMS, ("pine",)) == 0


async def test_a_guardian_whose_row_is_refused_stays_a_guardian(gateway, roster, person):
    s = "oak"
    await imported(gateway, roster([s], family(person, s)))
    before = await guardians(gateway, "oak-st")
    # when: the row has no family name, so that it is refused
    rows = family(person, s)
    rows[1]["familyName"] = ""
    done = await imported(gateway, roster([s], rows))
    # then
    assert (done["state"], done["result"]["rejected"]) == ("succeeded", 2)  # the row, and a reference to it
    assert await guardians(gateway, "oak-st") == before
    assert (await one(gateway, "oak-g1"))["places"] == ["oak guardian"]


async def test_an_address_that_cannot_be_used_leaves_the_person_and_the_former_address(gateway, roster, person):
    s = "elder"
    await imported(gateway, roster([s], family(person, s)))
    before = await guardians(gateway, f"{s}-st")
    done = await imported(gateway, roster([s], family(person, s, second="N/A")))
    assert (done["state"], done["result"]["rejected"], done["result"]["values_named"]) == ("succeeded", 0, 1)
    assert await guardians(gateway, f"{s}-st") == before
    assert (await one(gateway, f"{s}-g2"))["addresses"] == [f"{s}-g2@example.org"]
    # when: a new student has none either
    rows = [*family(person, s), person(f"{s}-new", s, "student", f"{s}-g1", "07", email="N/A")]
    await imported(gateway, roster([s], rows))
    assert (await one(gateway, f"{s}-new"))["places"] == [f"{s} student"]
    assert [each[0] for each in await guardians(gateway, f"{s}-new")] == [f"{s}-g1"]


async def test_trust_5_an_old_address_gets_a_mail_when_an_import_replaces_that_of_a_person_who_can_sign_in(
    gateway, roster, person
):
    # given two guardians, one of whom can sign in
    s = "spindle"
    await imported(gateway, roster([s], family(person, s, mail=f"{s}-old")))
    signs_in, other = [str((await gateway.rows(IDS, (s, f"{s}-g{n}")))[0]["person_id"]) for n in (1, 2)]
    await gateway.rows(SIGN_IN, (signs_in,))
    # when: the same upload again replaces nothing
    for _ in range(2):
        await imported(gateway, roster([s], family(person, s, mail=f"{s}-new", second=f"{s}-other@example.org")))
    # then
    notices = await gateway.rows(NOTICES, ([signs_in, other],))
    assert notices == [{"person": signs_in, "addresses": f"{s}-old@example.org"}]


async def test_a_schools_statement_of_a_guardian_outlives_a_relation_that_a_roster_drops(gateway, roster, person):
    s = "yew"
    whole = roster([s], family(person, s))
    await imported(gateway, whole)
    (student,) = await gateway.rows(IDS, (s, f"{s}-st"))
    people = [(await gateway.rows(IDS, (s, f"{s}-g{n}")))[0]["person_id"] for n in (1, 2)]
    said = [
        {"person_id": str(people[1]), "rank": 1, "custody": False, "billing": False, "emergency": False},
        {"person_id": str(people[0]), "rank": 2},
    ]
    path = f"/v1/students/{student['person_id']}/guardians?school={student['school_id']}"
    assert (await gateway.ask("PUT", path, json={"guardians": said})).status_code == 200
    expected = [(f"{s}-g2", False, False, False, 1), (f"{s}-g1", True, True, True, 2)]
    assert await guardians(gateway, f"{s}-st") == expected
    # when: a roster drops the relation, and the next one brings it back
    alone = family(person, s)
    alone[0]["agentSourcedIds"] = f"{s}-g1"
    alone[2]["agentSourcedIds"] = ""
    await imported(gateway, roster([s], alone))
    assert await guardians(gateway, f"{s}-st") == expected[1:]
    await imported(gateway, whole)
    # then
    assert await guardians(gateway, f"{s}-st") == expected
    # when: the school says that one is no guardian
    assert (await gateway.ask("PUT", path, json={"guardians": said[1:]})).status_code == 200
    rows = family(person, s)
    rows[0]["grades"] = "08"
    await imported(gateway, roster([s], rows))
    assert await guardians(gateway, f"{s}-st") == expected[1:]


async def test_a_guardian_whom_a_school_added_outlives_rosters_that_do_not_name_them(gateway, roster, person):
    s = "fig"
    await imported(gateway, roster([s], family(person, s)))
    (student,) = await gateway.rows(IDS, (s, f"{s}-st"))
    aunt = await gateway.add_person(student["school_id"])
    path = f"/v1/students/{student['person_id']}/guardians?school={student['school_id']}"
    await gateway.ask("PUT", path, json={"guardians": [{"person_id": str(aunt)}]})
    rows = family(person, s)
    rows[0]["grades"] = "08"
    await imported(gateway, roster([s], rows))
    assert [name for name, *_ in await guardians(gateway, f"{s}-st")] == [f"person-{aunt}"]


def gone(name):
    return {"sourcedId": name, "status": "tobedeleted"}


def crowd(person, s, number):
    return [person(f"{s}-{n:03}", s, "teacher") for n in range(number)]


async def test_an_upload_that_would_end_many_people_waits_until_it_is_confirmed(gateway, roster, person):
    s = "ivory"
    await imported(gateway, roster([s], crowd(person, s, 63)))
    school = str((await gateway.rows(IDS, (s, f"{s}-001")))[0]["school_id"])
    held = [{"school_id": school, "people": 62, "of": 63}]
    # when: a dry run shows it and changes nothing
    tried = await imported(gateway, roster([s], crowd(person, s, 1)), dry_run="true")
    assert (tried["state"], tried["result"]["would_end"], tried["result"]["would_wait"]) == ("succeeded", held, True)
    # when
    task = await opened(gateway, roster([s], crowd(person, s, 1)))
    waiting = await ran(gateway, task)
    # then
    assert (waiting["state"], waiting["result"]) == ("queued", {"waits_for": "confirmation", "would_end": held})
    assert (await one(gateway, f"{s}-002"))["places"] == [f"{s} teacher"]
    assert (await gateway.ask("POST", f"/v1/imports/{task}/confirm", "school_admin", school)).status_code == 403
    # when
    assert (await gateway.ask("POST", f"/v1/imports/{task}/confirm")).status_code == 200
    done = await ran(gateway, task)
    # then
    assert (done["state"], done["result"]["ended"]) == ("succeeded", 62)
    assert (await one(gateway, f"{s}-002"))["places"] == []
    assert (await gateway.ask("POST", f"/v1/imports/{task}/confirm")).status_code == 409


@pytest.mark.parametrize("kind", ["header_only", "named", "moved", "school"])
async def test_every_way_to_end_most_of_a_school_waits(gateway, roster, person, kind):
    s = f"wide-{kind}"
    rows = crowd(person, s, 25)
    await imported(gateway, roster([s, f"{s}-2"], rows))
    contents = {
        "header_only": lambda: roster([s], []),
        "named": lambda: roster([], [gone(row["sourcedId"]) for row in rows], mode="delta"),
        "moved": lambda: roster([s, f"{s}-2"], [row | {"orgSourcedIds": f"{s}-2"} for row in rows]),
        "school": lambda: roster([], [], mode="delta", orgs=[gone(s)]),
    }
    # when
    done = await imported(gateway, contents[kind]())
    # then
    assert (done["state"], done["result"]["would_end"][0]["people"]) == ("queued", 25)
    assert (await one(gateway, f"{s}-001"))["places"] == [f"{s} teacher"]


async def test_twenty_people_or_a_tenth_end_without_a_confirmation(gateway, roster, person):
    await imported(gateway, roster(["small"], crowd(person, "small", 22)))
    assert (await imported(gateway, roster(["small"], crowd(person, "small", 2))))["state"] == "succeeded"
    await imported(gateway, roster(["large"], crowd(person, "large", 230)))
    assert (await imported(gateway, roster(["large"], crowd(person, "large", 208))))["state"] == "succeeded"


async def test_an_import_that_waits_can_be_cancelled(gateway, roster, person):
    await imported(gateway, roster(["hazel"], crowd(person, "hazel", 30)))
    task = await opened(gateway, roster(["hazel"], []))
    await ran(gateway, task)
    await gateway.ask("POST", f"/v1/tasks/{task}/cancel")
    assert (await one(gateway, "hazel-001"))["places"] == ["hazel teacher"]


async def test_a_column_that_is_missing_says_nothing_and_an_empty_cell_says_none(gateway, roster, person):
    s = "cedar"
    await imported(gateway, roster([s], family(person, s)))
    before = await guardians(gateway, f"{s}-st")
    # when: the export leaves columns out and renames one
    left_out = {"email", "phone", "sms", "agentSourcedIds", "grades"}
    rows = [{name: value for name, value in row.items() if name not in left_out} for row in family(person, s)]
    done = await imported(gateway, roster([s], rows, without=left_out, also=("emailAddress",)))
    # then
    assert (done["state"], done["result"]["rejected"]) == ("succeeded", 0)
    named = {"file": "users.csv", "column": "emailAddress", "like": "email"}
    assert done["result"]["columns_ignored"] == [named]
    assert (await one(gateway, f"{s}-g2"))["addresses"] == [f"{s}-g2@example.org"]
    assert await guardians(gateway, f"{s}-st") == before
    assert await gateway.rows(GRADE, (f"{s}-st",)) == [{"grade": "07", "listed": "07"}]
    # when
    empty = [row | {"email": "", "grades": "", "agentSourcedIds": ""} for row in family(person, s)]
    await imported(gateway, roster([s], empty))
    # then
    assert (await one(gateway, f"{s}-g2"))["addresses"] == []
    assert await guardians(gateway, f"{s}-st") == []
    assert await gateway.rows(GRADE, (f"{s}-st",)) == [{"grade": None, "listed": None}]


async def test_enabled_user_decides_about_signing_in_and_nothing_else(gateway, roster, person):
    s = "larch"
    rows = [row | {"enabledUser": "false"} for row in family(person, s)]
    await imported(gateway, roster([s], rows))
    found = await one(gateway, f"{s}-g1")
    assert (found["active"], found["signs_in"], found["places"]) == (True, False, [f"{s} guardian"])
    assert [name for name, *_ in await guardians(gateway, f"{s}-st")] == [f"{s}-g1", f"{s}-g2"]
    (student,) = await gateway.rows(IDS, (s, f"{s}-st"))
    answer = await gateway.ask("GET", f"/v1/students?school={student['school_id']}&active=true&grade=7th")
    assert [each["id"] for each in answer.json()["items"]] == [str(student["person_id"])]


async def test_an_upload_of_which_nothing_can_be_used_has_failed_with_its_reasons(gateway, roster, person):
    rows = [row | {"orgSourcedIds": "nowhere"} for row in family(person, "holly")]
    task = await opened(gateway, roster(["holly"], rows))
    done = await ran(gateway, task)
    assert done["state"] == "failed"
    assert f"/v1/imports/{task}/rejected" in done["error"]
    listed = await gateway.ask("GET", f"/v1/imports/{task}/rejected")
    assert {row["column"] for row in listed.json()["items"]} == {"orgSourcedIds"}
    assert await gateway.rows(PERSON, ("holly-st",)) == []


async def test_an_id_means_a_person_of_its_source_only(gateway, roster, person):
    """Two systems use the same number for two people."""
    a, b = "ash-a", "ash-b"
    first = roster([a], [person("1001", a, "parent", givenName="Ann")])
    second = roster([b], [person("1001", b, "parent", givenName="Bob", email="bob@example.org")])
    await imported(gateway, first, source="one")
    await imported(gateway, second, source="two")
    # then
    found = [(row["source"], row["given_name"], row["places"]) for row in await gateway.rows(PERSON, ("1001",))]
    assert found == [("one", "Ann", [f"{a} guardian"]), ("two", "Bob", [f"{b} guardian"])]
    # when: neither a complete upload nor one of changes of a source touches people of another
    await imported(gateway, roster([b], [person("1002", b, "parent")]), source="two")
    await imported(gateway, roster([], [gone("1001")], mode="delta"), source="two")
    assert [row["active"] for row in await gateway.rows(PERSON, ("1001",))] == [True, False]
    # when: a school of another source has the same id
    other = [{"sourcedId": a, "name": "Another", "type": "school"}]
    done = await imported(gateway, roster([], [person("1003", a, "parent")], orgs=other), source="two")
    assert done["state"] == "failed"
    assert await gateway.rows(PERSON, ("1003",)) == []


async def test_people_without_a_source_are_adopted_by_the_first_that_names_them_at_their_school(
    gateway, roster, person
):
    await imported(gateway, roster(["rowan"], [person("r-1", "rowan", "teacher")]))
    await imported(gateway, roster(["other"], [person("r-1", "other", "teacher")]), source="two")
    await imported(gateway, roster(["rowan"], [person("r-1", "rowan", "teacher")]), source="one")
    found = [(row["source"], row["places"]) for row in await gateway.rows(PERSON, ("r-1",))]
    assert found == [("one", ["rowan teacher"]), ("two", ["other teacher"])]


async def test_a_person_whom_a_school_added_under_an_id_of_another_is_adopted_by_its_roster(gateway, roster, person):
    await imported(gateway, roster(["ash"], [person("a-1", "ash", "teacher")]))
    await imported(gateway, roster(["yew"], [person("a-2", "yew", "teacher")]), source="one")
    school = await gateway.one("SELECT school_id FROM school WHERE sourced_id = 'yew'")
    body = {"given_name": "Yew", "family_name": "Demo", "memberships": [{"role": "teacher"}], "sourced_id": "a-1"}
    added = await gateway.ask("POST", "/v1/people", "school_admin", school, json=body)
    assert added.status_code == 201
    await imported(gateway, roster(["yew"], [person(name, "yew", "teacher") for name in ("a-1", "a-2")]), source="one")
    found = [(row["source"], row["places"]) for row in await gateway.rows(PERSON, ("a-1",))]
    assert found == [("", ["ash teacher"]), ("one", ["yew teacher"])]
    assert await gateway.one("SELECT source FROM person WHERE person_id = %s", (added.json()["id"],)) == "one"


async def test_a_role_whose_row_is_refused_stays(gateway, roster, person):
    def user(name):
        return {k: v for k, v in person(name, "").items() if k not in ("orgSourcedIds", "role")}

    def role(row, what, **more):
        given = {
            "sourcedId": row,
            "userSourcedId": "teak-1",
            "roleType": "primary",
            "role": what,
            "orgSourcedId": "teak",
        }
        return given | more

    roles = [role("teak-r1", "teacher"), role("teak-r2", "principal")]
    await imported(gateway, roster(["teak"], [user("teak-1")], version="1.2", roles=roles))
    roles[1]["role"] = "wizard"
    await imported(gateway, roster(["teak"], [user("teak-1") | {"givenName": "New"}], version="1.2", roles=roles))
    found = await one(gateway, "teak-1")
    assert (found["given_name"], found["places"]) == ("New", ["teak school_admin", "teak teacher"])
