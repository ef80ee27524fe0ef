"""Sends in one statement: what it takes is what the steps one by one would have taken, and the rest is left to them."""

import asyncio
import json
from uuid import UUID, uuid4

import pytest
from uuid_utils.compat import uuid7

from gateway.problems import Problem
from gateway.security.caller import Caller
from gateway.sends.batch_accept import TOGETHER, BatchAcceptor
from gateway.sends.commands import SendCommand, request_notification
from shared.events import Audience
from shared.transactions.unit_of_work import UnitOfWorkFactory

pytestmark = pytest.mark.asyncio(loop_scope="module")

FACTS = "SELECT headers, data, sealed_for FROM outbox WHERE data::jsonb ->> 'school_id' = %s ORDER BY position"
OWN = {"notification_id", "task_id", "requested_at"}
"""Fields in which two sends of the same differ."""
TASKS = """
SELECT count(*) AS n, count(DISTINCT i.notification_id) AS intents FROM task t LEFT JOIN intent i USING (task_id)
WHERE t.school_id = %s
"""


class InOneStatement(UnitOfWorkFactory):
    """Transactions that have no other way."""

    def request(self, *_):
        pytest.fail("it was asked again step by step")


def command(audience):
    return SendCommand(
        kind="general",
        title="Closed",
        body="Snow",
        data={"room": '7"b}'},
        audience=audience,
        channels=("push",),
        urgent=False,
        expires_at=None,
    )


@pytest.fixture
def at_once(gateway):
    return BatchAcceptor(InOneStatement(gateway.service.database, "gateway"))


@pytest.fixture
def staff():
    return Caller(uuid4(), "staff", None)


@pytest.mark.parametrize("kind", ["people", "students", "classes", "grade", "school"])
async def test_the_statement_says_what_the_steps_say(gateway, at_once, staff, kind):
    # given
    school = await gateway.add_school()
    student = await gateway.add_person(school, "student")
    room = uuid7()
    async with gateway.service.transactions.begin() as tx:
        await tx.execute("INSERT INTO student (school_id, student_id, grade) VALUES (%s, %s, '07')", (school, student))
        await tx.execute("INSERT INTO school_class (class_id, school_id, title) VALUES (%s, %s, '7b')", (room, school))
        await tx.execute(
            "INSERT INTO enrolment (class_id, person_id, role, school_id) VALUES (%s, %s, 'student', %s)",
            (room, student, school),
        )
        await tx.execute("UPDATE school SET directory_version = 7 WHERE school_id = %s", (school,))
    named = {"people": (student,), "students": (student,), "classes": (room,), "grade": "07", "school": True}
    asked = command(Audience(**{kind: named[kind]}))
    # when
    answer = await at_once.send(staff, school, asked, "one")
    async with gateway.service.transactions.request(school) as tx:
        await request_notification(tx, staff, school, asked, "two")
    # then
    first, second = await gateway.rows(FACTS, (str(school),))
    said = [json.loads(row["data"]) for row in (first, second)]
    assert said[0]["directory_version"] == 7
    assert {name: value for name, value in said[0].items() if name not in OWN} == {
        name: value for name, value in said[1].items() if name not in OWN
    }
    assert (answer["task_id"], answer["notification_id"]) == (said[0]["task_id"], said[0]["notification_id"])
    assert first["sealed_for"] == UUID(answer["notification_id"])
    assert json.loads(first["headers"]).keys() == json.loads(second["headers"]).keys()


async def test_many_at_once_are_each_their_own(gateway, at_once, staff):
    school = await gateway.add_school()
    person = await gateway.add_person(school)
    # when
    many = 2 * TOGETHER + 7
    sends = [at_once.send(staff, school, command(Audience(people=(person,))), f"key {n}") for n in range(many)]
    answers = await asyncio.gather(*sends)
    # then
    assert len({answer["task_id"] for answer in answers}) == many
    assert await gateway.rows(TASKS, (school,)) == [{"n": many, "intents": many}]


async def test_what_is_wrong_with_one_is_not_its_neighbours_matter(gateway, staff):
    school = await gateway.add_school()
    person, stranger = await gateway.add_person(school), uuid4()
    intake = BatchAcceptor(gateway.service.transactions)
    people = [(person,), (person, stranger)] * 10
    # when
    sends = [intake.send(staff, school, command(Audience(people=each)), None) for each in people]
    answers = await asyncio.gather(*sends, return_exceptions=True)
    # then
    assert [isinstance(answer, Problem) for answer in answers] == [False, True] * 10
    assert all(answer.more == {"people": [str(stranger)]} for answer in answers[1::2])
    assert await gateway.rows(TASKS, (school,)) == [{"n": 10, "intents": 10}]


async def test_a_statement_that_fails_is_asked_again_one_by_one(gateway, staff):
    school = await gateway.add_school()
    intake = BatchAcceptor(gateway.service.transactions)
    # when: one key is a text that PostgreSQL does not hold
    sends = [intake.send(staff, school, command(Audience(school=True)), key) for key in ("fine", "\x00", "good")]
    answers = await asyncio.gather(*sends, return_exceptions=True)
    # then
    assert [isinstance(answer, dict) for answer in answers] == [True, False, True]


async def test_nothing_is_left_over_when_all_are_answered(gateway, staff):
    intake = BatchAcceptor(gateway.service.transactions)
    school = await gateway.add_school()
    await asyncio.gather(*(intake.send(staff, school, command(Audience(school=True)), None) for _ in range(20)))
    assert intake.idle


@pytest.mark.parametrize("deliver_at", [None, "2040-05-05T07:00:00Z"])
async def test_fast_path_answers_as_the_ordinary_route_does(gateway, deliver_at):
    school, asker = await gateway.add_school(), uuid4()
    body = {"type": "general", "title": "Closed", "body": "Snow", "audience": {"school": True}}
    content = json.dumps(body | ({"deliver_at": deliver_at} if deliver_at else {}))
    # when: FastAPI reads all three as JSON, the fast path only the first and the last
    answers = []
    for kind in ("application/json; charset=utf-8", "application/vnd.school+json", "application/json"):
        headers = {"Idempotency-Key": "one", "Content-Type": kind}
        answers.append(await gateway.ask("POST", "/v1/notifications", "staff", school, asker, headers, content=content))
    # then
    assert {answer.status_code for answer in answers} == {202}
    assert len({(answer.content, answer.headers["location"]) for answer in answers}) == 1
    assert [answer.headers["content-type"] for answer in answers] == ["application/json"] * 3
