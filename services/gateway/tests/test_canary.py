"""Sends to a few people first: both parts are accepted, approved and stopped together."""

import datetime as dt
import json
from uuid import uuid4

import pytest
import pytest_asyncio

from gateway.tasks.projection import project_tasks
from shared.events import TaskChanged
from shared.events.notifications import SEND_TASK

pytestmark = pytest.mark.asyncio(loop_scope="module")

DRAWN = [str(uuid4()) for _ in range(2)]
PREVIEW = {"people": 30, "channels": {}, "unreachable": 4, "unreachable_people": [], "drawn": DRAWN}
CANARY = {"count": 2, "after_minutes": 10}
BODY = {"type": "general", "title": "Demo", "body": "Made up", "audience": {"school": True}, "canary": CANARY}
SENT = "SELECT count(*) FROM intent WHERE school_id = %s"
EVENTS = "SELECT routing_key, data FROM outbox WHERE data LIKE %s ORDER BY position"


@pytest_asyncio.fixture(loop_scope="module")
async def school(gateway):
    return await gateway.add_school()


async def send(gateway, school, person=None, headers=None, **changes):
    path = f"/v1/notifications?school={school}"
    return await gateway.ask("POST", path, "staff", school, person or uuid4(), headers, json=BODY | changes)


async def events(gateway, ids):
    """The requests of both parts: to the notifier or the scheduler, by notification."""
    found = {}
    for notification in ids:
        for row in await gateway.rows(EVENTS, (f"%{notification}%",)):
            found.setdefault(notification, []).append((row["routing_key"], json.loads(row["data"])))
    return found


async def test_both_parts_are_accepted_in_one_commit_and_mean_each_person_once(gateway, owners, school):
    scripted = owners(notifier_POST=(200, PREVIEW))
    answer = await send(gateway, school)
    made = answer.json()
    assert answer.headers["location"] == f"/v1/tasks/{made['task_id']}"
    assert scripted.bodies[-1]["draw"] == 2
    first, rest = made["notification_id"], made["rest"]["notification_id"]
    assert await gateway.one(SENT, (school,)) == 2
    sent = await events(gateway, (first, rest))
    [(topic, now)] = [each for each in sent[first] if each[1].get("notification_id") == first]
    [(later_topic, later)] = [each for each in sent[rest] if each[1].get("schedule_id") == made["rest"]["schedule_id"]]
    assert (topic, later_topic) == ("notification.requested", "schedule.requested")
    assert now["audience"] | {"school": True, "only_people": DRAWN, "except_people": []} == now["audience"]
    payload = later["payload"]["audience"]
    assert payload | {"school": True, "except_people": DRAWN} == payload
    assert "only_people" not in payload
    assert now["group_id"] == later["payload"]["group_id"] == made["task_id"]
    due = dt.datetime.fromisoformat(later["rule"]["at"]) - dt.datetime.fromisoformat(now["requested_at"])
    assert dt.timedelta(minutes=9) < due < dt.timedelta(minutes=11)


async def test_the_second_part_of_a_later_send_is_so_many_minutes_after_the_first(gateway, owners, school):
    owners(notifier_POST=(200, PREVIEW))
    made = (await send(gateway, school, deliver_at="2035-01-08T08:00", timezone="Asia/Kolkata")).json()
    rows = await gateway.rows(EVENTS, (f"%{made['task_id']}%",))
    rules = [json.loads(row["data"])["rule"] for row in rows if row["routing_key"] == "schedule.requested"]
    assert [(rule["on"], rule["time"], rule["at"]) for rule in rules] == [
        ("2035-01-08", "08:00:00", None),
        (None, None, "2035-01-08T02:40:00Z"),
    ]


