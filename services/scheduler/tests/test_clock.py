"""The wall clock of the process has no influence: it may jump by an hour, runs stay on time by PostgreSQL's clock."""

import asyncio
import datetime as dt
import json

import psycopg
import pytest
import pytest_asyncio

from cli.processes import faketime
from cli.processes.fleet import Fleet
from cli.processes.ports import pick
from cli.testing.system import python
from scheduler import handlers
from shared.events.schedule_rules import CronRule, OnceRule
from shared.testing.fixtures import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOLD = "ALTER TABLE scheduler.outbox ALTER leased_until SET DEFAULT 'infinity'"
SECOND = dt.timedelta(seconds=1)
LATE = 2 * SECOND
"""Generous: the suite shares two cores."""


@pytest_asyncio.fixture(loop_scope="module")
async def moved(backing, tmp_path):
    """A scheduler's process, and the file that changes its wall clock; its events stay in the outbox."""
    loaded = faketime.library()
    assert loaded, "this test needs libfaketime: sudo apt-get install -y faketime (make test does it)"
    with psycopg.connect(backing.admin_url, autocommit=True) as connection:
        connection.execute(HOLD)
    clock, port = tmp_path / "clock", pick(("scheduler",))["scheduler"]
    clock.write_text("+0")
    fleet = Fleet(tmp_path)
    environment = backing.environment("scheduler") | {"PORT": str(port)}
    environment |= faketime.environment(loaded, clock)
    await fleet.start(python("scheduler", ("scheduler",), environment, f"http://127.0.0.1:{port}/health/live"))
    yield clock, fleet
    await fleet.stop()


def instant(text):
    return dt.datetime.fromisoformat(text)


async def test_promise_06_jump_of_the_wall_clock_moves_no_run(scheduler, moved):
    # given: a run each second, a send in half an hour, and a send shortly after each jump
    clock, fleet = moved
    ticking = await scheduler.add(CronRule(expression="* * * * *", seconds="*"), timezone="UTC", catch_up="all")
    later = await scheduler.add_due(seconds_ago=-1800)
    soon = []
    # when
    for jump in ("+1h", "-1h", "+0"):
        clock.write_text(jump)
        soon.append(await scheduler.add_due(seconds_ago=-1.5))

        async def fired(schedule=soon[-1].schedule_id):
            return (await scheduler.row(schedule))["state"]

        await eventually(fired, lambda state: state == "done", within=10)
    # and a clock that is an hour ahead while a request is registered
    clock.write_text("+1h")
    event = scheduler.request(OnceRule(at=await scheduler.now() + 1.5 * SECOND))
    async with scheduler.service.transactions.begin() as tx:
        await handlers.register(event, tx)
    await asyncio.sleep(2.5)
    # then: none early, none late, none missing
    runs = [run for wanted in (*soon, event, ticking) for run in await scheduler.published(wanted.schedule_id)]
    for run in runs:
        lateness = dt.datetime.fromisoformat(run["headers"]["ce-time"]) - dt.datetime.fromisoformat(
            run["data"]["due_at"]
        )
        assert dt.timedelta(0) <= lateness <= LATE
    assert len(runs) >= len(soon) + 1 + 5
    ticks = [instant(run["data"]["due_at"]) for run in await scheduler.published(ticking.schedule_id)]
    assert ticks == [ticks[0] + n * SECOND for n in range(len(ticks))]
    assert await scheduler.published(later.schedule_id) == []
    # and the clock has really jumped
    await fleet.stop()
    lines = fleet.log("scheduler").read_text().splitlines()
    last = json.loads([line for line in lines if "service.stopped" in line][-1])
    assert instant(last["timestamp"]) - await scheduler.now() > dt.timedelta(minutes=50)
