"""The long tasks of one service, for a test."""

import uuid
from typing import ClassVar

from shared.events import TaskCancelRequested
from shared.jobs import job as jobs
from shared.jobs.job import Task
from shared.jobs.time_limits import TimeLimits
from shared.transactions.outbox import WorkPermit

KIND = "file.process"
QUICK = TimeLimits(soft=20, grace=0.2, lease=0.6, beat=0.1)
TRACK = "SELECT state FROM task_track WHERE task_id = %s"
SELECT_PUBLISHED = (
    "SELECT data::jsonb ->> 'state' AS state FROM outbox WHERE data::jsonb ->> 'task_id' = %s ORDER BY position"
)
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

    async def published(self, task_id):
        async with self.transactions.begin() as tx:
            return [row["state"] for row in await tx.rows(SELECT_PUBLISHED, (str(task_id),))]

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
