"""What is accepted is accepted once and whole; what is refused leaves nothing behind."""

import asyncio
import datetime as dt
import json
from uuid import uuid4

import pytest

from gateway.accounts import accounts
from gateway.http import idempotency

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY = {"type": "general", "title": "Closed", "body": "Snow", "audience": {"school": True}}
LEFT = """
SELECT (SELECT count(*) FROM task WHERE school_id = %(school)s) AS tasks,
       (SELECT count(*) FROM intent WHERE school_id = %(school)s) AS intents,
       (SELECT count(*) FROM idempotency_key WHERE school_id = %(school)s) AS keys,
       (SELECT count(*) FROM outbox WHERE data::jsonb ->> 'school_id' = %(school)s::text) AS facts
"""
NOTHING = {"tasks": 0, "intents": 0, "keys": 0, "facts": 0}


async def left(gateway, school):
    (row,) = await gateway.rows(LEFT, {"school": school})
    return row


async def send(gateway, school, body, key=None, person=None):
    headers = {"Idempotency-Key": key} if key else {}
    return await gateway.ask("POST", "/v1/notifications", "staff", school, person, headers, json=body)


async def test_promise_08_one_hundred_concurrent_requests_with_one_key_are_one_task(gateway):
    # given
    school, person, key = await gateway.add_school(), uuid4(), uuid4().hex
    # when
    answers = await asyncio.gather(*(send(gateway, school, BODY, key, person) for _ in range(100)))
    # then
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert await left(gateway, school) == {"tasks": 1, "intents": 1, "keys": 1, "facts": 1}
    # when
    other = await send(gateway, school, BODY | {"title": "Open"}, key, person)
    # then
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert await left(gateway, school) == {"tasks": 1, "intents": 1, "keys": 1, "facts": 1}


async def test_promise_08_of_different_bodies_under_one_key_one_wins(gateway):
    school, person, key = await gateway.add_school(), uuid4(), uuid4().hex
    # when
    bodies = [BODY | {"title": f"Closed {number}"} for number in range(20)]
    answers = await asyncio.gather(*(send(gateway, school, body, key, person) for body in bodies))
    # then
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 19
    assert await left(gateway, school) == {"tasks": 1, "intents": 1, "keys": 1, "facts": 1}


async def test_promise_08_a_key_belongs_to_who_used_it_where(gateway):
    key, person = uuid4().hex, uuid4()
    first, second = await gateway.add_school(), await gateway.add_school()
    answers = [
        await send(gateway, first, BODY, key, person),
        await send(gateway, first, BODY, key, uuid4()),
        await send(gateway, second, BODY, key, person),
    ]
    assert len({answer.json()["task_id"] for answer in answers}) == 3


async def test_promise_08_a_refused_request_does_not_use_its_key_up(gateway):
    school, person, key = await gateway.add_school(), uuid4(), uuid4().hex
    refused = await send(gateway, school, BODY | {"audience": {"people": [str(uuid4())]}}, key, person)
    assert refused.status_code == 422
    assert (await send(gateway, school, BODY, key, person)).status_code == 202


async def test_promise_08_an_answer_stays_the_same_after_the_request_has_expired(gateway):
    school, person, key = await gateway.add_school(), uuid4(), uuid4().hex
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(milliseconds=300)
    body = BODY | {"expires_at": soon.isoformat()}
    first = await send(gateway, school, body, key, person)
    assert first.status_code == 202
    while dt.datetime.now(dt.UTC) <= soon:
        await asyncio.sleep(0.02)
    # when
    again = await send(gateway, school, body, key, person)
    # then
    assert (again.status_code, again.content) == (202, first.content)


