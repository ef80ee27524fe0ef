"""Long tasks on the real database: one worker at a time, stopped when they must not continue, each end recorded."""

import asyncio
import sys
import uuid
from contextlib import asynccontextmanager
from typing import ClassVar

import psycopg
import pytest
import pytest_asyncio

from shared.errors import InfrastructureDown, LeaseLost, Reject
from shared.events import TaskCancelRequested
from shared.jobs import job as jobs
from shared.jobs import lease as leases
from shared.jobs import subprocess
from shared.jobs.job import Task
from shared.jobs.time_limits import TimeLimits
from shared.messaging.topology import LONGEST_TASK_SECONDS
from shared.testing.fixtures import eventually
from shared.transactions.outbox import WorkPermit

KIND = "file.process"
QUICK = TimeLimits(soft=20, grace=0.2, lease=0.6, beat=0.1)
TRACK = "SELECT state FROM task_track WHERE task_id = %s"
TOLD = "SELECT data::jsonb ->> 'state' AS state FROM outbox WHERE data::jsonb ->> 'task_id' = %s ORDER BY position"
SLEEP = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"


class Permit(WorkPermit):
    name: ClassVar[str] = "notifier.test"
    task_id: uuid.UUID

    @property
    def subject(self):
        return str(self.task_id)


class Jobs:
    """The tasks of one service, for a test."""

    def __init__(self, transactions):
        self.transactions = transactions

    async def start(self, kind=KIND):
        task = Task(uuid.uuid4(), uuid.uuid4(), kind)
        async with self.transactions.begin() as tx:
            assert await jobs.start(tx, task)
        return task.task_id

    async def cancel(self, task_id, epoch=1, **options):
        event = TaskCancelRequested(task_id=task_id, kind=KIND, epoch=epoch, requested_at="2026-01-01T00:00:00Z")
        async with self.transactions.begin() as tx:
            await jobs.cancel(event, tx, frozenset({KIND}), **options)

    async def state(self, task_id):
        async with self.transactions.begin() as tx:
            row = await tx.row(TRACK, (task_id,))
        return row and row["state"]

    async def told(self, task_id):
        async with self.transactions.begin() as tx:
            return [row["state"] for row in await tx.rows(TOLD, (str(task_id),))]

    def working(self, task_id, limits=QUICK, **options):
        return jobs.run_job(self.transactions, task_id, None, limits, **options)

    async def attempts(self, task_id):
        async with self.transactions.begin() as tx:
            return (await tx.row("SELECT attempts FROM task_lease WHERE task_id = %s", (task_id,)))["attempts"]

    async def succeed(self, job):
        async with job.commit() as tx:
            await job.succeed(tx, result={"pages": 1})

    async def due(self, task_id):
        query = "UPDATE task_lease SET leased_until = '-infinity', permitted_until = '-infinity' WHERE task_id = %s"
        async with self.transactions.begin() as tx:
            await tx.execute(query, (task_id,))


@pytest_asyncio.fixture
async def work(spine):
    service = spine.build()
    await service.database.open()
    yield Jobs(service.transactions)
    await service.database.close()


async def test_task_runs_to_its_end_and_its_states_are_published(work):
    task_id = await work.start()
    async with work.working(task_id) as job:
        async with job.commit() as tx:
            await job.report_progress(tx, 1, 2)
        await work.succeed(job)
    assert await work.told(task_id) == ["queued", "running", "running", "succeeded"]
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

    async def late():
        async with work.working(task_id) as job:
            await work.due(task_id)
            async with work.working(task_id) as successor:
                # then: its commits are refused immediately
                with pytest.raises(LeaseLost):
                    await work.succeed(job)
                await work.succeed(successor)
            # and it is stopped at its next beat
            await asyncio.Event().wait()

    with pytest.raises(LeaseLost):
        await late()
    assert await work.told(task_id) == ["queued", "running", "running", "succeeded"]


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
    assert await work.told(task_id) == ["queued", "running", "cancelled"]


async def test_cancel_ends_a_task_without_a_worker(work):
    task_id = await work.start()
    await work.cancel(task_id)
    assert await work.state(task_id) == "cancelled"
    with pytest.raises(LeaseLost):
        async with work.working(task_id):
            pytest.fail("a cancelled task was begun")


async def test_cancel_before_its_request_leaves_a_tombstone(work):
    task = Task(uuid.uuid4(), None, KIND)
    await work.cancel(task.task_id)
    async with work.transactions.begin() as tx:
        assert not await jobs.start(tx, task)
    assert await work.told(task.task_id) == ["cancelled"]


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


async def test_seed_19_work_that_takes_too_long_is_cancelled_and_its_child_killed(work):
    limits = TimeLimits(soft=0.5, grace=0.2, lease=5, beat=0.1)
    task_id = await work.start()
    async with work.working(task_id, limits):
        await subprocess.run([sys.executable, "-c", SLEEP], bounds=subprocess.ResourceLimits(), grace=limits.grace)
    assert await work.told(task_id) == ["queued", "running", "failed"]


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
    assert (await work.told(task_id))[-2:] == ["running", "failed"]


async def test_seed_27_a_refusal_is_not_tried_again(work):
    task_id = await work.start()
    async with work.working(task_id):
        raise Reject("not a picture")
    assert await work.state(task_id) == "failed"


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


async def test_resumable_work_is_retried_after_its_time_limit(work):
    limits = TimeLimits(soft=0.3, grace=0.1, lease=5, beat=0.1, again=True)
    task_id = await work.start()
    for _ in range(jobs.MOST_ATTEMPTS):
        assert await work.state(task_id) != "failed"
        await work.due(task_id)
        async with work.working(task_id, limits):
            await asyncio.Event().wait()
    assert await work.state(task_id) == "failed"


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
