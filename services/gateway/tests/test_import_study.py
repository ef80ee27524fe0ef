"""All of a roster: terms, classes, enrolments, guardians and roles; complete and as changes; OneRoster 1.1 and 1.2."""

import asyncio
import json

import pytest

from gateway.directory import publish, publish_bulk
from shared.events import PersonChanged, StudentChanged

pytestmark = pytest.mark.asyncio(loop_scope="module")

PUPIL = """
SELECT s.grade, s.active, array(
    SELECT g.sourced_id FROM guardianship x JOIN person g ON g.person_id = x.guardian_id
    WHERE x.student_id = s.student_id ORDER BY x.rank) AS guardians, array(
    SELECT c.sourced_id FROM enrolment e JOIN school_class c USING (class_id)
    WHERE e.person_id = s.student_id AND NOT e.lapsed AND c.active ORDER BY 1) AS classes
FROM student s JOIN person p ON p.person_id = s.student_id WHERE p.sourced_id = %s
"""
ROLES = """
SELECT o.sourced_id AS school, m.role FROM membership m JOIN person p USING (person_id) JOIN school o USING (school_id)
WHERE p.sourced_id = %s AND (m.ends IS NULL OR m.ends > current_date) ORDER BY 1, 2
"""
LAST = """
SELECT data FROM outbox WHERE routing_key = %s AND data::jsonb ->> %s = (
    SELECT person_id::text FROM person WHERE sourced_id = %s) ORDER BY position DESC LIMIT 1
"""
COUNT = "SELECT count(*) FROM outbox WHERE routing_key <> 'task.changed'"
TASK = "SELECT data FROM outbox WHERE routing_key = 'task.changed' AND data::jsonb ->> 'task_id' = %s ORDER BY position"
TERMS = """
SELECT t.name, t.kind, t.starts::text, t.ends::text FROM term t JOIN school s USING (school_id)
WHERE s.sourced_id = %s ORDER BY t.starts, t.ends DESC
"""


@pytest.fixture
def study(roster, person):
    """A school with a class of two, a teacher and guardians; names start with the school's."""

    def make(school, *, leave_out=(), **changes):
        s = school
        people = [
            person(f"{s}-s1", s, "student", f"{s}-g2,{s}-g1", "07"),
            person(f"{s}-s2", s, "student", f"{s}-g1", "07"),
            person(f"{s}-g1", s, "parent"),
            person(f"{s}-g2", s, "relative"),
            person(f"{s}-t1", s, "teacher"),
        ]
        sessions = [
            {"sourcedId": f"{s}-year", "title": "Year", "type": "schoolYear", "startDate": "2026-08-01"},
            {"sourcedId": f"{s}-term", "title": "Autumn", "type": "term", "startDate": "2026-08-01"},
        ]
        for session, ends in zip(sessions, ("2099-08-01", "2099-02-01"), strict=True):
            session |= {"endDate": ends, "schoolYear": "2027"}
        sessions[1]["parentSourcedId"] = f"{s}-year"
        course = {"sourcedId": f"{s}-maths", "title": "Maths", "orgSourcedId": s}
        room = {"sourcedId": f"{s}-7a", "title": "Maths 7a", "grades": "07", "courseSourcedId": f"{s}-maths"}
        room |= {"classType": "scheduled", "schoolSourcedId": s, "termSourcedIds": f"{s}-term"}
        enrolled = [
            {
                "sourcedId": f"{s}-e{n}",
                "classSourcedId": f"{s}-7a",
                "schoolSourcedId": s,
                "userSourcedId": f"{s}-{who}",
                "role": role,
            }
            for n, (who, role) in enumerate((("s1", "student"), ("s2", "student"), ("t1", "teacher")))
        ]
        rows = [row for row in people if row["sourcedId"] not in leave_out]
        enrolled = [row for row in enrolled if not {row["sourcedId"], row["userSourcedId"]} & set(leave_out)]
        files = {"academicSessions": sessions, "courses": [course], "classes": [room], "enrollments": enrolled}
        return roster([school], rows, **(files | changes))

    return make


async def imported(gateway, content):
    """Import; the task's last fact."""
    task = await gateway.open_import(content)
    await gateway.run_import(task)
    return json.loads((await gateway.rows(TASK, (str(task),)))[-1]["data"])


async def pupil(gateway, name):
    (row,) = await gateway.rows(PUPIL, (name,))
    return row


async def roles(gateway, name):
    return [(row["school"], row["role"]) for row in await gateway.rows(ROLES, (name,))]


async def last(gateway, topic, field, name):
    (row,) = await gateway.rows(LAST, (topic, field, name))
    return json.loads(row["data"])


