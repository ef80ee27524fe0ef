"""System schedules: rows that are created once, kept up to date, and published."""

import asyncio
import datetime as dt
from collections import Counter
from uuid import UUID

import pytest
from dateutil.relativedelta import relativedelta
from psycopg.types.json import Jsonb

from scheduler import domain, system_schedules
from scheduler.invariants import INVARIANTS
from scheduler.system_schedules import DAILY, MONTHLY
from shared.events import ReportsMonthlyDue, TasksExpiryDue
from shared.events.schedule_rules import CronRule
from shared.recurrence import zone_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
WINDOW = 3600
BEFORE_WINDOWS = CronRule(expression="0 5 1 * *").model_dump(mode="json")
"""The rule that all schools had before their runs were spread."""


def first_of_month(now, at):
    """The first of the month of `now`, at a school's own time of the day."""
    return now.astimezone(at.tzinfo).replace(
        day=1, hour=at.hour, minute=at.minute, second=at.second, microsecond=0
    )  # fmt: skip


async def test_system_schedules_are_created_once(scheduler):
    # given
    school = await scheduler.school("America/New_York")
    # when
    await asyncio.gather(*(system_schedules.maintain(scheduler.service.transactions, WINDOW) for _ in range(4)))
    assert await system_schedules.maintain(scheduler.service.transactions, WINDOW) == 0
    # then
    for chore in DAILY:
        row = await scheduler.row(chore.id(None))
        assert (row["state"], row["emits"], row["school_id"]) == ("active", chore.emits, None)
    row = await scheduler.row(MONTHLY.id(school))
    assert (row["state"], row["timezone"]) == ("active", "America/New_York")


async def test_seed_18_months_are_reported_once_each_for_the_month_that_ended_by_the_schools_clock(scheduler):
    # given: a school far east, whose month begins earlier than in UTC; no replica ran for two months
    school = await scheduler.school("Pacific/Auckland")
    await system_schedules.maintain(scheduler.service.transactions, WINDOW)
    schedule = MONTHLY.id(school)
    now = await scheduler.now()
    there = zone_of("Pacific/Auckland")
    first = first_of_month(now, (await scheduler.row(schedule))["due_at"].astimezone(there))
    if first > now:  # in the first hours of a month the last one that is due is the month before
        first = (first - dt.timedelta(days=2)).replace(day=1)
    before = (first - dt.timedelta(days=2)).replace(day=1)
    await scheduler.set(schedule, due_at=before)
    # when
    await scheduler.fire_due()
    await scheduler.fire_due()
    # then: no month is missing, none is twice, and none is the current one
    message = [
        ReportsMonthlyDue.model_validate(row["data"])
        for row in await scheduler.published(schedule, "reports.monthly_due")
    ]
    assert [due.due_at for due in message] == [before, first]
    assert [due.month for due in message] == [
        (tick - dt.timedelta(days=2)).date().replace(day=1) for tick in (before, first)
    ]
    assert message[0].ends_at == message[1].starts_at
    assert (message[1].starts_at.astimezone(domain.zone_of("Pacific/Auckland")).hour, message[1].timezone) == (
        0,
        "Pacific/Auckland",
    )
    row = await scheduler.row(schedule)
    assert row["due_at"] > now
    assert (row["due_at"].astimezone(there).day, row["last_outcome"]) == (1, "ran")


@pytest.mark.parametrize(
    ("instant", "zone", "month", "starts", "ends"),
    [
        ("2026-04-01T03:00", "Europe/Berlin", "2026-03-01", "2026-02-28T23:00", "2026-03-31T22:00"),
        ("2026-11-01T09:00", "America/New_York", "2026-10-01", "2026-10-01T04:00", "2026-11-01T04:00"),
        ("2026-12-01T10:00", "America/New_York", "2026-11-01", "2026-11-01T04:00", "2026-12-01T05:00"),
        ("2026-12-31T18:00", "Pacific/Auckland", "2026-12-01", "2026-11-30T11:00", "2026-12-31T11:00"),
        ("2028-03-01T05:00", "UTC", "2028-02-01", "2028-02-01T00:00", "2028-03-01T00:00"),
    ],
)
async def test_seed_18_a_month_has_the_bounds_of_the_schools_own_days(instant, zone, month, starts, ends):
    def utc(text):
        return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)

    found = domain.previous_month(utc(instant), zone)
    assert found == domain.Month(dt.date.fromisoformat(month), utc(starts), utc(ends))


