"""Single and repeating runs: once, on time, never early, and never too late for their purpose."""

import asyncio
import datetime as dt

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from scheduler import handlers
from scheduler.claim_loop import FIRE_SINGLE_RUNS, DueScheduleLoop, fire_repeating, fire_single_runs
from scheduler.punctuality import Punctuality
from shared.events import NotificationDue
from shared.events.schedule_rules import CronRule, OnceRule
from shared.testing.fixtures import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

MINUTE = dt.timedelta(minutes=1)
AGES = 10**6
WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def test_promise_05_single_run_fires_once_with_several_replicas(scheduler):
    # given
    events = [await scheduler.add_due() for _ in range(60)]
    # when: several replicas claim at the same moment, several times
    for _ in range(3):
        await asyncio.gather(*(fire_single_runs(scheduler.service.transactions, 10) for _ in range(8)))
    # then
    for event in events:
        (message,) = await scheduler.published(event.schedule_id)
        due = NotificationDue.model_validate(message["data"])
        assert str(due.notification_id) == event.payload["notification_id"]
        assert due.due_at == event.rule.at
        row = await scheduler.row(event.schedule_id)
        assert (row["state"], row["runs"], row["last_outcome"]) == ("done", 1, "ran")


async def test_a_loop_that_has_waited_too_long_for_a_lock_tries_again(scheduler, backing):
    # given
    event = await scheduler.add_due()
    loop = DueScheduleLoop(scheduler.service.transactions, Punctuality(CollectorRegistry()), claim=500, look_every=1.0)
    with psycopg.connect(backing.admin_url) as other:
        other.execute("LOCK TABLE scheduler.schedule IN EXCLUSIVE MODE")

        async def waiting():
            assert running is None or not running.done(), running.exception()
            other.execute("SELECT pg_stat_clear_snapshot()")  # a transaction keeps what it saw of others first
            return [pid for (pid,) in other.execute(WAITING).fetchall()]

        running = None
        assert await waiting() == []
        running = asyncio.create_task(loop.run())
        try:
            first, *_ = await eventually(waiting, bool)
            # when: its wait ends as by a limit
            other.execute("SELECT pg_cancel_backend(%s)", (first,))
            await eventually(waiting, lambda pids: not pids)
            await eventually(waiting, bool)
            other.rollback()
            # then
            await eventually(lambda: scheduler.row(event.schedule_id), lambda row: row["last_outcome"] == "ran")
        finally:
            running.cancel()
            await asyncio.wait([running])


async def test_how_late_runs_are_is_measured_since_they_were_due_or_changed(scheduler):
    # given
    await scheduler.fire_due()
    now, seconds = await scheduler.now(), lambda count: dt.timedelta(seconds=count)
    for changed_ago in (2_000, 0):
        for event in (await scheduler.add_due(), await scheduler.add_repeating()):
            changed_at = now - seconds(changed_ago)
            await scheduler.set(event.schedule_id, due_at=now - seconds(1_000), changed_at=changed_at)
    # when
    single, repeating = [], []
    await fire_single_runs(scheduler.service.transactions, 500, single.append)
    await fire_repeating(scheduler.service.transactions, note_late=repeating.append)
    # then
    for late in (single, repeating):
        recent, old = sorted(late)
        assert 0 <= recent < 1_000 <= old


async def test_a_run_of_a_school_that_is_not_active_is_not_late(scheduler):
    # given
    await scheduler.fire_due()
    school = await scheduler.school()
    async with scheduler.service.transactions.begin() as tx:
        await tx.execute("UPDATE school SET active = false WHERE school_id = %s", (school,))
    await scheduler.add_due(school=school)
    repeating = await scheduler.add_repeating(school=school)
    await scheduler.set(repeating.schedule_id, due_at=await scheduler.now())
    # when
    late = []
    await fire_single_runs(scheduler.service.transactions, 500, late.append)
    await fire_repeating(scheduler.service.transactions, note_late=late.append)
    # then
    assert late == []


