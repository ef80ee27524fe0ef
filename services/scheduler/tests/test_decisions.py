"""Decisions about schedules: 200, 409 `too_late`, 412; and tombstones for unknown ids."""

import asyncio
import datetime as dt

import pytest
import pytest_asyncio
from uuid_utils.compat import uuid7

from scheduler import handlers
from shared.events import NotificationDue
from shared.events.schedule_rules import CronRule, OnceRule

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR = dt.timedelta(hours=1)


@pytest_asyncio.fixture(loop_scope="module")
async def school(scheduler):
    return await scheduler.school()


async def later(scheduler, school, hours=1, **changes):
    return await scheduler.add(OnceRule(at=await scheduler.now() + hours * HOUR), school, **changes)


async def test_promise_05_a_cancel_that_was_answered_200_means_that_nothing_fires(scheduler, school):
    # given: due at this moment, with replicas that fire
    events = [await scheduler.add_due(school=school) for _ in range(40)]
    # when
    answers, *_ = await asyncio.gather(
        asyncio.gather(*(scheduler.ask("DELETE", f"/{event.schedule_id}", school) for event in events)),
        scheduler.fire_due(),
        scheduler.fire_due(),
    )
    # then
    for event, answer in zip(events, answers, strict=True):
        message = await scheduler.published(event.schedule_id)
        assert (answer.status_code, len(message)) in {(200, 0), (409, 1)}
        if answer.status_code == 409:
            detail = answer.json()["detail"]
            assert (detail["code"], detail["state"]) == ("too_late", "done")
            assert detail["notification_id"] == event.payload["notification_id"]


async def test_seed_19_a_schedule_can_be_cancelled_and_says_so(scheduler, school):
    # given
    event = await later(scheduler, school)
    # when: twice, as a client does without an answer
    for _ in range(2):
        answer = await scheduler.ask("DELETE", f"/{event.schedule_id}", school)
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    # then
    await scheduler.set(event.schedule_id, due_at=await scheduler.now())
    await scheduler.fire_due()
    assert await scheduler.published(event.schedule_id) == []
    states = [message["data"]["state"] for message in await scheduler.published(event.schedule_id, "schedule.changed")]
    assert states == ["active", "cancelled"]
    (task,) = await scheduler.published(event.payload["task_id"], "task.changed", "task_id")
    assert task["data"]["state"] == "cancelled"


async def test_duplicate_request_is_registered_once(scheduler, school):
    event = await later(scheduler, school)
    await scheduler.ask("DELETE", f"/{event.schedule_id}", school)
    async with scheduler.service.transactions.begin() as tx:
        await handlers.register(event, tx)
    assert (await scheduler.row(event.schedule_id))["state"] == "cancelled"


async def test_request_with_erased_texts_fails_its_task(scheduler, school):
    event = await later(scheduler, school)
    erased = event.model_copy(update={"schedule_id": uuid7(), "payload": {}})
    async with scheduler.service.transactions.begin() as tx:
        await handlers.register(erased, tx)
    assert await scheduler.row(erased.schedule_id) is None
    (task,) = await scheduler.published(erased.schedule_id, "task.changed", "task_id")
    assert task["data"]["state"] == "failed"