async def test_a_whole_roster_with_terms_classes_enrolments_and_guardians(gateway, study):
    done = await imported(gateway, study("ash"))
    # then
    assert (done["state"], done["done"], done["total"]) == ("succeeded", 10, 10)
    expected = {"schools": 1, "calendars": 1, "classes": 1, "people": 5, "students": 2, "enrolments": 3}
    assert done["result"] == expected | {"ended": 0, "unchanged": 0, "rejected": 0, "values_named": 0}
    assert await pupil(gateway, "ash-s1") == {
        "grade": "07",
        "active": True,
        "guardians": ["ash-g2", "ash-g1"],
        "classes": ["ash-7a"],
    }
    fact = await last(gateway, "student.changed", "student_id", "ash-s1")
    assert [(g["relationship"], g["rank"], g["custody"]) for g in fact["guardians"]] == [
        ("relative", 1, False),
        ("parent", 2, True),
    ]
    assert len(fact["classes"]) == 1
    assert [tuple(row.values()) for row in await gateway.rows(TERMS, ("ash",))] == [
        ("Year", "schoolYear", "2026-08-01", "2099-07-31"),
        ("Autumn", "term", "2026-08-01", "2099-01-31"),
    ]
    # when: the same again
    before = await gateway.one(COUNT)
    again = await imported(gateway, study("ash"))
    # then: nothing was told
    assert again["result"] == dict.fromkeys(expected, 0) | {
        "ended": 0,
        "unchanged": 5,
        "rejected": 0,
        "values_named": 0,
    }
    assert await gateway.one(COUNT) == before


async def test_what_disappears_is_ended_and_comes_back(gateway, study):
    await imported(gateway, study("bay"))
    # when a student, an enrolment and the class are no longer there
    done = await imported(gateway, study("bay", leave_out=["bay-s2", "bay-e0"]))
    assert done["result"]["ended"] == 3  # the student, their enrolment, the other's enrolment
    assert (await pupil(gateway, "bay-s1"))["classes"] == []
    assert (await last(gateway, "student.changed", "student_id", "bay-s1"))["classes"] == []
    assert (await pupil(gateway, "bay-s2"))["active"] is False
    assert (await last(gateway, "student.changed", "student_id", "bay-s2"))["active"] is False
    assert await roles(gateway, "bay-s2") == []
    # when
    await imported(gateway, study("bay"))
    # then
    fact = await last(gateway, "student.changed", "student_id", "bay-s2")
    assert (fact["active"], len(fact["classes"]), len(fact["guardians"])) == (True, 1, 1)
    assert (
        await gateway.one(
            "SELECT count(*) FROM enrolment e JOIN school_class c USING (class_id) WHERE c.sourced_id = 'bay-7a'"
        )
        == 3
    )


async def test_a_class_with_another_name_is_published_with_its_students(gateway, study):
    room = {"sourcedId": "fern-7a", "title": "Algebra 7a", "courseSourcedId": "fern-maths", "classType": "scheduled"}
    room |= {"grades": "07", "schoolSourcedId": "fern", "termSourcedIds": "fern-term"}
    await imported(gateway, study("fern"))
    before = await last(gateway, "student.changed", "student_id", "fern-s1")
    # when
    await imported(gateway, study("fern", classes=[room]))
    # then
    fact = await last(gateway, "student.changed", "student_id", "fern-s1")
    assert (before["class_names"], fact["class_names"]) == (["Maths 7a"], ["Algebra 7a"])


async def test_a_class_that_disappears_is_published_with_its_students(gateway, study):
    await imported(gateway, study("cove"))
    done = await imported(gateway, study("cove", classes=[], enrollments=[]))
    assert done["state"] == "succeeded"
    assert (await last(gateway, "student.changed", "student_id", "cove-s1"))["classes"] == []
    await imported(gateway, study("cove"))
    assert len((await last(gateway, "student.changed", "student_id", "cove-s1"))["classes"]) == 1


async def test_a_schools_statement_of_a_guardian_survives_the_next_roster(gateway, study, person):
    await imported(gateway, study("dale"))
    await gateway.rows(
        "UPDATE guardianship SET billing = false FROM person p WHERE guardian_id = p.person_id AND p.sourced_id = %s "
        "RETURNING 1",
        ("dale-g1",),
    )
    # when the student gets another grade, which is written anew
    s = "dale"
    people = [person(f"{s}-s1", s, "student", f"{s}-g1", "08"), person(f"{s}-g1", s, "parent")]
    await imported(gateway, study(s, users=people, enrollments=[]))
    # then
    fact = await last(gateway, "student.changed", "student_id", "dale-s1")
    assert fact["grade"] == "08"
    assert [(g["billing"], g["custody"], g["rank"]) for g in fact["guardians"]] == [(False, True, 1)]


async def test_changes_of_1_1_touch_what_they_name_only(gateway, study, roster, person):
    await imported(gateway, study("elm"))
    gone = {"sourcedId": "elm-t1", "status": "tobedeleted"}
    moved = person("elm-s2", "elm", "student", "elm-g2", "08")
    over = {"sourcedId": "elm-e0", "status": "tobedeleted"}
    content = roster([], [gone, moved], mode="delta", enrollments=[over])
    for turn in range(2):
        done = await imported(gateway, content)
        assert (done["state"], done["result"]["rejected"]) == ("succeeded", 0)
        assert (done["result"]["people"], done["result"]["ended"]) == ((1, 2) if turn == 0 else (0, 0))
    # then
    assert (await pupil(gateway, "elm-s2")) | {"classes": []} == {
        "grade": "08",
        "active": True,
        "guardians": ["elm-g1", "elm-g2"],
        "classes": [],
    }
    assert (await pupil(gateway, "elm-s1"))["classes"] == []
    assert (await last(gateway, "person.changed", "person_id", "elm-t1"))["active"] is False
    assert await roles(gateway, "elm-g1") == [("elm", "guardian")]


