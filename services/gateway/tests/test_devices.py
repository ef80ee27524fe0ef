"""A device belongs to whoever registered it last, and everybody who gained or lost one is told of."""

import asyncio
import json
from uuid import uuid4

import pytest

from gateway.directory import devices

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOLD = """
SELECT data FROM outbox WHERE routing_key = 'person.changed' AND data::jsonb ->> 'person_id' = %s
ORDER BY (data::jsonb ->> 'version')::int
"""
BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'gateway%' AND wait_event_type = 'Lock'"
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


def device(person, token, platform="web"):
    return {"token": token, "platform": platform, "person": {"sourced_id": f"person-{person}"}}


async def told(gateway, person):
    """Tokens of each state of a person that was emitted, oldest first."""
    facts = [json.loads(row["data"]) for row in await gateway.rows(TOLD, (str(person),))]
    return [sorted(each["token"] for each in fact["devices"]) for fact in facts]


async def owner(gateway, token):
    return await gateway.one("SELECT person_id FROM device WHERE token = %s", (token,))


async def test_a_token_that_another_person_registers_moves_and_both_changes_are_published(gateway):
    # given
    school, token = await gateway.add_school(), uuid4().hex
    ada, bo = await gateway.add_person(school), await gateway.add_person(school)
    body = {"token": token, "platform": "android"}
    assert (await gateway.ask("PUT", "/v1/me/devices", "guardian", school, ada, json=body)).json() == {"registered": 1}
    # when
    assert (await gateway.ask("PUT", "/v1/me/devices", "guardian", school, bo, json=body)).json() == {"registered": 1}
    # then
    assert await owner(gateway, token) == bo
    assert await told(gateway, ada) == [[token], []]
    assert await told(gateway, bo) == [[token]]


async def test_of_two_owners_in_one_request_the_last_has_the_token(gateway):
    school, token = await gateway.add_school(), uuid4().hex
    people = [await gateway.add_person(school) for _ in range(5)]
    # when
    answer = await gateway.ask("POST", "/v1/devices:bulk", json={"devices": [device(p, token) for p in people]})
    # then
    assert answer.json() == {"registered": 1}
    assert await owner(gateway, token) == people[-1]
    assert [(await told(gateway, person))[-1] for person in people] == [[], [], [], [], [token]]


async def test_a_person_has_a_limited_number_of_devices(gateway):
    """Each of them is called with every notification."""
    school, name = await gateway.add_school(), uuid4().hex
    ada, bo = await gateway.add_person(school), await gateway.add_person(school)
    tokens = [f"{name}-{n:02}" for n in range(devices.MOST + 2)]
    # when
    await gateway.ask("POST", "/v1/devices:bulk", json={"devices": [device(bo, f"{name}-bo")]})
    for token in tokens:
        body = {"token": token, "platform": "android"}
        assert (await gateway.ask("PUT", "/v1/me/devices", "guardian", school, ada, json=body)).status_code == 200
    # then
    assert (await told(gateway, ada))[-1] == tokens[2:]
    assert await owner(gateway, f"{name}-bo") == bo


async def test_seed_22_unknown_owners_are_listed_and_no_device_is_registered(gateway):
    school, token, unknown = await gateway.add_school(), uuid4().hex, uuid4()
    ada = await gateway.add_person(school)
    # when
    answer = await gateway.ask(
        "POST", "/v1/devices:bulk", json={"devices": [device(ada, token), device(unknown, f"{token}2")]}
    )
    # then
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_people")
    assert answer.json()["people"] == [f"person-{unknown}"]
    assert await told(gateway, ada) == []
    assert await gateway.one("SELECT count(*) FROM device WHERE token LIKE %s", (f"{token}%",)) == 0


async def test_a_token_registered_again_while_its_first_registration_commits_leaves_its_first_owner(
    gateway, admin, backing
):
    """The loser of a race must be told of as well: else two people's messages go to one device."""
    # given
    school, token = await gateway.add_school(), uuid4().hex
    ada, bo = await gateway.add_person(school), await gateway.add_person(school)
    wanted = {"token": token, "fid": None, "platform": "web"}

    async def take(person):
        async with gateway.service.transactions.begin() as tx:
            await devices.register(tx, [person], [wanted])

    # when
    async with gateway.service.transactions.begin() as tx, asyncio.timeout(10):
        await devices.register(tx, [ada], [wanted])
        second = asyncio.create_task(take(bo))
        while admin.execute(BLOCKED).fetchone()[0] == 0:
            await asyncio.sleep(0.02)
    await second
    # then
    assert await owner(gateway, token) == bo
    assert (await told(gateway, bo))[-1] == [token]
    assert (await told(gateway, ada))[-1] == []


async def test_many_registrations_of_the_same_people_at_once_all_succeed(gateway):
    school = await gateway.add_school()
    people = [await gateway.add_person(school) for _ in range(60)]
    tokens = [uuid4().hex for _ in people]
    before = await gateway.one(DEADLOCKS)

    def body(number):
        order = list(range(len(people)))
        if number % 2:
            order.reverse()
        return {"devices": [device(people[(n + number) % len(people)], tokens[n]) for n in order]}

    # when
    answers = await asyncio.gather(*(gateway.ask("POST", "/v1/devices:bulk", json=body(number)) for number in range(8)))
    # then
    assert [answer.status_code for answer in answers] == [200] * 8
    assert await gateway.one(DEADLOCKS) == before
    for person in people:
        rows = await gateway.rows("SELECT token FROM device WHERE person_id = %s", (person,))
        assert (await told(gateway, person))[-1] == sorted(row["token"] for row in rows)
