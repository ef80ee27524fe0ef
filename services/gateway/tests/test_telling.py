"""Asking for words by template, for somebody who must be reached, and for what became of one person."""

import json
from uuid import uuid4

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKED = "SELECT data FROM outbox WHERE routing_key = 'notification.requested' AND data LIKE %s"
WORDS = {"title": "Trip", "body": "Bring boots"}
BY_TEMPLATE = {"template": "report_ready", "variables": {"report": "Marks", "period": ""}}


async def send(gateway, school, **changes):
    body = {"type": "general", "audience": {"school": True}} | changes
    return await gateway.ask("POST", "/v1/notifications", "staff", school, uuid4(), json=body)


async def asked(gateway, answer):
    rows = await gateway.rows(ASKED, (f"%{answer.json()['notification_id']}%",))
    return json.loads(rows[0]["data"])


async def test_a_template_and_its_variables_reach_the_notifier(gateway):
    answer = await send(gateway, await gateway.add_school(), **BY_TEMPLATE)
    assert answer.status_code == 202
    event = await asked(gateway, answer)
    assert (event["template"], event["variables"], event["title"]) == ("report_ready", BY_TEMPLATE["variables"], "")


async def test_who_must_be_reached_reaches_the_notifier(gateway):
    escalation = {"after_minutes": 5, "steps": ["mail", "office"], "deadline": "2030-01-01T08:00:00+01:00"}
    answer = await send(gateway, await gateway.add_school(), **WORDS, escalation=escalation)
    event = await asked(gateway, answer)
    assert event["escalation"] == escalation | {"deadline": "2030-01-01T07:00:00Z"}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"title": "Trip"},
        WORDS | BY_TEMPLATE,
        WORDS | {"variables": {"a": "b"}},
        {"template": "Not a name"},
        BY_TEMPLATE | {"variables": {"report": 7}},
        WORDS | {"data": {"a": "ü" * 1000}},
        WORDS | {"escalation": {"steps": []}},
        WORDS | {"escalation": {"steps": ["telegram"]}},
        WORDS | {"escalation": {"after_minutes": 0}},
    ],
)
async def test_what_would_say_nothing_or_too_much_is_refused(gateway, changes):
    answer = await send(gateway, await gateway.add_school(), **changes)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


@pytest.mark.parametrize("value", [7, True, None, {"a": "b"}])
async def test_seed_12_data_that_is_no_string_is_refused(gateway, value):
    answer = await send(gateway, await gateway.add_school(), **WORDS, data={"trip": value})
    assert answer.status_code == 422


async def test_only_staff_ask_why_for_others(gateway):
    school, guardian, other = await gateway.add_school(), uuid4(), uuid4()
    path = f"/v1/notifications/{uuid4()}/why"
    assert (await gateway.ask("GET", f"{path}/{other}", "guardian", school, guardian)).status_code == 404
    # the notifier is away here: that it would be asked is what these see
    assert (await gateway.ask("GET", f"{path}/{guardian}", "guardian", school, guardian)).status_code == 503
    assert (await gateway.ask("GET", f"{path}/{other}", "teacher", school, uuid4())).status_code == 503


async def test_what_belongs_to_no_person_has_no_inbox(gateway):
    school = await gateway.add_school()
    answer = await gateway.ask("GET", "/v1/me/inbox", "staff", school, None)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