async def test_change_needs_the_current_version(scheduler, school):
    # given
    event = await later(scheduler, school)
    tag = (await scheduler.ask("GET", f"/{event.schedule_id}", school)).headers["etag"]
    soon = (await scheduler.now() + 2 * HOUR).replace(microsecond=0)
    body = {"rule": {"kind": "once", "at": soon.isoformat()}, "payload": {"title": "Changed"}}
    # when
    first = await scheduler.ask("PATCH", f"/{event.schedule_id}", school, headers={"If-Match": tag}, json=body)
    second = await scheduler.ask("PATCH", f"/{event.schedule_id}", school, headers={"If-Match": tag}, json=body)
    # then
    assert (first.status_code, second.status_code) == (200, 412)
    assert second.json()["detail"]["code"] == "stale"
    assert dt.datetime.fromisoformat(first.json()["next_run"]) == soon
    assert first.json()["message"]["title"] == "Changed"
    # and the run has the changed content and the same ids
    await scheduler.set(event.schedule_id, due_at=await scheduler.now())
    await scheduler.fire_due()
    (message,) = await scheduler.published(event.schedule_id)
    due = NotificationDue.model_validate(message["data"])
    assert (due.title, due.body) == ("Changed", "A made-up text.")
    assert str(due.notification_id) == event.payload["notification_id"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"rule": {"kind": "cron", "expression": "61 * * * *"}}, "minute: 61"),
        ({"rule": {"kind": "cron", "expression": "* * * * *", "seconds": "*"}}, "once a minute"),
        ({"timezone": "Europe/Nowhere"}, "not a time zone"),
        ({"rule": {"kind": "once", "at": "2027-01-01T00:00:00Z"}}, "a single send cannot become repeating"),
    ],
)
async def test_change_to_a_bad_rule_is_refused_and_changes_nothing(scheduler, school, body, says):
    event = await scheduler.add_repeating(school=school)
    before = await scheduler.row(event.schedule_id)
    answer = await scheduler.ask("PATCH", f"/{event.schedule_id}", school, json=body)
    assert answer.status_code == 422
    assert says in answer.json()["detail"]["errors"][0]["message"]
    assert await scheduler.row(event.schedule_id) == before


async def test_paused_schedule_continues_with_its_next_run_after_resume(scheduler, school):
    # given
    event = await scheduler.add_repeating(school=school)
    paused = await scheduler.ask("POST", f"/{event.schedule_id}/pause", school)
    assert (paused.json()["state"], paused.json()["next_run"]) == ("paused", None)
    # when: its time passes
    await scheduler.set(event.schedule_id, due_at=await scheduler.now() - HOUR)
    await scheduler.fire_due()
    resumed = await scheduler.ask("POST", f"/{event.schedule_id}/resume", school)
    await scheduler.fire_due()
    # then
    assert resumed.json()["state"] == "active"
    assert dt.datetime.fromisoformat(resumed.json()["next_run"]) > await scheduler.now()
    assert await scheduler.published(event.schedule_id) == []


async def test_single_send_paused_past_its_time_runs_when_resumed(scheduler, school):
    event = await scheduler.add_due(school=school)
    await scheduler.ask("POST", f"/{event.schedule_id}/pause", school)
    await scheduler.fire_due()
    assert await scheduler.published(event.schedule_id) == []
    await scheduler.ask("POST", f"/{event.schedule_id}/resume", school)
    await scheduler.fire_due()
    assert len(await scheduler.published(event.schedule_id)) == 1


async def test_run_now_runs_immediately_and_keeps_the_next_run(scheduler, school):
    # given
    repeating = await scheduler.add_repeating(school=school)
    single = await later(scheduler, school)
    following = (await scheduler.row(repeating.schedule_id))["due_at"]
    # when
    for event in (repeating, single):
        answer = await scheduler.ask("POST", f"/{event.schedule_id}/run-now", school)
        assert (answer.status_code, answer.json()["runs"]) == (200, 1)
    # then
    for event in (repeating, single):
        assert len(await scheduler.published(event.schedule_id)) == 1
    row = await scheduler.row(repeating.schedule_id)
    assert (row["state"], row["due_at"]) == ("active", following)
    assert (await scheduler.row(single.schedule_id))["state"] == "done"
    again = await scheduler.ask("POST", f"/{single.schedule_id}/run-now", school)
    assert (again.status_code, again.json()["detail"]["code"]) == (409, "too_late")


async def test_cancelled_task_cancels_its_schedule(scheduler, school):
    # given
    schedule = uuid7()
    event = await later(scheduler, school, schedule_id=schedule, message={"task_id": str(schedule)})
    # when
    await scheduler.cancel_task(schedule, school)
    # then
    assert (await scheduler.row(event.schedule_id))["state"] == "cancelled"


async def test_seed_20_another_schools_schedule_is_not_there(scheduler, school):
    event = await later(scheduler, school)
    stranger = await scheduler.school()
    before = await scheduler.row(event.schedule_id)
    for method, path, body in (
        ("GET", "", None),
        ("DELETE", "", None),
        ("PATCH", "", {"catch_up": "all"}),
        ("POST", "/pause", None),
        ("POST", "/resume", None),
        ("POST", "/run-now", None),
    ):
        answer = await scheduler.ask(method, f"/{event.schedule_id}{path}", stranger, json=body)
        assert answer.status_code == 404, (method, path)
    assert await scheduler.row(event.schedule_id) == before
    listed = (await scheduler.ask("GET", "", stranger)).json()["items"]
    assert str(event.schedule_id) not in {item["id"] for item in listed}


