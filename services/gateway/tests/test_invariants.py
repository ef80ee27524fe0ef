"""Promise 1 at the door: what was accepted and never heard of again is counted."""

from uuid import uuid4

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGE = "UPDATE intent SET created_at = now() - interval '1 hour' WHERE school_id = %s RETURNING task_id"
BODY = {"type": "general", "title": "Closed", "body": "Snow", "audience": {"school": True}}


async def violations(gateway):
    return (await gateway.service.invariant_checker.count())["intent_unheard"]


async def test_promise_01_an_intent_that_no_service_answered_is_counted(gateway):
    # given
    school = await gateway.add_school()
    assert (await gateway.ask("POST", "/v1/notifications", "staff", school, uuid4(), json=BODY)).status_code == 202
    assert await violations(gateway) == 0
    # when
    task = await gateway.one(AGE, (school,))
    # then
    assert await violations(gateway) == 1
    assert gateway.service.metrics.violations.labels("intent_unheard")._value.get() == 1
    # when its owner says a word
    await gateway.one("UPDATE task SET state = 'running' WHERE task_id = %s RETURNING task_id", (task,))
    assert await violations(gateway) == 0


async def test_an_import_that_ended_while_its_task_did_not_is_counted(gateway, roster):
    task = await gateway.open_import(roster(["nowhere"], []))
    query = "INSERT INTO task (task_id, kind, state) VALUES (%s, 'import.oneroster', 'running') RETURNING task_id"
    await gateway.one(query, (task,))
    assert (await gateway.service.invariant_checker.count())["import_left_open"] == 0
    query = "UPDATE import_job SET finished_at = now() - interval '1 hour' WHERE task_id = %s RETURNING task_id"
    await gateway.one(query, (task,))
    assert (await gateway.service.invariant_checker.count())["import_left_open"] == 1
    await gateway.one("UPDATE task SET state = 'succeeded' WHERE task_id = %s RETURNING task_id", (task,))
