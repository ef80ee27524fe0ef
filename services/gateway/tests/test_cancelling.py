"""A task is asked to stop: told once, by those who may, and decided by its owner."""

from uuid import uuid4

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOLD = "SELECT count(*) FROM outbox WHERE routing_key = 'task.cancel_requested' AND data::jsonb ->> 'task_id' = %s"


async def add_task(gateway, school, state="running", person=None, kind="notification.send"):
    task = uuid4()
    query = "INSERT INTO task (task_id, school_id, kind, state, created_by) VALUES (%s, %s, %s, %s, %s)"
    async with gateway.service.transactions.begin() as tx:
        await tx.execute(query, (task, school, kind, state, person))
    return task


async def cancel(gateway, task, role="school_admin", school=None, person=None):
    return await gateway.ask("POST", f"/v1/tasks/{task}/cancel", role, school, person)


async def test_a_running_task_is_asked_to_stop_once(gateway):
    # given
    school = await gateway.add_school()
    task = await add_task(gateway, school)
    # when
    answers = [await cancel(gateway, task, school=school) for _ in range(3)]
    # then
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["cancel_requested_at"] for answer in answers}) == 1
    assert await gateway.one(TOLD, (str(task),)) == 1


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
async def test_what_has_ended_is_too_late(gateway, state):
    school = await gateway.add_school()
    task = await add_task(gateway, school, state)
    answer = await cancel(gateway, task, school=school)
    assert (answer.status_code, answer.json()["code"]) == (409, "too_late")
    assert await gateway.one(TOLD, (str(task),)) == 0


async def test_another_schools_task_does_not_exist(gateway):
    school, other = await gateway.add_school(), await gateway.add_school()
    task = await add_task(gateway, other)
    for name in (task, uuid4()):
        answer = await cancel(gateway, name, school=school)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert await gateway.one(TOLD, (str(task),)) == 0


async def test_a_teacher_cancels_only_what_they_asked_for(gateway):
    school, teacher = await gateway.add_school(), uuid4()
    mine = await add_task(gateway, school, person=teacher)
    theirs = await add_task(gateway, school, person=uuid4())
    assert (await cancel(gateway, mine, "teacher", school, teacher)).status_code == 202
    assert (await cancel(gateway, theirs, "teacher", school, teacher)).status_code == 403
