"""What a 202 stands on."""

import uuid

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOWHERE = "amqp://guest:guest@127.0.0.1:1/"


async def test_rule_01_and_02_a_202_is_in_the_database_and_no_broker_was_asked(backing, gateway, serve):
    # given: a gateway whose broker is not there
    school = await gateway.add_school()
    person = await gateway.add_person(school)
    async with serve(backing, at_work=True, amqp_url=NOWHERE) as alone:
        assert "broker: away" in await alone.service.runtime.not_ready()
        # when
        body = {"type": "general", "title": "Hello", "body": "Made up.", "audience": {"people": [str(person)]}}
        answer = await alone.ask("POST", "/v1/notifications", "staff", school, uuid.uuid4(), json=body)
        # then
        assert answer.status_code == 202, answer.text
        told = answer.json()
        kept = "SELECT count(*) FROM outbox WHERE headers::jsonb ->> 'ce-taskid' = %s"
        assert await gateway.one(kept, (told["task_id"],)) >= 1
        assert await gateway.one("SELECT count(*) FROM intent WHERE task_id = %s", (told["task_id"],)) == 1
