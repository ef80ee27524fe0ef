"""Rules with a calendar that changes: each occurrence has one run, late rather than never."""

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
    """A calendar with school on all weekdays except some days."""
    closures = [{"name": "snow", "starts": day, "ends": day} for day in days]
    return {"weekdays": [1, 2, 3, 4, 5, 6, 7], "closures": closures}


@dataclass
class Case:
    """A schedule that runs two school days before a weekday; `today` has a possible run."""

    scheduler: Any
    today: dt.datetime
    school: Any = None
    event: Any = None
    version: int = 1

    async def ask(self, named, calendar, *, asked=-5, policy="once"):
        """Register it: the weekday is `named` days from today; the request was made `asked` days from today."""
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
        """Change the calendar; without `follow` the schedule notices it only when it is due."""
        self.version += 1
        await self.scheduler.school("UTC", calendar, version=self.version, school=self.school)
        if follow:
            await handlers.follow_calendars(self.scheduler.service.transactions)

    async def fired(self):
        """Fire; returns the due time of each run in days from today."""
        await self.scheduler.fire_due()
        message = await self.scheduler.published(self.event.schedule_id)
        return [(dt.datetime.fromisoformat(run["data"]["due_at"]) - self.today) / DAY for run in message]

    async def next(self):
        """Return its next due time in days from today."""
        return ((await self.scheduler.row(self.event.schedule_id))["due_at"] - self.today) / DAY


@pytest_asyncio.fixture(loop_scope="module")
async def case(scheduler):
    now = await scheduler.now()
    return Case(scheduler, (now - dt.timedelta(minutes=1)).replace(second=0, microsecond=0))


async def test_occurrence_does_not_run_again_when_the_calendar_moves_it_later(case):
    # given: tomorrow is closed, so that the run for the day in three days is today
    await case.ask(3, closing(case.today.date() + DAY), asked=-1)
    assert await case.fired() == [0]
    # when: tomorrow is opened again, the run would be tomorrow
    await case.calendar(closing())
    # then
    assert await case.next() == 8
    # and it stays so after pause and resume
    for verb in ("pause", "resume"):
        await case.scheduler.ask("POST", f"/{case.event.schedule_id}/{verb}", case.school)
    assert (await case.fired(), await case.next()) == ([0], 8)


async def test_run_that_the_calendar_moves_into_the_past_is_late(case):
    # given: registered now; the run for the day in three days is tomorrow
    await case.ask(3, closing(), asked=0)
    assert await case.next() == 1
    # when: the days in between and today are closed
    await case.calendar(closing(*(case.today.date() + n * DAY for n in (0, 1, 2))))
    # then
    assert await case.fired() == [-2]
    await case.calendar(closing())
    assert (await case.fired(), await case.next()) == ([-2], 8)


@pytest.mark.parametrize("policy", ["once", "all"])
async def test_missed_runs_are_caught_up_with_the_present_calendar(case, policy):
    # given: the run for today was due three days ago, because yesterday was closed
    await case.ask(0, closing(case.today.date() - DAY), policy=policy)
    assert await case.next() == -3
    # when: opened again meanwhile, and no claim has looked
    await case.calendar(closing(), follow=False)
    # then
    assert (await case.fired(), await case.next()) == ([-2], 5)


async def test_due_run_that_the_calendar_has_moved_waits_and_runs_once(case):
    # given: the run for the day in three days is due today
    await case.ask(3, closing(case.today.date() + DAY), asked=-1)
    # when
    await case.calendar(closing(), follow=False)
    # then
    assert (await case.fired(), await case.next()) == ([], 1)
    row = await case.scheduler.row(case.event.schedule_id)
    assert row["last_outcome"] == "moved"
    # and after the reverse change: late, and once
    await case.calendar(closing(case.today.date() + DAY))
    assert (await case.fired(), await case.next()) == ([0], 8)
