"""How long tasks end on the real database: failed, tried again, out of time. Each end is recorded in one commit."""

import asyncio
import sys

import pytest
from job_harness import KIND, SLEEP

from shared.errors import LeaseLost, Reject
from shared.jobs import job as jobs
from shared.jobs import lease as leases
from shared.jobs import subprocess
from shared.jobs.time_limits import TimeLimits
from shared.messaging.topology import LONGEST_TASK_SECONDS


async def test_seed_19_work_that_takes_too_long_is_cancelled_and_its_child_killed(work):
    limits = TimeLimits(soft=0.5, grace=0.2, lease=5, beat=0.1)
    task_id = await work.start()
    async with work.working(task_id, limits):
        await subprocess.run([sys.executable, "-c", SLEEP], bounds=subprocess.ResourceLimits(), grace=limits.grace)
    assert await work.published(task_id) == ["queued", "running", "failed"]


async def test_timeout_inside_the_work_is_retried(work):
    task_id = await work.start()
    async with work.working(task_id), asyncio.timeout(0.01):
        await asyncio.Event().wait()
    assert await work.state(task_id) == "retrying"


async def test_seed_09_a_failure_is_tried_again_as_a_due_row_and_ends_as_failed(work):
    # given
    task_id = await work.start()
    for attempt in range(jobs.MOST_ATTEMPTS):
        async with work.working(task_id):
            raise ValueError
        if attempt < jobs.MOST_ATTEMPTS - 1:
            # a permit that arrives too early does nothing
            with pytest.raises(LeaseLost):
                async with work.working(task_id):
                    pytest.fail("tried again before its time")
            await work.due(task_id)
            async with work.transactions.begin() as tx:
                assert task_id in await leases.stalled_tasks(tx, frozenset({KIND}))
                assert task_id not in await leases.stalled_tasks(tx, frozenset({KIND}))
    assert (await work.published(task_id))[-2:] == ["running", "failed"]


async def test_seed_27_a_refusal_is_not_tried_again(work):
    task_id = await work.start()
    async with work.working(task_id):
        raise Reject("not a picture")
    assert await work.state(task_id) == "failed"


async def test_resumable_work_is_retried_after_its_time_limit(work):
    limits = TimeLimits(soft=0.3, grace=0.1, lease=5, beat=0.1, again=True)
    task_id = await work.start()
    for _ in range(jobs.MOST_ATTEMPTS):
        assert await work.state(task_id) != "failed"
        await work.due(task_id)
        async with work.working(task_id, limits):
            await asyncio.Event().wait()
    assert await work.state(task_id) == "failed"


@pytest.mark.parametrize("end", ["succeeded", "failed", "cancelled", "cancelled in time"])
async def test_cleanup_runs_in_the_commit_of_the_tasks_end(work, end):
    # given
    task_id, cleaned = await work.start(), []

    async def clean(tx, which):
        found = await tx.row("SELECT ended_at IS NOT NULL AS over FROM task_lease WHERE task_id = %s", (which,))
        cleaned.append((which, found["over"]))

    # when
    if end == "cancelled in time":
        await work.cancel(task_id, on_end=clean)
    else:
        async with work.working(task_id, on_end=clean) as job:
            if end == "failed":
                raise Reject("never")
            if end == "cancelled":
                await work.cancel(task_id, on_end=clean)
                await asyncio.Event().wait()
            await work.succeed(job)
    # then
    assert cleaned == [(task_id, True)]
    assert await work.state(task_id) == end.partition(" ")[0]


async def test_body_without_an_outcome_is_a_failure(work):
    task_id = await work.start()
    async with work.working(task_id):
        pass
    assert await work.state(task_id) == "retrying"


def test_time_limits_are_below_the_brokers_timeout():
    TimeLimits(soft=LONGEST_TASK_SECONDS - 10, grace=10)
    with pytest.raises(ValueError, match="1500"):
        TimeLimits(soft=LONGEST_TASK_SECONDS, grace=1)
    with pytest.raises(ValueError, match="three beats"):
        TimeLimits(lease=5, beat=2)


async def test_rule_13_task_and_lease_that_disagree_are_counted(spine, work):
    # given
    service = spine.build()
    await service.database.open()
    task_id = await work.start()
    before = await service.invariant_checker.count()
    assert (before["ended_task_in_hand"], before["task_left_open"]) == (0, 0)
    # when
    async with work.transactions.begin() as tx:
        await tx.execute("UPDATE task_track SET state = 'failed' WHERE task_id = %s", (task_id,))
    # then
    assert (await service.invariant_checker.count())["ended_task_in_hand"] == 1
    async with work.transactions.begin() as tx:
        await tx.execute("UPDATE task_track SET state = 'running' WHERE task_id = %s", (task_id,))
        await tx.execute("UPDATE task_lease SET ended_at = now() - interval '1 hour' WHERE task_id = %s", (task_id,))
    assert (await service.invariant_checker.count())["task_left_open"] == 1
    assert service.metrics.violations.labels("task_left_open")._value.get() == 1
    async with work.transactions.begin() as tx:
        await tx.execute("DELETE FROM task_track WHERE task_id = %s", (task_id,))
    await service.database.close()