async def test_list_is_paged_and_in_the_schools_timezone(scheduler):
    # given
    school = await scheduler.school("Australia/Lord_Howe")
    events = [await later(scheduler, school, hours=n + 1) for n in range(3)]
    # when
    first = (await scheduler.ask("GET", "", school, params={"limit": 2})).json()
    rest = (await scheduler.ask("GET", "", school, params={"limit": 2, "after": first["next"]})).json()
    # then
    items = first["items"] + rest["items"]
    assert [item["id"] for item in items] == [str(event.schedule_id) for event in reversed(events)]
    assert (first["timezone"], rest["next"]) == ("Australia/Lord_Howe", None)
    assert {item["next_run"][-6:] for item in items} <= {"+11:00", "+10:30"}


async def test_preview_shows_the_next_ten_runs(scheduler):
    # given
    closed = {"closures": [{"name": "repairs", "starts": "2027-01-06", "ends": "2027-01-08"}]}
    school = await scheduler.school("Europe/Berlin", closed)
    rule = {"kind": "cron", "expression": "0 8 * * *", "starts": "2027-01-04", "skip_closed": True}
    # when
    shown = await scheduler.ask("POST", "/preview", school, json={"rule": rule})
    # then
    runs = shown.json()["runs"]
    assert len(runs) == 10
    assert runs[:3] == ["2027-01-04T08:00:00+01:00", "2027-01-05T08:00:00+01:00", "2027-01-11T08:00:00+01:00"]
    bad = await scheduler.ask("POST", "/preview", school, json={"rule": rule | {"expression": "0 0 30 2 *"}})
    assert (bad.status_code, bad.json()["detail"]["code"]) == (422, "invalid")


async def test_changed_calendar_moves_dependent_runs(scheduler):
    # given: two school days before a day, on a calendar without closures
    school = await scheduler.school("UTC", {})
    day = dt.date(2027, 6, 18)  # a Friday
    once = await scheduler.add(OnceRule(on=day, time=dt.time(8), school_days_before=2), school, timezone="UTC")
    daily = await scheduler.add(
        CronRule(expression="0 8 * * *", starts=dt.date(2027, 6, 16), skip_closed=True), school, timezone="UTC"
    )
    assert (await scheduler.row(once.schedule_id))["due_at"].date() == dt.date(2027, 6, 16)
    assert (await scheduler.row(daily.schedule_id))["due_at"].date() == dt.date(2027, 6, 16)
    # when
    closure = {"name": "heat", "starts": dt.date(2027, 6, 16), "ends": dt.date(2027, 6, 17)}
    await scheduler.school("UTC", {"closures": [closure]}, version=2, school=school)
    await handlers.follow_calendars(scheduler.service.transactions)
    # then
    assert (await scheduler.row(once.schedule_id))["due_at"].date() == dt.date(2027, 6, 14)
    assert (await scheduler.row(daily.schedule_id))["due_at"].date() == dt.date(2027, 6, 18)


async def test_due_run_is_checked_with_the_present_calendar(scheduler):
    # given: due today, which has been closed since then; no claim has looked at it
    school = await scheduler.school("UTC", {"weekdays": [1, 2, 3, 4, 5, 6, 7]})
    event = await scheduler.add(CronRule(expression="* * * * *", skip_closed=True), school, timezone="UTC")
    now = await scheduler.now()
    today = now.date()
    closure = {"name": "snow", "starts": today, "ends": today + dt.timedelta(days=1)}
    await scheduler.school("UTC", {"weekdays": [1, 2, 3, 4, 5, 6, 7], "closures": [closure]}, version=2, school=school)
    # when
    await scheduler.set(event.schedule_id, due_at=now.replace(second=0, microsecond=0))
    await scheduler.fire_due()
    # then
    assert await scheduler.published(event.schedule_id) == []
    row = await scheduler.row(event.schedule_id)
    assert (row["due_at"].date(), row["last_outcome"]) == (today + dt.timedelta(days=2), "moved")