async def test_promise_05_nothing_fires_early(scheduler):
    # given
    event = await scheduler.add_due(seconds_ago=-0.6)
    await scheduler.fire_due()
    assert await scheduler.published(event.schedule_id) == []
    assert (await scheduler.row(event.schedule_id))["state"] == "active"
    # when
    await asyncio.sleep(0.7)
    await scheduler.fire_due()
    # then
    (message,) = await scheduler.published(event.schedule_id)
    assert dt.datetime.fromisoformat(message["headers"]["ce-time"]) >= event.rule.at


async def test_message_of_a_run_is_complete_and_has_the_newest_directory_version(scheduler):
    # given: the school's directory has a newer version than the schedule, which was committed at version 3
    school = await scheduler.school(version=7)
    once = await scheduler.add_due(school=school)
    repeating = await scheduler.add_repeating(school=school)
    await scheduler.set(repeating.schedule_id, due_at=await scheduler.now())
    # when
    await scheduler.fire_due()
    # then
    for event in (once, repeating):
        (message,) = await scheduler.published(event.schedule_id)
        due = NotificationDue.model_validate(message["data"])
        assert due.directory_version == 7
        assert (due.title, due.school_id) == ("Hello", school)
        assert message["headers"]["ce-type"] == "notification.due"
        assert message["headers"]["ce-schoolid"] == str(school)
        assert message["headers"]["ce-taskid"] == str(due.task_id)


async def test_same_run_has_the_same_ids(scheduler):
    # given
    event = await scheduler.add_repeating()
    tick = await scheduler.now() - MINUTE
    # when: it is published twice
    for _ in range(2):
        await scheduler.set(event.schedule_id, due_at=tick)
        await scheduler.fire_due()
    # then: consumers get the same message twice
    first, second = await scheduler.published(event.schedule_id)
    for name in ("ce-id", "ce-taskid", "ce-subject"):
        assert first["headers"][name] == second["headers"][name]


@pytest.mark.parametrize(
    ("kind", "hours", "state"),
    [
        ("general", 11, "done"),
        ("general", 13, "expired"),
        ("academic", 23, "done"),
        ("payment", 47, "done"),
        ("payment", 49, "expired"),
        ("safety", 25, "expired"),
        ("safety", 72, "expired"),
    ],
)
async def test_seed_19_message_that_is_too_late_is_not_sent(scheduler, kind, hours, state):
    # given: no replica ran when it was due
    event = await scheduler.add_due(hours * 3600, message={"kind": kind})
    # when
    await scheduler.fire_due()
    # then: it is sent late, or its task fails
    assert (await scheduler.row(event.schedule_id))["state"] == state
    assert len(await scheduler.published(event.schedule_id)) == (state == "done")
    if state == "expired":
        assert (await scheduler.published(event.schedule_id, "schedule.changed"))[-1]["data"]["state"] == "expired"
        (task,) = await scheduler.published(event.payload["task_id"], "task.changed", "task_id")
        assert task["data"]["state"] == "failed"


async def test_seed_19_school_closed_today_ends_with_the_day(scheduler):
    # given
    event = await scheduler.add_due(1, message={"kind": "safety"}, timezone="Pacific/Auckland")
    # when
    await scheduler.fire_due()
    # then
    (message,) = await scheduler.published(event.schedule_id)
    due = NotificationDue.model_validate(message["data"])
    local = due.expires_at.astimezone(dt.timezone(dt.timedelta(hours=13)))
    assert (local.hour, local.minute) in {(0, 0), (1, 0)}  # 13 hours ahead in summer, 12 in winter
    assert dt.timedelta(0) < due.expires_at - due.due_at <= dt.timedelta(days=1)


