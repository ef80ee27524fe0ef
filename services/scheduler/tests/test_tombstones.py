"""Decisions before the request of a schedule: they are answered, leave a tombstone, and are applied later."""

import datetime as dt

import pytest
import pytest_asyncio
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from scheduler import handlers
from shared.errors import Reject
from shared.events import NotificationDue
from shared.events.schedule_rules import CronRule, OnceRule

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR = dt.timedelta(hours=1)
NOON = {"kind": "cron", "expression": "0 12 * * mon"}


@pytest_asyncio.fixture(loop_scope="module")
async def school(scheduler):
    return await scheduler.school()


async def arrive(scheduler, event):
    async with scheduler.service.transactions.begin() as tx:
        await handlers.register(event, tx)


async def once(scheduler, school, hours=1, **changes):
    """A request that the scheduler has not received yet."""
    return scheduler.request(OnceRule(at=await scheduler.now() + hours * HOUR), school, **changes)


async def decide(scheduler, event, school, method, path="", **more):
    answer = await scheduler.ask(method, f"/{event.schedule_id}{path}", school, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()["state"]


@pytest.mark.parametrize(("verb", "state"), [("DELETE", "cancelled"), ("POST", "paused")])
async def test_cancel_or_pause_before_the_request_is_applied(scheduler, school, verb, state):
    # given: due immediately
    event = await once(scheduler, school, hours=0)
    # when
    assert await decide(scheduler, event, school, verb, "/pause" if verb == "POST" else "") == state
    assert (await scheduler.ask("GET", f"/{event.schedule_id}", school)).status_code == 404
    await arrive(scheduler, event)
    # then
    await scheduler.fire_due()
    assert await scheduler.published(event.schedule_id) == []
    seen = await scheduler.ask("GET", f"/{event.schedule_id}", school)
    assert seen.json()["state"] == state
    assert len(await scheduler.published(event.payload["task_id"], "task.changed", "task_id")) == (state == "cancelled")


async def test_change_before_the_request_is_applied(scheduler, school):
    # given
    event = await once(scheduler, school)
    later = (await scheduler.now() + 3 * HOUR).replace(microsecond=0)
    # when: two changes; the second keeps the time of the first
    rule = {"kind": "once", "at": later.isoformat()}
    await decide(scheduler, event, school, "PATCH", json={"rule": rule, "payload": {"title": "Changed"}})
    await decide(scheduler, event, school, "PATCH", json={"payload": {"body": "Changed as well."}})
    await arrive(scheduler, event)
    # then: published once, as it is now
    seen = (await scheduler.ask("GET", f"/{event.schedule_id}", school)).json()
    assert (dt.datetime.fromisoformat(seen["next_run"]), seen["state"]) == (later, "active")
    (message,) = await scheduler.published(event.schedule_id, "schedule.changed")
    assert dt.datetime.fromisoformat(message["data"]["next_run"]) == later
    # and its run has the changed content and the same ids
    await scheduler.set(event.schedule_id, due_at=await scheduler.now())
    await scheduler.fire_due()
    (fired,) = await scheduler.published(event.schedule_id)
    due = NotificationDue.model_validate(fired["data"])
    assert (due.title, due.body) == ("Changed", "Changed as well.")
    assert str(due.notification_id) == event.payload["notification_id"]


async def test_change_to_a_time_before_the_request_runs_late(scheduler, school):
    # given: changed to a time that has passed when the request arrives
    event = await once(scheduler, school)
    soon = await scheduler.now() + dt.timedelta(seconds=1)
    await decide(scheduler, event, school, "PATCH", json={"rule": {"kind": "once", "at": soon.isoformat()}})
    wish = (await scheduler.row(event.schedule_id))["wish"]
    wish["changes"]["rule"]["at"] = (soon - HOUR).isoformat()
    await scheduler.set(event.schedule_id, wish=Jsonb(wish))
    # when
    await arrive(scheduler, event)
    await scheduler.fire_due()
    # then
    assert len(await scheduler.published(event.schedule_id)) == 1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"rule": {"kind": "cron", "expression": "61 * * * *"}}, "minute: 61"),
        ({"timezone": "Europe/Nowhere"}, "not a time zone"),
    ],
)
async def test_bad_change_before_the_request_is_refused(scheduler, school, body, says):
    event = scheduler.request(CronRule(expression="0 8 * * mon"), school)
    answer = await scheduler.ask("PATCH", f"/{event.schedule_id}", school, json=body)
    assert (answer.status_code, says in answer.text) == (422, True)
    assert await scheduler.row(event.schedule_id) is None