async def test_the_same_key_sends_both_parts_once_whoever_is_drawn(gateway, owners, school):
    asker, headers = uuid4(), {"Idempotency-Key": "canary"}
    answers = []
    for drawn in (DRAWN, [str(uuid4()), str(uuid4())]):
        owners(notifier_POST=(200, PREVIEW | {"drawn": drawn}))
        answers.append((await send(gateway, school, asker, headers)).json())
    assert answers[0] == answers[1]
    assert await gateway.one(SENT, (school,)) == 2
    other = await send(gateway, school, asker, headers, canary=CANARY | {"count": 1})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


@pytest.mark.parametrize(
    "changes",
    [
        {"repeat": {"kind": "calendar", "unit": "day", "time": "08:00", "starts": "2035-01-01"}},
        {"deliver_at": {"on": "2035-01-01", "time": "08:00"}},
        {"escalation": {}},
        {"canary": {"count": 0}},
        {"canary": {"count": 101}},
        {"canary": {"after_minutes": 0}},
    ],
    ids=lambda each: next(iter(each)),
)
async def test_a_canary_that_cannot_be_is_refused_and_nothing_is_sent(gateway, owners, school, changes):
    owners(notifier_POST=(200, PREVIEW))
    answer = await send(gateway, school, **changes)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert await gateway.one(SENT, (school,)) == 0


async def test_a_send_that_expires_before_its_second_part_is_refused_as_a_whole(gateway, owners, school):
    owners(notifier_POST=(200, PREVIEW))
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=5)
    answer = await send(gateway, school, expires_at=soon.isoformat())
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", "expires_at"])
    assert await gateway.one(SENT, (school,)) == 0


@pytest.mark.parametrize(
    "changes", [{"people": 2}, {"unreachable": 29}, {"drawn": DRAWN[:1]}], ids=["people", "unreachable", "drawn"]
)
async def test_an_audience_without_room_for_a_canary_is_refused(gateway, owners, school, changes):
    owners(notifier_POST=(200, PREVIEW | changes))
    answer = await send(gateway, school)
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", "canary"])
    assert await gateway.one(SENT, (school,)) == 0


async def test_one_approval_covers_both_parts(gateway, owners, school):
    owners(notifier_POST=(200, PREVIEW))
    await gateway.ask("PATCH", f"/v1/schools/{school}", json={"approval_above": 20})
    held = (await send(gateway, school)).json()
    assert held["state"] == "waiting_for_approval"
    path = f"/v1/approvals/{held['approval_id']}"
    shown = (await gateway.ask("GET", path, "staff", school)).json()["send"]["canary"]
    assert (shown["people"], shown["after_minutes"], shown["drawn"]) == (2, 10, DRAWN)
    assert await gateway.one(SENT, (school,)) == 0
    made = (await gateway.ask("POST", f"{path}/approve", "staff", school, uuid4())).json()
    assert await gateway.one(SENT, (school,)) == 2
    owners(notifier_GET=(404, {}))
    read = (await gateway.ask("GET", f"/v1/notifications/{made['notification_id']}", "staff", school)).json()
    assert read["canary"]["first"] == made["notification_id"] != read["canary"]["rest"]


STOPS = [
    # what is stopped, whether the first part has ended, and the parts whose owner is asked by an event
    ("first", False, {"rest"}),
    ("first", True, {"rest"}),
    ("rest", False, {"first"}),
    ("rest", True, set()),
    ("schedule", False, {"first"}),
    ("first task", False, {"first", "rest"}),
    ("first task", True, {"rest"}),
    ("rest task", False, {"first", "rest"}),
    ("whole task", False, {"first", "rest"}),
    ("whole task", True, {"rest"}),
]