async def test_expiry_of_a_message_is_published_and_limits_its_run(scheduler):
    # given
    now = await scheduler.now()
    late = await scheduler.add_due(60, message={"expires_at": (now - MINUTE / 2).isoformat()})
    fine = await scheduler.add_due(60, message={"expires_at": (now + MINUTE).isoformat()})
    # when
    await scheduler.fire_due()
    # then
    assert (await scheduler.row(late.schedule_id))["state"] == "expired"
    (message,) = await scheduler.published(fine.schedule_id)
    assert NotificationDue.model_validate(message["data"]).expires_at == now + MINUTE


@pytest.mark.parametrize(("policy", "runs"), [("skip", 0), ("once", 1), ("all", 5)])
async def test_missed_runs_follow_the_catch_up_policy(scheduler, policy, runs):
    # given: five missed runs, one every three hours, the newest more than an hour ago
    now = await scheduler.now()
    newest = (now - 75 * MINUTE).replace(second=0, microsecond=0)
    hours = ",".join(str((newest.hour + 3 * n) % 24) for n in range(8))
    event = await scheduler.add(
        CronRule(expression=f"{newest.minute} {hours} * * *"), timezone="UTC", catch_up=policy, max_age_seconds=AGES
    )
    ticks = [newest - dt.timedelta(hours=3 * n) for n in reversed(range(5))]
    await scheduler.set(event.schedule_id, due_at=ticks[0])
    # when
    await scheduler.fire_due()
    # then
    due = [
        NotificationDue.model_validate(message["data"]).due_at
        for message in await scheduler.published(event.schedule_id)
    ]
    assert due == ticks[len(ticks) - runs :]
    row = await scheduler.row(event.schedule_id)
    assert row["due_at"] == newest + dt.timedelta(hours=3)
    assert row["last_outcome"] == {"skip": "missed", "once": "caught_up", "all": "ran"}[policy]


async def test_seed_15_overlapping_ticks_send_once(scheduler):
    # given
    event = await scheduler.add_repeating("* * * * *")
    await scheduler.set(event.schedule_id, due_at=await scheduler.now())
    # when
    await asyncio.gather(*(fire_repeating(scheduler.service.transactions) for _ in range(8)))
    # then
    assert len(await scheduler.published(event.schedule_id)) == 1


async def test_seed_16_locked_rows_are_skipped_and_a_failed_claim_leaves_no_trace(scheduler):
    # given
    event = await scheduler.add_due()
    held = scheduler.service.transactions.database.workers.connection()
    async with held as connection:
        # when: a replica claims it and dies before its commit
        await connection.execute("BEGIN")
        await connection.execute(FIRE_SINGLE_RUNS, {"limit": 500})
        await scheduler.fire_due()
        assert await scheduler.published(event.schedule_id) == []
        await connection.execute("ROLLBACK")
    # then
    await scheduler.fire_due()
    assert len(await scheduler.published(event.schedule_id)) == 1


async def test_seed_07_a_tick_before_the_schedule_is_whole_finds_nothing(scheduler):
    # given: due time and audience are one row in one commit
    event = scheduler.request(OnceRule(at=await scheduler.now()))
    async with scheduler.service.transactions.begin() as tx:
        await handlers.register(event, tx)
        # when
        await scheduler.fire_due()
        assert await scheduler.published(event.schedule_id) == []
    await scheduler.fire_due()
    # then
    (message,) = await scheduler.published(event.schedule_id)
    assert NotificationDue.model_validate(message["data"]).audience.school


async def test_schedule_is_done_after_its_last_run(scheduler):
    # given
    now = await scheduler.now()
    event = await scheduler.add(
        CronRule(expression="* * * * *", until=now.date() + dt.timedelta(days=2)), timezone="UTC", max_age_seconds=AGES
    )
    over = CronRule(expression="* * * * *", until=now.date() - dt.timedelta(days=1)).model_dump_json()
    last = now.replace(hour=0, minute=0, second=0, microsecond=0) - MINUTE
    await scheduler.set(event.schedule_id, due_at=last, rule=over)
    # when
    await scheduler.fire_due()
    # then
    row = await scheduler.row(event.schedule_id)
    assert (row["state"], row["due_at"], row["runs"]) == ("done", None, 1)