async def test_changes_of_1_2_merge_roles_and_end_those_named(gateway, roster, person):
    # given
    def user(name, **more):
        return {k: v for k, v in person(name, "").items() if k not in ("orgSourcedIds", "role")} | more

    def role(row, who, what, school="fir", **more):
        return {
            "sourcedId": row,
            "userSourcedId": who,
            "roleType": "primary",
            "role": what,
            "orgSourcedId": school,
            **more,
        }

    people = [user("fir-1"), user("fir-2"), user("fir-3", agentSourcedIds="fir-2", grades="07")]
    whole = [role("r1", "fir-1", "teacher"), role("r2", "fir-1", "principal"), role("r3", "fir-2", "parent")]
    whole.append(role("r4", "fir-3", "student"))
    done = await imported(gateway, roster(["fir", "gum"], people, version="1.2", roles=whole))
    assert (done["state"], done["result"]["people"]) == ("succeeded", 3)
    assert await roles(gateway, "fir-1") == [("fir", "school_admin"), ("fir", "teacher")]
    # when roles change: one ends, one moves to another school, one is new, for people who are not in users.csv
    changes = [
        {"sourcedId": "r2", "status": "tobedeleted"},
        role("r1", "fir-1", "teacher", "gum"),
        role("r5", "fir-2", "aide"),
    ]
    content = roster([], [user("fir-3", givenName="Cy", grades="08")], version="1.2", mode="delta", roles=changes)
    for turn in range(2):
        done = await imported(gateway, content)
        assert (done["state"], done["result"]["rejected"]) == ("succeeded", 0), done
        assert done["result"]["people"] == (3 if turn == 0 else 0)
    # then
    assert await roles(gateway, "fir-1") == [("gum", "teacher")]
    assert await roles(gateway, "fir-2") == [("fir", "guardian"), ("fir", "staff")]
    assert await roles(gateway, "fir-3") == [("fir", "student")]
    fact = await last(gateway, "person.changed", "person_id", "fir-3")
    assert fact["given_name"] == "Cy"
    assert (await pupil(gateway, "fir-3"))["grade"] == "08"


async def test_two_complete_imports_of_the_same_schools_at_once_both_succeed(gateway, study, monkeypatch):
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before = await gateway.one(deadlocks)
    for turn in range(3):
        tasks = [await gateway.open_import(study("hill", leave_out=out)) for out in ([], ["hill-s2"], ["hill-e0"])]
        await asyncio.gather(*map(gateway.run_import, tasks))
        for task in tasks:
            assert json.loads((await gateway.rows(TASK, (str(task),)))[-1]["data"])["state"] == "succeeded", turn
    assert await gateway.one(deadlocks) == before


async def test_events_written_in_sql_equal_events_written_one_by_one(gateway, study):
    """Two ways to say the same must say the same: every field, the version, and a position a school."""
    await imported(gateway, study("ivy"))
    (row,) = await gateway.rows("SELECT person_id FROM person WHERE sourced_id = 'ivy-s1'")
    who = row["person_id"]
    school = await gateway.one("SELECT school_id FROM school WHERE sourced_id = 'ivy'")
    prepare = (
        "INSERT INTO device (person_id, token, platform) VALUES (%(who)s, 'ivy-token', 'web')",
        "INSERT INTO preference VALUES (%(who)s, 'general', 'mail', false)",
        "UPDATE person SET quiet_starts = '21:00', quiet_ends = '06:00', language = 'de' WHERE person_id = %(who)s",
        "UPDATE student SET told = false WHERE student_id = %(who)s",
    )
    async with gateway.service.transactions.begin() as tx:
        for statement in prepare:
            await tx.execute(statement, {"who": who})
        await publish_bulk.people(tx, [who])
        assert await publish_bulk.students(tx) == 1
    in_sql = await facts(gateway)
    async with gateway.service.transactions.begin() as tx:
        await publish.emit_states(tx, people=[who], students=[(school, who)])
    one_by_one = await facts(gateway)
    # then
    for event, mine, theirs in zip((PersonChanged, StudentChanged), in_sql, one_by_one, strict=True):
        (data, headers), (other, others) = mine, theirs
        assert event(**data).model_dump(exclude={"positions"}) == event(**other).model_dump(exclude={"positions"})
        assert {s: v + 2 for s, v in data["positions"].items()} == other["positions"]
        own = {"ce-id", "ce-time", "ce-correlationid"}
        assert {k: v for k, v in headers.items() if k not in own} == {k: v for k, v in others.items() if k not in own}


async def facts(gateway):
    """The newest two facts in the outbox, the person's first."""
    rows = await gateway.rows("SELECT headers, data FROM outbox ORDER BY position DESC LIMIT 2")
    return [(json.loads(row["data"]), json.loads(row["headers"])) for row in reversed(rows)]
