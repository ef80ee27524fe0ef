"""Rules that follow a calendar while it changes: each occasion has one run, late rather than never."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from scheduler import handlers, store
from shared.events.schedule_rules import CronRule

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY = dt.timedelta(days=1)
AGES = 10**6


def closing(*days):
    """School on every day of the week but these."""
    closures = [{"name": "snow", "starts": day, "ends": day} for day in days]
    return {"weekdays": [1, 2, 3, 4, 5, 6, 7], "closures": closures}


@dataclass
class Case:
    """A schedule that runs two school days before a day of each week, asked for some days ago; `today` is a tick."""

    scheduler: Any
    today: dt.datetime
    school: Any = None
    event: Any = None
    version: int = 1

    async def ask(self, named, calendar, *, asked=-5, policy="once"):
        """Named is in so many days from today; asked for so many days from now."""
        self.school = await self.scheduler.school("UTC", calendar)
        weekday = (self.today + named * DAY).strftime("%a").lower()
        rule = CronRule(expression=f"{self.today.minute} {self.today.hour} * * {weekday}", school_days_before=2)
        self.event = self.scheduler.request(
            rule,
            self.school,
            timezone="UTC",
            catch_up=policy,
            max_age_seconds=AGES,
            requested_at=self.today + asked * DAY + dt.timedelta(seconds=30),
        )
        async with self.scheduler.service.transactions.begin() as tx:
            await store.register(tx, self.event)

    async def calendar(self, calendar, *, follow=True):
        """It changes; seen at once, or not before the schedule comes due."""
        self.version += 1
        await self.scheduler.school("UTC", calendar, version=self.version, school=self.school)
        if follow:
            await handlers.follow_calendars(self.scheduler.service.transactions)

    async def fired(self):
        """In how many days from today each run was due."""
        await self.scheduler.fire()
        told = await self.scheduler.told(self.event.schedule_id)
        return [(dt.datetime.fromisoformat(run["data"]["due_at"]) - self.today) / DAY for run in told]

    async def next(self):
        """In how many days from today it is due."""
        return ((await self.scheduler.row(self.event.schedule_id))["due_at"] - self.today) / DAY


@pytest_asyncio.fixture(loop_scope="module")
async def case(scheduler):
    now = await scheduler.now()
    return Case(scheduler, (now - dt.timedelta(minutes=1)).replace(second=0, microsecond=0))


async def test_what_has_run_does_not_run_again_when_the_calendar_moves_it_later(case):
    # given: tomorrow is closed, so that it runs today for the day in three days
    await case.ask(3, closing(case.today.date() + DAY), asked=-1)
    assert await case.fired() == [0]
    # when: opened again, that run would be tomorrow's
    await case.calendar(closing())
    # then
    assert await case.next() == 8
    # and it stays so when it is paused and resumed
    for verb in ("pause", "resume"):
        await case.scheduler.ask("POST", f"/{case.event.schedule_id}/{verb}", case.school)
    assert (await case.fired(), await case.next()) == ([0], 8)


async def test_what_has_not_run_is_late_when_the_calendar_moves_it_into_the_past(case):
    # given: asked for a moment ago, for the day in three days: tomorrow
    await case.ask(3, closing(), asked=0)
    assert await case.next() == 1
    # when: what lies in between is closed, and so is today
    await case.calendar(closing(*(case.today.date() + n * DAY for n in (0, 1, 2))))
    # then
    assert await case.fired() == [-2]
    await case.calendar(closing())
    assert (await case.fired(), await case.next()) == ([-2], 8)


@pytest.mark.parametrize("policy", ["once", "all"])
async def test_what_nobody_was_there_for_is_made_up_once_by_the_calendar_of_the_moment(case, policy):
    # given: due three days ago for today, as yesterday was closed
    await case.ask(0, closing(case.today.date() - DAY), policy=policy)
    assert await case.next() == -3
    # when: opened again in the meantime, and nobody has looked
    await case.calendar(closing(), follow=False)
    # then
    assert (await case.fired(), await case.next()) == ([-2], 5)


async def test_what_is_due_waits_when_the_calendar_has_moved_it_and_then_runs_once(case):
    # given: due today, for the day in three days
    await case.ask(3, closing(case.today.date() + DAY), asked=-1)
    # when
    await case.calendar(closing(), follow=False)
    # then
    assert (await case.fired(), await case.next()) == ([], 1)
    row = await case.scheduler.row(case.event.schedule_id)
    assert row["last_outcome"] == "moved"
    # and back again: late, and once
    await case.calendar(closing(case.today.date() + DAY))
    assert (await case.fired(), await case.next()) == ([0], 8)
