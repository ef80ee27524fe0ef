"""A roster that a program sends: it makes no administrators until a person has confirmed it."""

import json
from uuid import uuid4

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

TASK = "SELECT data FROM outbox WHERE routing_key = 'task.changed' AND data::jsonb ->> 'task_id' = %s ORDER BY position"
ROLES = """
SELECT o.sourced_id || ' ' || m.role AS place FROM current_membership m JOIN school o USING (school_id)
JOIN person p USING (person_id) WHERE p.sourced_id = %s ORDER BY 1
"""
ZIP = {"Content-Type": "application/zip"}


@pytest.fixture
def program(gateway):
    """Sends a request as a program of the group that may import."""

    async def send(method, path, **more):
        wish = {"name": "Student system", "role": "platform_admin", "scopes": ["imports:write"]}
        key = (await gateway.ask("POST", "/v1/keys", person=uuid4(), json=wish)).json()
        signed = {"Authorization": f"Bearer {key['secret']}"} | more.pop("headers", {})
        return await gateway.client.request(method, path, headers=signed, **more)

    return send


async def sent(send, content, path="/v1/imports/oneroster"):
    answer = await send("POST", path, content=content, headers=ZIP)
    assert answer.status_code == 202, answer.text
    return answer.json()["task_id"]


async def fact(gateway, task):
    await gateway.run_import(task)
    return json.loads((await gateway.rows(TASK, (str(task),)))[-1]["data"])


async def places(gateway, name):
    return [row["place"] for row in await gateway.rows(ROLES, (name,))]


def office(person, s, role="administrator"):
    return [person(f"{s}-head", s, role), person(f"{s}-teacher", s, "teacher")]


@pytest.mark.parametrize("known", [False, True], ids=["new person", "teacher before"])
async def test_a_program_makes_an_administrator_only_after_a_person_has_confirmed(
    gateway, roster, person, program, known
):
    s = f"keyed-{known}".lower()
    if known:
        await fact(gateway, await sent(program, roster([s], office(person, s, "teacher"))))
    before = await places(gateway, f"{s}-head")
    content = roster([s], office(person, s))
    named = {"would_make_administrators": [{"person": f"{s}-head", "school": s}], "administrators": 1}
    # when: a dry run shows it
    tried = await fact(gateway, await sent(program, content, "/v1/imports/oneroster?dry_run=true"))
    assert tried["result"].items() >= (named | {"would_wait": True}).items()
    # when
    task = await sent(program, roster([s], office(person, s)))
    waiting = await fact(gateway, task)
    # then
    assert (waiting["state"], waiting["result"].items() >= named.items()) == ("queued", True)
    assert await places(gateway, f"{s}-head") == before
    assert (await program("POST", f"/v1/imports/{task}/confirm")).status_code == 403
    # when
    assert (await gateway.ask("POST", f"/v1/imports/{task}/confirm")).status_code == 200
    assert (await fact(gateway, task))["state"] == "succeeded"
    # then: who administers already needs no second confirmation
    assert await places(gateway, f"{s}-head") == [f"{s} school_admin"]
    again = await fact(gateway, await sent(program, roster([s], office(person, s))))
    assert again["state"] == "succeeded"


async def test_a_role_row_of_a_delta_waits_as_well(gateway, roster, person, program):
    s = "keyed-delta"
    kept = {"sourcedId": f"{s}-t", "userSourcedId": f"{s}-teacher", "roleType": "primary", "role": "teacher"}
    people = [person(f"{s}-teacher", s, "teacher")]
    await fact(gateway, await sent(program, roster([s], people, version="1.2", roles=[kept | {"orgSourcedId": s}])))
    more = kept | {"sourcedId": f"{s}-p", "role": "principal", "orgSourcedId": s}
    # when
    task = await sent(program, roster([], people, version="1.2", mode="delta", roles=[more]))
    # then
    waiting = await fact(gateway, task)
    assert (waiting["state"], waiting["result"].get("administrators")) == ("queued", 1)


async def test_a_person_who_imports_makes_administrators_at_once(gateway, roster, person):
    s = "signed"
    task = await sent(gateway.ask, roster([s], office(person, s)))
    assert (await fact(gateway, task))["state"] == "succeeded"
    assert await places(gateway, f"{s}-head") == [f"{s} school_admin"]