@pytest.mark.parametrize(("stopped", "ended", "asked"), STOPS)
async def test_a_stop_of_either_part_stops_both(gateway, owners, school, admin, stopped, ended, asked):
    owners(notifier_POST=(200, PREVIEW))
    made = (await send(gateway, school)).json()
    first, rest = made["notification_id"], made["rest"]["notification_id"]
    rows = await gateway.rows("SELECT notification_id::text, task_id::text FROM intent WHERE school_id = %s", (school,))
    tasks = {row["notification_id"]: row["task_id"] for row in rows}
    if ended:
        admin.execute("UPDATE gateway.task SET state = 'succeeded' WHERE task_id = %s", (tasks[first],))
    done = (200, {"state": "cancelled", "stopped": True, "cancelled": 1})
    late = (409, {"detail": {"code": "too_late", "state": "completed"}})
    owners(notifier_POST=late if ended else done, scheduler_DELETE=done)
    paths = {
        "first": ("POST", f"/v1/notifications/{first}/cancel"),
        "rest": ("POST", f"/v1/notifications/{rest}/cancel"),
        "schedule": ("DELETE", f"/v1/schedules/{tasks[rest]}"),
        "first task": ("POST", f"/v1/tasks/{tasks[first]}/cancel"),
        "rest task": ("POST", f"/v1/tasks/{tasks[rest]}/cancel"),
        "whole task": ("POST", f"/v1/tasks/{made['task_id']}/cancel"),
    }
    for _ in range(2):  # stopped twice it is stopped once
        answer = await gateway.ask(*paths[stopped], "school_admin", school, uuid4())
        assert answer.status_code in (200, 202), answer.text
    query = "SELECT data FROM outbox WHERE routing_key = 'task.cancel_requested' AND data LIKE %s"
    requests = await gateway.rows(query, (f"%{school}%",))
    assert {json.loads(row["data"])["task_id"] for row in requests} == {tasks[made_id(made, part)] for part in asked}


CANCELS = "SELECT count(*) FROM outbox WHERE routing_key = 'task.cancel_requested' AND data LIKE %s"


async def test_a_schedule_whose_version_is_not_current_stops_neither_part(gateway, owners, school):
    owners(notifier_POST=(200, PREVIEW), scheduler_DELETE=(412, {"detail": {"code": "stale", "version": 2}}))
    made = (await send(gateway, school)).json()
    path = f"/v1/schedules/{made['rest']['schedule_id']}"
    answer = await gateway.ask("DELETE", path, "school_admin", school, uuid4(), {"If-Match": '"1"'})
    assert answer.status_code == 412
    assert await gateway.one(CANCELS, (f"%{school}%",)) == 0


async def test_the_audience_of_the_second_part_is_fixed_and_its_text_is_not(gateway, owners, school):
    scripted = owners(notifier_POST=(200, PREVIEW), scheduler_PATCH=(200, {"state": "active"}))
    made = (await send(gateway, school)).json()
    path = f"/v1/schedules/{made['rest']['schedule_id']}"
    refused = await gateway.ask("PATCH", path, "school_admin", school, uuid4(), json={"audience": {"grade": "07"}})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    changed = await gateway.ask("PATCH", path, "school_admin", school, uuid4(), json={"title": "Other"})
    assert changed.status_code == 200
    assert scripted.bodies[-1]["payload"] == {"title": "Other"}


def made_id(made, part):
    return made["notification_id"] if part == "first" else made["rest"]["notification_id"]


async def test_the_task_of_both_parts_is_cancelled_when_one_of_them_was(gateway, owners, school):
    owners(notifier_POST=(200, PREVIEW))
    made = (await send(gateway, school)).json()
    query = "SELECT task_id FROM intent WHERE notification_id = %s"
    first = await gateway.one(query, (made["notification_id"],))
    path = f"/v1/tasks/{made['task_id']}"
    for task, state, whole in ((first, "succeeded", "running"), (made["rest"]["task_id"], "cancelled", "cancelled")):
        now = dt.datetime.now(dt.UTC)
        fact = TaskChanged(task_id=task, school_id=school, kind=SEND_TASK, state=state, version=1, changed_at=now)
        async with gateway.service.transactions.begin() as tx:
            await project_tasks([fact], tx)
        shown = (await gateway.ask("GET", path, "staff", school)).json()
        assert shown["state"] == whole
    assert shown["result"] == {"parts": 2, "succeeded": 1, "failed": 0, "cancelled": 1}
