"""What the gateway makes of runs that the scheduler tells: sends that can be looked up, results that expire."""

import datetime as dt
from uuid import uuid4

import pytest
from uuid_utils.compat import uuid7

from gateway.tasks import projection, retention
from shared.events import NotificationDue, TasksExpiryDue

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOON = dt.datetime.now(dt.UTC) + dt.timedelta(hours=2)


async def test_a_run_of_a_schedule_can_be_looked_up_like_any_send(gateway):
    school = await gateway.add_school()
    # given
    ids = {name: uuid7() for name in ("schedule_id", "notification_id", "task_id")}
    moment = {"directory_version": 1, "requested_at": SOON, "due_at": SOON}
    due = NotificationDue(
        **ids, **moment, school_id=school, kind="general", audience={"school": True}, channels=("inbox",)
    )
    # when: told twice
    for _ in range(2):
        async with gateway.service.transactions.begin() as tx:
            await projection.record_scheduled_run(due, tx)
    # then
    found = await gateway.rows("SELECT * FROM intent WHERE notification_id = %s", (ids["notification_id"],))
    assert [(row["school_id"], row["task_id"]) for row in found] == [(school, ids["task_id"])]


async def test_results_of_tasks_expire_and_say_how_many_they_were(gateway):
    school = await gateway.add_school()
    # given
    old, new, open_ = uuid7(), uuid7(), uuid7()
    for task, state, days in ((old, "succeeded", 31), (new, "failed", 29), (open_, "running", 90)):
        await gateway.rows(
            "INSERT INTO task (task_id, school_id, kind, state, result, changed_at) VALUES (%s, %s, 'demo', %s, '{}',"
            " clock_timestamp() - make_interval(days => %s)) RETURNING task_id",
            (task, school, state, days),
        )
    event = TasksExpiryDue(schedule_id=uuid4(), task_id=uuid7(), due_at=SOON)
    # when
    async with gateway.service.transactions.begin() as tx:
        await retention.expire_results(event, tx, 30)
    # then
    left = await gateway.rows("SELECT task_id FROM task WHERE school_id = %s AND result IS NOT NULL", (school,))
    assert {row["task_id"] for row in left} == {new, open_}
    rows = await gateway.rows("SELECT data::jsonb AS data FROM outbox WHERE routing_key = 'task.changed'")
    (told,) = [row["data"] for row in rows if row["data"]["task_id"] == str(event.task_id)]
    assert (told["state"], told["result"]["expired"] >= 1) == ("succeeded", True)
