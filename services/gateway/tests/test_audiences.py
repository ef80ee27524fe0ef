"""Who may be meant, and sends to several schools: checked at once, whole, one task over one a school."""

import asyncio
import datetime as dt
import json
from uuid import uuid4

import pytest

from gateway.sends.audience import AudienceIn, audience_of
from gateway.tasks import projection
from shared.events import TaskChanged

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY = {"type": "general", "title": "Closed", "body": "Snow", "audience": {"school": True}}
REQUESTS = """
SELECT data FROM outbox WHERE routing_key = 'notification.requested' AND data::jsonb ->> 'school_id' = %s
ORDER BY position
"""
WISHES = "SELECT data FROM outbox WHERE routing_key = 'task.cancel_requested' AND data::jsonb ->> 'task_id' = ANY(%s)"


async def student(gateway, school, grade, room=None):
    person = await gateway.add_person(school, "student")
    async with gateway.service.transactions.begin() as tx:
        query = "INSERT INTO student (school_id, student_id, grade) VALUES (%s, %s, %s)"
        await tx.execute(query, (school, person, grade))
        if room:
            query = "INSERT INTO enrolment (class_id, person_id, role, school_id) VALUES (%s, %s, 'student', %s)"
            await tx.execute(query, (room, person, school))
    return str(person)


async def room_of(gateway, school):
    answer = await gateway.ask("POST", "/v1/classes", "school_admin", school, uuid4(), json={"title": "Maths"})
    return answer.json()["id"]


async def send(gateway, school, audience, **more):
    return await gateway.ask("POST", "/v1/notifications", "staff", school, json=BODY | {"audience": audience} | more)


async def requests(gateway, school):
    return [json.loads(row["data"]) for row in await gateway.rows(REQUESTS, (str(school),))]


async def test_seed_08_an_empty_grade_or_class_is_refused(gateway):
    school = await gateway.add_school()
    room = await room_of(gateway, school)
    await student(gateway, school, "07")
    for audience in ({"grade": "13"}, {"classes": [room]}):
        answer = await send(gateway, school, audience)
        assert (answer.status_code, answer.json()["code"]) == (422, "empty_audience")
    assert await requests(gateway, school) == []
    # when somebody is
    await student(gateway, school, "13", room)
    for audience in ({"grade": "13"}, {"classes": [room]}):
        assert (await send(gateway, school, audience)).status_code == 202


async def test_seed_22_unknown_or_foreign_classes_and_students_are_listed(gateway):
    school, other = await gateway.add_school(), await gateway.add_school()
    room, theirs = await room_of(gateway, school), await room_of(gateway, other)
    mine, foreign = await student(gateway, school, "07", room), await student(gateway, other, "07", theirs)
    teacher, nobody = str(await gateway.add_person(school, "teacher")), str(uuid4())
    # when
    answer = await send(gateway, school, {"classes": [room, theirs, nobody]})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_classes")
    assert answer.json()["classes"] == sorted([theirs, nobody])
    answer = await send(gateway, school, {"students": [mine, foreign, teacher, nobody]})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_people")
    assert answer.json()["people"] == sorted([foreign, teacher, nobody])
    assert await requests(gateway, school) == []
    # when they are right
    answer = await send(gateway, school, {"students": [mine, mine], "responsibility": "billing"})
    assert answer.status_code == 202
    (fact,) = await requests(gateway, school)
    assert (fact["audience"]["students"], fact["audience"]["responsibility"]) == ([mine], "billing")


@pytest.mark.parametrize(
    "audience",
    [{}, {"school": True, "grade": "07"}, {"classes": []}, {"students": [], "school": True}, {"responsibility": "x"}],
)
async def test_an_audience_is_exactly_one_thing(gateway, audience):
    answer = await send(gateway, await gateway.add_school(), audience)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_every_audience_of_the_api_is_one_that_services_know():
    for given in (
        {"people": [uuid4()]},
        {"grade": "07"},
        {"school": True},
        {"classes": [uuid4()]},
        {"students": [uuid4()]},
    ):
        made = audience_of(AudienceIn(**given)).model_dump(exclude_defaults=True)
        assert list(made) == list(given)