@pytest.mark.parametrize(
    ("before", "after"), [("Europe/Berlin", "Australia/Lord_Howe"), ("Pacific/Auckland", "America/New_York")]
)
@pytest.mark.parametrize("months", [-1, 0, 1])
async def test_a_month_keeps_its_run_when_its_school_moves_to_another_timezone(scheduler, before, after, months):
    # given: a run that is late, or is still to come
    school = await scheduler.school(before)
    await system_schedules.maintain(scheduler.service.transactions, WINDOW)
    schedule = MONTHLY.id(school)
    at = (await scheduler.row(schedule))["due_at"].astimezone(zone_of(before))
    first = first_of_month(await scheduler.now(), at) + relativedelta(months=months)
    await scheduler.set(schedule, due_at=first)
    # when
    await scheduler.school(after, version=2, school=school)
    await system_schedules.maintain(scheduler.service.transactions, WINDOW)
    # then
    due = (await scheduler.row(schedule))["due_at"].astimezone(zone_of(after))
    assert due.replace(tzinfo=None) == first.replace(tzinfo=None)


@pytest.mark.parametrize("months", [-1, 0, 1])
async def test_a_month_keeps_its_run_when_the_window_changes(scheduler, months):
    # given: a schedule of a release in which all schools had one time
    zone = zone_of("Asia/Tokyo")
    school = await scheduler.school("Asia/Tokyo")
    await system_schedules.maintain(scheduler.service.transactions, WINDOW)
    schedule = MONTHLY.id(school)
    first = first_of_month(await scheduler.now(), dt.datetime(2026, 1, 1, 5, tzinfo=zone)) + relativedelta(
        months=months
    )
    await scheduler.set(schedule, due_at=first, rule=Jsonb(BEFORE_WINDOWS))
    # when
    await system_schedules.maintain(scheduler.service.transactions, WINDOW)
    # then: the same day, in the window
    due = (await scheduler.row(schedule))["due_at"].astimezone(zone)
    assert due.date() == first.date()
    assert dt.timedelta(0) <= due - first < dt.timedelta(seconds=WINDOW)


@pytest.mark.parametrize("window", [1, 60, 3600, 64_800])
async def test_the_months_of_schools_are_spread_over_the_window(window):
    starts = []
    for number in range(2000):
        rule = MONTHLY.rule(UUID(int=number), window)
        minute, hour, *days = rule.expression.split()
        starts.append(int(hour) * 3600 + int(minute) * 60 + int(rule.seconds) - 5 * 3600)
        assert days == ["1", "*", "*"]
    assert 0 <= min(starts) <= max(starts) < window
    tenths = Counter(start * 10 // window for start in starts)
    assert window == 1 or max(tenths.values()) < 2 * min(tenths.values())


async def test_schedule_follows_the_closure_of_its_school(scheduler, admin):
    # given
    school = await scheduler.school("Europe/Berlin")
    await system_schedules.maintain(scheduler.service.transactions, WINDOW)
    # when the school closes and opens again
    for active, state in ((False, "cancelled"), (True, "active")):
        admin.execute("UPDATE scheduler.school SET active = %s WHERE school_id = %s", (active, school))
        await system_schedules.maintain(scheduler.service.transactions, WINDOW)
        assert (await scheduler.row(MONTHLY.id(school)))["state"] == state


async def test_system_schedules_are_visible_and_only_administrators_change_them(scheduler):
    # given
    school = await scheduler.school()
    await system_schedules.maintain(scheduler.service.transactions, WINDOW)
    expiry = next(chore for chore in DAILY if chore.emits == TasksExpiryDue.topic).id(None)
    # when
    page = (await scheduler.ask("GET", "", school, params={"system": True})).json()
    # then
    assert {item["emits"] for item in page["items"]} == {chore.emits for chore in (*DAILY, MONTHLY)}
    for role, schedule, status in (
        ("teacher", MONTHLY.id(school), 404),
        ("school_admin", expiry, 404),
        ("school_admin", MONTHLY.id(school), 200),
        ("platform_admin", expiry, 200),
    ):
        answer = await scheduler.ask("POST", f"/{schedule}/run-now", school, role)
        assert answer.status_code == status, (role, schedule)
    refused = await scheduler.ask("DELETE", f"/{expiry}", school, "platform_admin")
    assert (refused.status_code, refused.json()["detail"]["code"]) == (409, "conflict")
    seen = (await scheduler.ask("GET", f"/{expiry}", school)).json()
    assert (seen["last_run"]["outcome"], seen["runs"]) == ("ran", 1)
    (message,) = await scheduler.published(expiry, "tasks.expiry_due")
    assert seen["last_run"]["task_id"] == message["data"]["task_id"]


async def test_invariants_count_violations(scheduler):
    async def violations():
        async with scheduler.service.transactions.begin() as tx:
            found = {name: await tx.row(statement) for name, statement in INVARIANTS.items()}
        return {name: row["violations"] for name, row in found.items()}

    # given
    await scheduler.fire_due()
    event = await scheduler.add_due(seconds_ago=-3600)
    assert await violations() == {"schedule_overdue": 0, "schedule_unarmed": 0}
    # when
    await scheduler.set(event.schedule_id, due_at=await scheduler.now() - dt.timedelta(minutes=6), headers=None)
    # then
    assert await violations() == {"schedule_overdue": 1, "schedule_unarmed": 1}
    await scheduler.set(event.schedule_id, state="cancelled")