async def test_change_that_does_not_fit_the_request_is_rejected(scheduler, school):
    """The gateway refuses this earlier, because it knows whether the send is single or repeating."""
    event = await once(scheduler, school)
    await decide(scheduler, event, school, "PATCH", json={"rule": NOON})
    with pytest.raises(Reject, match="a single send cannot become repeating"):
        await arrive(scheduler, event)


@pytest.mark.parametrize("repeats", [False, True])
async def test_run_now_before_the_request_runs_once(scheduler, school, repeats):
    # given
    rule = CronRule(expression="0 8 * * mon") if repeats else OnceRule(at=await scheduler.now() + HOUR)
    event = scheduler.request(rule, school)
    # when: twice, as a client does without an answer
    for _ in range(2):
        assert await decide(scheduler, event, school, "POST", "/run-now") == "active"
    await arrive(scheduler, event)
    # then
    assert len(await scheduler.published(event.schedule_id)) == 1
    row = await scheduler.row(event.schedule_id)
    assert (row["state"], row["runs"], row["wish"]) == ("active" if repeats else "done", 1, None)
    assert (row["due_at"] is not None) == repeats


async def test_last_decision_before_the_request_counts(scheduler, school):
    # given: paused and resumed; and run, then cancelled, then changed
    resumed, cancelled = [await once(scheduler, school) for _ in range(2)]
    assert await decide(scheduler, resumed, school, "POST", "/resume") == "active"
    assert await decide(scheduler, resumed, school, "POST", "/pause") == "paused"
    assert await decide(scheduler, resumed, school, "POST", "/resume") == "active"
    await decide(scheduler, cancelled, school, "POST", "/run-now")
    assert await decide(scheduler, cancelled, school, "DELETE") == "cancelled"
    for method, path in (("POST", "/run-now"), ("POST", "/resume"), ("PATCH", "")):
        answer = await scheduler.ask(method, f"/{cancelled.schedule_id}{path}", school, json={"catch_up": "all"})
        assert (answer.status_code, answer.json()["detail"]["code"]) == (409, "too_late")
    # when
    for event in (resumed, cancelled):
        await arrive(scheduler, event)
        await scheduler.fire_due()
    # then
    assert (await scheduler.row(resumed.schedule_id))["state"] == "active"
    assert (await scheduler.row(cancelled.schedule_id))["state"] == "cancelled"
    assert await scheduler.published(cancelled.schedule_id) == []


async def test_cancelled_task_of_an_unknown_schedule_cancels_it(scheduler, school):
    # given
    schedule = uuid7()
    event = await once(scheduler, school, schedule_id=schedule, message={"task_id": str(schedule)})
    # when
    await scheduler.cancel_task(schedule, school)
    await arrive(scheduler, event)
    # then
    assert (await scheduler.row(schedule))["state"] == "cancelled"


async def test_erased_request_removes_its_deferred_change(scheduler, school):
    event = await once(scheduler, school)
    await decide(scheduler, event, school, "PATCH", json={"payload": {"title": "Canary"}})
    await arrive(scheduler, event.model_copy(update={"payload": {}}))
    assert await scheduler.row(event.schedule_id) is None


async def test_tombstone_without_a_request_is_deleted(scheduler, school):
    events = [await once(scheduler, school) for _ in range(2)]
    for event in events:
        await decide(scheduler, event, school, "POST", "/pause")
    old, new = (event.schedule_id for event in events)
    await scheduler.set(old, changed_at=await scheduler.now() - dt.timedelta(days=41))
    await handlers.forget(scheduler.service.transactions, 40)
    assert await scheduler.row(old) is None
    assert (await scheduler.row(new))["state"] == "paused"