async def test_a_send_to_several_schools_is_one_task_over_one_a_school(gateway):
    # given
    schools = [await gateway.add_school() for _ in range(3)]
    for school in schools[:2]:
        await student(gateway, school, "07")
    names = [str(schools[0]), f"school-{schools[1]}", str(schools[2])]
    body = BODY | {"schools": names, "audience": {"grade": "07"}}
    headers = {"Idempotency-Key": uuid4().hex}
    # when
    answers = await asyncio.gather(
        *(gateway.ask("POST", "/v1/notifications", json=body, headers=headers) for _ in range(10))
    )
    # then
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    answer = answers[0].json()
    assert answer["empty_schools"] == [str(schools[2])]
    assert {part["school_id"] for part in answer["notifications"]} == {str(school) for school in schools[:2]}
    for part in answer["notifications"]:
        (fact,) = await requests(gateway, part["school_id"])
        assert (fact["group_id"], fact["task_id"]) == (answer["task_id"], part["task_id"])
    # when the children move
    tasks = [part["task_id"] for part in answer["notifications"]]
    assert (await look(gateway, answer)) == ("accepted", {"done": 0, "total": 0})
    await moved(gateway, tasks[0], "running", 1)
    assert (await look(gateway, answer)) == ("running", {"done": 1, "total": 4})
    await moved(gateway, tasks[0], "succeeded", 4, version=2)
    await moved(gateway, tasks[1], "running", 2)
    assert (await look(gateway, answer)) == ("running", {"done": 6, "total": 8})
    # when it is stopped: the child that is still open is
    assert (await gateway.ask("POST", f"/v1/tasks/{answer['task_id']}/cancel")).status_code == 202
    wishes = [json.loads(row["data"]) for row in await gateway.rows(WISHES, ([*tasks, answer["task_id"]],))]
    assert [wish["task_id"] for wish in wishes] == [tasks[1]]
    await moved(gateway, tasks[1], "cancelled", 2, version=2)
    assert (await look(gateway, answer)) == ("succeeded", {"done": 6, "total": 8})


async def moved(gateway, task, state, done, version=1):
    fact = TaskChanged(
        task_id=task,
        kind="notification.send",
        state=state,
        version=version,
        done=done,
        total=4,
        changed_at=dt.datetime.now(dt.UTC),
    )
    async with gateway.service.transactions.begin() as tx:
        await projection.project_tasks([fact], tx)


async def look(gateway, answer):
    task = (await gateway.ask("GET", f"/v1/tasks/{answer['task_id']}")).json()
    return task["state"], task["progress"]


async def test_several_schools_are_for_the_group_and_all_of_them_must_be_there(gateway):
    school = await gateway.add_school()
    body = BODY | {"schools": [str(school), "nowhere", "school-nowhere"]}
    answer = await gateway.ask("POST", "/v1/notifications", json=body)
    assert (answer.status_code, answer.json()["schools"]) == (422, ["nowhere", "school-nowhere"])
    answer = await gateway.ask(
        "POST", "/v1/notifications", "school_admin", school, json=BODY | {"schools": [str(school)]}
    )
    assert answer.status_code == 403
    people = BODY | {"schools": [str(school)], "audience": {"people": [str(uuid4())]}}
    assert (await gateway.ask("POST", "/v1/notifications", json=people)).status_code == 422
    empty = BODY | {"schools": [str(school)], "audience": {"grade": "13"}}
    answer = await gateway.ask("POST", "/v1/notifications", json=empty)
    assert (answer.status_code, answer.json()["code"]) == (422, "empty_audience")
    assert await requests(gateway, school) == []


async def test_a_preview_writes_nothing_and_says_so_when_its_owner_is_away(gateway):
    school = await gateway.add_school()
    before = await gateway.one("SELECT count(*) FROM outbox")
    body = {"type": "general", "audience": {"students": [str(uuid4())]}}
    answer = await gateway.ask("POST", "/v1/notifications:preview", "staff", school, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_people")
    body = {"type": "general", "audience": {"school": True}}
    answer = await gateway.ask("POST", "/v1/notifications:preview", "staff", school, json=body)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert await gateway.one("SELECT count(*) FROM outbox") == before
