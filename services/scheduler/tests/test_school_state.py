"""What is scheduled asks its school when it is due: whether it is active, and which time it has."""

import datetime as dt

import pytest

from scheduler import handlers
from shared.events import SchoolChanged
from shared.events.schedule_rules import CronRule, OnceRule
from shared.recurrence import zone_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

TASK = "SELECT data::jsonb AS data FROM outbox WHERE routing_key = 'task.changed' AND data::jsonb->>'task_id' = %s"


async def change(scheduler, school, version, *, timezone="Europe/Berlin", active=True):
    event = SchoolChanged(
        school_id=school, name="Demo", timezone=timezone, active=active, version=version, positions={school: version}
    )
    async with scheduler.service.transactions.begin() as tx:
        await handlers.remember_schools([event], tx)
    await handlers.follow_zones(scheduler.service.transactions)


async def task_of(scheduler, event):
    async with scheduler.service.transactions.begin() as tx:
        return [row["data"] for row in await tx.rows(TASK, (event.payload["task_id"],))][-1]


async def test_trust_10_a_single_run_of_a_school_that_is_not_active_is_not_sent_and_says_why(scheduler):
    school = await scheduler.school()
    event = await scheduler.add_due(school=school)
    await change(scheduler, school, 2, active=False)
    await scheduler.fire_due()
    assert await scheduler.published(event.schedule_id) == []
    row = await scheduler.row(event.schedule_id)
    assert (row["state"], row["last_outcome"], row["runs"]) == ("cancelled", "inactive", 0)
    task = await task_of(scheduler, event)
    assert (task["state"], task["error"]) == ("failed", "it was not sent: the school is not active")


async def test_trust_10_a_calendar_run_of_a_school_that_is_not_active_is_not_sent(scheduler):
    """A single run that asks the calendar is fired one by one."""
    school = await scheduler.school(calendar={"weekdays": [1, 2, 3, 4, 5, 6, 7]})
    day = dt.datetime.now(dt.UTC).date()
    event = await scheduler.add(OnceRule(on=day, time=dt.time(0, 0), school_days_before=1), school, timezone="UTC")
    await change(scheduler, school, 2, active=False)
    await scheduler.set(event.schedule_id, due_at=await scheduler.now())
    await scheduler.fire_due()
    assert await scheduler.published(event.schedule_id) == []
    assert (await task_of(scheduler, event))["error"] == "it was not sent: the school is not active"


async def test_trust_10_a_repeating_schedule_pauses_with_its_school_and_goes_on_with_it(scheduler):
    school = await scheduler.school()
    event = await scheduler.add_repeating(school=school)
    await change(scheduler, school, 2, active=False)
    await scheduler.set(event.schedule_id, due_at=await scheduler.now())
    await scheduler.fire_due()
    row = await scheduler.row(event.schedule_id)
    assert (row["state"], row["last_outcome"]) == ("active", "inactive")
    assert await scheduler.published(event.schedule_id) == []
    await change(scheduler, school, 3)
    await scheduler.set(event.schedule_id, due_at=await scheduler.now())
    await scheduler.fire_due()
    assert len(await scheduler.published(event.schedule_id)) == 1


async def test_trust_10_run_now_is_refused_for_a_school_that_is_not_active(scheduler):
    school = await scheduler.school()
    event = await scheduler.add_repeating(school=school)
    await change(scheduler, school, 2, active=False)
    answer = await scheduler.ask("POST", f"/{event.schedule_id}/run-now", school)
    assert answer.status_code == 409
    assert "not active" in answer.text


@pytest.mark.parametrize("state", ["active", "paused"])
async def test_trust_10_local_schedules_follow_their_schools_new_zone(scheduler, state):
    school = await scheduler.school()
    day = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30)
    once = await scheduler.add(OnceRule(on=day, time=dt.time(8, 0)), school)
    daily = await scheduler.add_repeating(school=school)
    other = await scheduler.add_repeating(school=school, timezone="Asia/Tokyo")
    instant = await scheduler.add_due(seconds_ago=-86_400, school=school)
    for each in (once, daily, other, instant):
        await scheduler.set(each.schedule_id, state=state)
    fixed = {each.schedule_id: (await scheduler.row(each.schedule_id))["due_at"] for each in (other, instant)}
    await change(scheduler, school, 2, timezone="America/New_York")
    zone = zone_of("America/New_York")
    for each in (once, daily):
        row = await scheduler.row(each.schedule_id)
        assert row["timezone"] == "America/New_York"
        assert row["due_at"].astimezone(zone).time() == dt.time(8, 0)
    assert (await scheduler.row(once.schedule_id))["due_at"].astimezone(zone).date() == day
    for schedule, due in fixed.items():
        assert (await scheduler.row(schedule))["due_at"] == due


async def test_trust_10_a_day_whose_run_has_been_sent_has_no_second_one_after_a_move(scheduler):
    """Sent at 08:00 in Berlin: 08:00 in New York comes on the next day."""
    school = await scheduler.school()
    event = await scheduler.add(CronRule(expression="0 8 * * *"), school)
    tomorrow = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).date()
    ran = dt.datetime.combine(tomorrow, dt.time(8, 0), zone_of("Europe/Berlin"))
    await scheduler.set(event.schedule_id, last_due_at=ran, due_at=ran + dt.timedelta(days=1))
    await change(scheduler, school, 2, timezone="America/New_York")
    due = (await scheduler.row(event.schedule_id))["due_at"].astimezone(zone_of("America/New_York"))
    assert (due.date(), due.time()) == (tomorrow + dt.timedelta(days=1), dt.time(8, 0))
