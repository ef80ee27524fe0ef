"""The timeline of a task tells what happened for it, from the log."""

import datetime as dt
import time
from dataclasses import replace
from uuid import uuid4

import pytest

from shared.events import Envelope, NotificationRequested, SchoolChanged, TaskChanged
from shared.testing.fixtures import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY = {"type": "general", "title": "Closed", "body": "Snow", "audience": {"school": True}}


async def test_a_timeline_shows_the_events_of_a_task_in_order_with_their_service_and_time(live):
    # given: a send, and what its owner says of the task
    school, person = await live.add_school(), uuid4()
    sent = (await live.ask("POST", "/v1/notifications", "staff", school, person, json=BODY)).json()
    task = sent["task_id"]
    now = dt.datetime.now(dt.UTC)
    async with live.service.transactions.begin() as tx:
        facts = {"task_id": task, "school_id": school, "kind": "notification", "changed_at": now}
        tx.emit(TaskChanged(state="succeeded", version=7, **facts))
    await eventually(lambda: live.ask("GET", f"/v1/tasks/{task}"), lambda a: a.json()["state"] == "succeeded")
    # when
    path = f"/v1/tasks/{task}/timeline"
    answer = await live.ask("GET", path, "staff", school)
    # then
    assert answer.status_code == 200, answer.text
    found = answer.json()
    steps = [(each["type"], each["service"], each["state"]) for each in found["steps"]]
    assert (NotificationRequested.topic, "gateway", None) in steps
    assert (TaskChanged.topic, "gateway", "succeeded") in steps
    assert found["complete"] is True
    assert "Attempts and seconds" in found["notes"][0]
    assert "Snow" not in answer.text
    # and another school does not see it
    assert (await live.ask("GET", path, "staff", await live.add_school())).status_code == 404


async def test_a_timeline_shows_nothing_of_another_school_with_the_same_cause(live):
    # given: one cause, and a task of each of two schools that follows from it
    ours, others = await live.add_school(), await live.add_school()
    cause = Envelope.of(SchoolChanged(school_id=ours, name="North", timezone="UTC", version=1), "test")
    tasks = {school: uuid4() for school in (ours, others)}
    async with live.service.transactions.begin(replace(cause, school_id=None)) as tx:
        for school, task in tasks.items():
            facts = {"task_id": task, "school_id": school, "kind": "report", "changed_at": dt.datetime.now(dt.UTC)}
            tx.emit(TaskChanged(state="queued", version=1, **facts))
    path = f"/v1/tasks/{tasks[ours]}"
    await eventually(lambda: live.ask("GET", path, "staff", ours), lambda answer: answer.status_code == 200)
    # when
    steps = (await live.ask("GET", f"{path}/timeline", "staff", ours)).json()["steps"]
    # then
    assert [each["subject"] for each in steps] == [str(tasks[ours])]


async def test_a_timeline_shows_how_often_and_how_long_a_reaction_tried(live):
    # given: a reaction that failed twice, and then ran for more than a minute
    school, task = await live.add_school(), uuid4()
    fact = SchoolChanged(school_id=school, name="North", timezone="UTC", version=1)
    cause = replace(Envelope.of(fact, "test"), attempt=2)
    async with live.service.transactions.handle("test", [cause]) as units:
        tx = units.pop(cause.id)
        tx.began = time.monotonic() - 61
        facts = {"task_id": task, "school_id": school, "kind": "report", "changed_at": dt.datetime.now(dt.UTC)}
        tx.emit(TaskChanged(state="queued", version=1, **facts))
    path = f"/v1/tasks/{task}"
    await eventually(lambda: live.ask("GET", path, "staff", school), lambda answer: answer.status_code == 200)
    # when
    (step,) = (await live.ask("GET", f"{path}/timeline", "staff", school)).json()["steps"]
    # then
    assert (step["attempt"], step["handler_seconds"] >= 61) == (3, True)
