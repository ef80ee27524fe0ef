"""Long tasks on the real database: one worker at a time, stopped when they must not continue."""

import asyncio
import sys
import uuid
from contextlib import asynccontextmanager
from dataclasses import replace

import psycopg
import pytest
from job_harness import KIND, QUICK, SLEEP, Permit

from shared.errors import InfrastructureDown, LeaseLost
from shared.jobs import job as jobs
from shared.jobs import lease as leases
from shared.jobs import subprocess
from shared.jobs.job import Task
from shared.jobs.time_limits import TimeLimits
from shared.testing.fixtures import eventually


async def test_task_runs_to_its_end_and_its_states_are_published(work):
    task_id = await work.start()
    async with work.working(task_id) as job:
        async with job.commit() as tx:
            await job.report_progress(tx, 1, 2)
        await work.succeed(job)
    assert await work.published(task_id) == ["queued", "running", "running", "succeeded"]
    with pytest.raises(LeaseLost):
        async with work.working(task_id):
            pytest.fail("a task that has ended was worked on again")


async def test_one_worker_has_the_task_while_the_lease_is_renewed(work):
    task_id = await work.start()
    async with work.working(task_id) as job:
        await asyncio.sleep(2 * QUICK.lease)  # the time is the subject: the lease has expired unless it was renewed
        with pytest.raises(LeaseLost):
            async with work.working(task_id):
                pytest.fail("two workers had one task")
        await work.succeed(job)
    assert await work.state(task_id) == "succeeded"


async def test_rule_04_worker_that_lost_its_lease_is_stopped_and_commits_nothing(work):
    # given: two workers, because the lease of the first has expired
    task_id = await work.start()

    taking_over = []

    async def take_over(job):
        async with work.working(task_id, replace(QUICK, lease=60)) as successor:
            # then: its commits are refused immediately
            with pytest.raises(LeaseLost):
                await work.succeed(job)
            await work.succeed(successor)

    async def late():
        async with work.working(task_id) as job:
            await work.due(task_id)
            taking_over.append(asyncio.create_task(take_over(job)))
            # and it is stopped at its next beat
            await asyncio.Event().wait()

    with pytest.raises(LeaseLost):
        await late()
    await taking_over[0]
    assert await work.published(task_id) == ["queued", "running", "running", "succeeded"]


async def test_cancel_stops_the_work_and_its_child_process(work):
    # given
    task_id = await work.start()
    stopped = asyncio.Event()

    async def extract():
        async with work.working(task_id):
            try:
                await subprocess.run(
                    [sys.executable, "-c", SLEEP], bounds=subprocess.ResourceLimits(), grace=QUICK.grace
                )
            finally:
                stopped.set()

    running = asyncio.create_task(extract())
    await eventually(lambda: work.state(task_id), lambda state: state == "running")
    # when
    await work.cancel(task_id)
    # then
    await asyncio.wait_for(running, 5)
    assert stopped.is_set()
    assert await work.published(task_id) == ["queued", "running", "cancelled"]


async def test_cancel_ends_a_task_without_a_worker(work):
    task_id = await work.start()
    await work.cancel(task_id)
    assert await work.state(task_id) == "cancelled"
    with pytest.raises(LeaseLost):
        async with work.working(task_id):
            pytest.fail("a cancelled task was begun")


async def test_cancel_ends_the_task_of_a_worker_that_is_dead_once_its_lease_has_expired(work):
    task_id = await work.start()

    async def die():
        async with work.working(task_id) as job:
            await work.due(task_id)
            # when
            await work.cancel(task_id)
            # then
            assert await work.state(task_id) == "cancelled"
            await work.succeed(job)

    with pytest.raises(LeaseLost):
        await die()
    assert await work.state(task_id) == "cancelled"


async def test_cancel_before_its_request_leaves_a_tombstone(work):
    task = Task(uuid.uuid4(), None, KIND)
    await work.cancel(task.task_id)
    async with work.transactions.begin() as tx:
        assert not await jobs.start(tx, task)
    assert await work.published(task.task_id) == ["cancelled"]


async def test_late_cancel_changes_nothing_and_cancel_of_an_earlier_epoch_spares_the_retry(work):
    # given
    task_id = await work.start()
    async with work.working(task_id) as job:
        await work.succeed(job)
    # when
    await work.cancel(task_id)
    assert await work.state(task_id) == "succeeded"
    async with work.transactions.begin() as tx:
        assert await jobs.retry(tx, task_id)
    await work.cancel(task_id, epoch=1)
    # then
    assert await work.state(task_id) == "queued"
    await work.cancel(task_id, epoch=2)
    assert await work.state(task_id) == "cancelled"


async def test_seed_10_task_of_a_dead_worker_continues_and_fails_after_four_deaths(work):
    # given
    task_id = await work.start()
    for _ in range(jobs.MOST_ATTEMPTS):
        async with work.transactions.begin() as tx:
            assert await leases.claim(tx, task_id, 30)  # then the worker dies
        await work.due(task_id)
        await jobs.resume(work.transactions, lambda found: Permit(task_id=found), "tests", frozenset({KIND}))
    # when
    with pytest.raises(LeaseLost):
        async with work.working(task_id):
            pytest.fail("a task that kills its workers was begun once more")
    # then
    assert await work.state(task_id) == "failed"


@pytest.mark.parametrize("problem", [asyncio.CancelledError(), psycopg.OperationalError(), InfrastructureDown("away")])
async def test_rule_16_stopping_worker_releases_its_task_without_counting_an_attempt(work, problem):
    # given
    task_id = await work.start()
    for _ in range(2 * jobs.MOST_ATTEMPTS):
        with pytest.raises(type(problem)):
            async with work.working(task_id):
                raise problem
    # when
    async with work.working(task_id) as job:
        await work.succeed(job)
    # then
    assert await work.attempts(task_id) == 1
    assert await work.state(task_id) == "succeeded"


async def test_long_commit_of_the_work_keeps_the_lease(work):
    # given: no statement waits long for a lock
    class Impatient:
        @asynccontextmanager
        async def begin(self, cause=None):
            async with work.transactions.begin(cause) as tx:
                await tx.execute("SET LOCAL lock_timeout = 50")
                yield tx

    task_id = await work.start()
    limits = TimeLimits(soft=20, grace=0.2, lease=5, beat=0.1)
    # when: the lease cannot be renewed while the work commits
    async with jobs.run_job(Impatient(), task_id, None, limits) as job, job.commit() as tx:
        await asyncio.sleep(0.5)  # the time is the subject
        await job.succeed(tx, result={})
    # then
    assert await work.state(task_id) == "succeeded"