async def test_keys_are_remembered_for_a_week_and_invitations_until_they_are_over(gateway):
    # given
    school, person = await gateway.add_school(), uuid4()
    old, new = uuid4().hex, uuid4().hex
    for key in (old, new):
        assert (await send(gateway, school, BODY, key, person)).status_code == 202
    guest = await gateway.add_person(school)
    for _ in range(2):
        await gateway.ask("POST", f"/v1/people/{guest}/invitations")
    async with gateway.service.transactions.begin() as tx:
        await tx.execute("UPDATE idempotency_key SET created_at = now() - interval '8 days' WHERE key = %s", (old,))
        (first, _) = await tx.rows("SELECT hash FROM invitation WHERE person_id = %s", (guest,))
        past = "UPDATE invitation SET expires_at = now() - interval '31 days' WHERE hash = %s"
        await tx.execute(past, (first["hash"],))
    # when
    await idempotency.forget_keys(gateway.service.transactions)
    await accounts.forget_invitations(gateway.service.transactions)
    # then
    kept = await gateway.rows("SELECT key FROM idempotency_key WHERE school_id = %s", (school,))
    assert [row["key"] for row in kept] == [new]
    assert await gateway.one("SELECT count(*) FROM invitation WHERE person_id = %s", (guest,)) == 1


async def test_promise_01_accepted_is_task_intent_and_fact(gateway):
    school, asker = await gateway.add_school(), uuid4()
    person = await gateway.add_person(school)
    body = BODY | {"audience": {"people": [str(person), str(person)]}, "data": {"room": "7b"}}
    # when
    answer = await send(gateway, school, body, person=asker)
    # then
    assert (answer.status_code, answer.json()["state"]) == (202, "accepted")
    task = (await gateway.ask("GET", answer.headers["location"], "staff", school, asker)).json()
    assert (task["id"], task["state"], task["kind"]) == (answer.json()["task_id"], "accepted", "notification.send")
    (row,) = await gateway.rows("SELECT data FROM outbox WHERE data::jsonb ->> 'school_id' = %s", (str(school),))
    fact = json.loads(row["data"])
    assert fact["notification_id"] == answer.json()["notification_id"]
    assert (fact["audience"]["people"], fact["data"]) == ([str(person)], {"room": "7b"})
    assert fact["requested_by"] == str(asker)


async def test_seed_22_every_unknown_or_foreign_id_is_listed_and_nothing_is_half_done(gateway):
    # given
    school, other = await gateway.add_school(), await gateway.add_school()
    known = [str(await gateway.add_person(school)) for _ in range(3)]
    foreign = str(await gateway.add_person(other))
    unknown = [str(uuid4()) for _ in range(4)]
    people = [unknown[0], *known, foreign, *unknown[1:]]
    # when
    answer = await send(gateway, school, BODY | {"audience": {"people": people}}, key=uuid4().hex)
    # then
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_people")
    assert sorted(answer.json()["people"]) == sorted([foreign, *unknown])
    assert await left(gateway, school) == NOTHING
    assert await left(gateway, other) == NOTHING


async def test_seed_22_the_group_cannot_send_to_a_school_that_is_not_there(gateway):
    for name in (str(uuid4()), "school-nowhere"):
        answer = await gateway.ask("POST", "/v1/notifications", json=BODY | {"school": name})
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_school")


CREATED = {
    "/v1/schools": ({"name": "Linden", "timezone": "UTC"}, "school"),
    "/v1/people": ({"given_name": "Ada", "family_name": "Demo", "memberships": [{"role": "staff"}]}, "person"),
    "/v1/classes": ({"title": "7a"}, "school_class"),
}


@pytest.mark.parametrize("path", CREATED)
async def test_promise_08_what_is_created_under_one_key_is_there_once(gateway, path):
    # given
    body, table = CREATED[path]
    school, person = await gateway.add_school(), uuid4()

    async def create(key, **changes):
        headers = {"Idempotency-Key": key}
        return await gateway.ask("POST", path, "platform_admin", school, person, headers, json=body | changes)

    before = await gateway.one(f"SELECT count(*) FROM {table}")
    # when
    answers = await asyncio.gather(*(create("one") for _ in range(10)))
    other = await create("one", sourced_id="another")
    # then
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert await gateway.one(f"SELECT count(*) FROM {table}") == before + 1
