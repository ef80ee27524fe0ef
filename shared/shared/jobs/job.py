"""Runs long tasks: one worker at a time, each commit fenced by the lease, each outcome recorded.

    async def take(event, tx):                             # a reaction
        if await jobs.start(tx, Task(event.task_id, event.school_id, KIND)):
            tx.permit(ExtractPermit(task_id=event.task_id), "extract")

    async def extract(permit, cause, transactions, limits):
        async with jobs.run_job(transactions, permit.task_id, cause, limits) as job:
            text = await subprocess.run(..., grace=limits.grace)   # no transaction is open here
            async with job.commit() as tx:                     # raises LeaseLost if another worker has the task
                await tx.execute(...)
                await job.succeed(tx, result={...})

The body ends the task with `succeed` or `fail`. Its error is recorded: a cancel, a time limit or a `Reject` ends the
task; after another error it is tried again later, `MOST_ATTEMPTS` times in all. `resume` finds the tasks of dead
workers.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from shared.error_report import describe
from shared.errors import LeaseLost, Reject, SchoolConnectError, TaskCancelled, TimeLimit
from shared.events import Envelope, TaskCancelRequested, TaskState
from shared.jobs import lease as leases
from shared.jobs.lease import Lease
from shared.jobs.task_status import find_task, track
from shared.jobs.time_limits import TimeLimits, keep_lease
from shared.persistence.database_errors import is_unavailable
from shared.transactions.outbox import WorkPermit
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

log = structlog.get_logger()

MOST_ATTEMPTS = 4
RETRY_SECONDS = (5.0, 60.0, 600.0)
"""Seconds before the second, third and fourth attempt; the same as the retry tiers of messages."""
RELEASE_SECONDS = 2.0
"""A worker that stops waits at most so long to release its task."""

OnEnd = Callable[[UnitOfWork, UUID], Awaitable[None]]
"""Cleans up after a task, in the commit of its end, for each kind of end."""


async def no_cleanup(_: UnitOfWork, __: UUID) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Task:
    """Identifies a task."""

    task_id: UUID
    school_id: UUID | None
    kind: str


class Job:
    """A claimed task and its worker's lease."""

    def __init__(
        self,
        transactions: UnitOfWorkFactory,
        task: Task,
        lease: Lease,
        cause: Envelope | None,
        *,
        on_end: OnEnd = no_cleanup,
        again: bool = False,
    ) -> None:
        self.task = task
        self.lease = lease
        self.ended = False
        self._transactions = transactions
        self._cause = cause
        self._on_end = on_end
        self._fatal = (Reject,) if again else (Reject, TimeLimit)

    @asynccontextmanager
    async def commit(self) -> AsyncIterator[UnitOfWork]:
        """Open a transaction that only the worker with the lease can commit; raises LeaseLost."""
        async with self._transactions.begin(self._cause) as tx:
            await self.lease.hold(tx)
            yield tx

    async def report_progress(self, tx: UnitOfWork, done: int, total: int) -> None:
        """Publish the progress, in the task's own unit."""
        await self._track(tx, "running", done=done, total=total)

    async def succeed(self, tx: UnitOfWork, *, result: dict[str, Any], done: int = 1, total: int = 1) -> None:
        """End the task successfully, in the commit of its result."""
        await self._end(tx, "succeeded", result=result, done=done, total=total)

    async def fail(self, tx: UnitOfWork, error: str) -> None:
        """End the task as failed, for a reason that its requester can correct."""
        await self._end(tx, "failed", error=error)

    async def wait(self, tx: UnitOfWork, seconds: float, result: dict[str, Any]) -> None:
        """Let the task wait for a person to decide and `wake` it; without that it is claimed again in `seconds`."""
        await self.lease.release(tx, seconds, counted=False)
        await self._track(tx, "queued", result=result)
        self.ended = True

    async def _end(self, tx: UnitOfWork, state: TaskState, **facts: Any) -> None:
        await self.lease.end(tx)
        await self._on_end(tx, self.task.task_id)
        await self._track(tx, state, **facts)
        self.ended = True

    async def _track(self, tx: UnitOfWork, state: TaskState, **facts: Any) -> None:
        task = self.task
        await track(tx, task.task_id, school_id=task.school_id, kind=task.kind, state=state, **facts)

    def check_ended(self) -> None:
        """Raise if the body has returned without an outcome: this is a bug, and the task would start again for ever."""
        if not self.ended:
            msg = "the work returned without ending its task"
            raise RuntimeError(msg)

    async def record(self, problem: Exception) -> None:
        """Record the outcome after the body raised `problem`."""
        async with self.commit() as tx:
            if isinstance(problem, TaskCancelled):
                await self._end(tx, "cancelled")
            elif isinstance(problem, self._fatal) or self.lease.attempts >= MOST_ATTEMPTS:
                await self._end(tx, "failed", error=describe(problem))
            else:
                pause = RETRY_SECONDS[min(self.lease.attempts, len(RETRY_SECONDS)) - 1]
                await self.lease.release(tx, pause)
                await self._track(tx, "retrying", error=describe(problem))

    async def release(self) -> None:
        """Let another worker continue immediately, without counting an attempt, because this worker stops.

        If this cannot be committed, the lease expires and the attempt counts.
        """
        try:
            async with asyncio.timeout(RELEASE_SECONDS), self.commit() as tx:
                await self.lease.release(tx, 0.0, counted=False)
        except Exception as problem:  # noqa: BLE001  # the worker stops in any case
            log.info("job.not_released", task_id=str(self.task.task_id), error=type(problem).__name__)


async def start(tx: UnitOfWork, task: Task) -> bool:
    """Register a task, in the commit of its permit; False if it is known already or was cancelled before."""
    if not await leases.start(tx, task.task_id):
        return False
    return await track(tx, task.task_id, school_id=task.school_id, kind=task.kind, state="queued")


@asynccontextmanager
async def run_job(
    transactions: UnitOfWorkFactory,
    task_id: UUID,
    cause: Envelope | None,
    limits: TimeLimits,
    on_end: OnEnd = no_cleanup,
) -> AsyncIterator[Job]:
    """Claim a task and run the body within its time limits.

    Raises LeaseLost if the task has ended or another worker has it; a consumer then acknowledges the message. A stop of
    the process and an outage of the database or the broker are raised too, and do not count as an attempt.
    """
    job = await _claim(transactions, task_id, cause, limits, on_end)
    try:
        async with keep_lease(transactions, job.lease, limits):
            yield job
            job.check_ended()
    except LeaseLost:
        raise
    except asyncio.CancelledError:
        await job.release()
        raise
    except Exception as problem:
        if is_unavailable(problem):
            await job.release()
        if is_unavailable(problem) or job.ended:
            raise
        bug = None if isinstance(problem, SchoolConnectError) else problem
        log.warning("job.failed", task_id=str(task_id), kind=job.task.kind, error=describe(problem), exc_info=bug)
        await job.record(problem)


async def _claim(
    transactions: UnitOfWorkFactory, task_id: UUID, cause: Envelope | None, limits: TimeLimits, on_end: OnEnd
) -> Job:
    async with transactions.begin(cause) as tx:
        lease = await leases.claim(tx, task_id, limits.lease)
        row = await find_task(tx, task_id)
        if lease is None or row is None:
            raise LeaseLost(f"task {task_id} has ended, or another worker has it")
        task = Task(task_id, row["school_id"], row["kind"])
        job = Job(transactions, task, lease, cause, on_end=on_end, again=limits.again)
        if lease.attempts > MOST_ATTEMPTS:
            await job.fail(tx, f"its worker died {MOST_ATTEMPTS} times")
        else:
            await job.report_progress(tx, 0, 0)
    if job.ended:
        raise LeaseLost(f"task {task_id} has failed: its worker died too often")
    return job


async def cancel(event: TaskCancelRequested, tx: UnitOfWork, kinds: frozenset[str], on_end: OnEnd = no_cleanup) -> None:
    """React to a cancel of a task of these kinds: end a task without a worker, or mark it so that its worker stops.

    A cancel that arrives before its task leaves a tombstone. A cancel of an earlier epoch does not stop a later retry.
    """
    if event.kind not in kinds:
        return
    row = await find_task(tx, event.task_id)
    if (row is None or row["epoch"] <= event.epoch) and await leases.cancel(tx, event.task_id):
        await on_end(tx, event.task_id)
        await track(tx, event.task_id, school_id=event.school_id, kind=event.kind, state="cancelled")


async def wake(tx: UnitOfWork, task_id: UUID) -> bool:
    """Let a worker claim a task that waits; permit it in the same commit. False if it has ended or has a worker."""
    return await leases.wake(tx, task_id)


async def retry(tx: UnitOfWork, task_id: UUID) -> bool:
    """Start an ended task again in a new epoch; False if it has not ended or is no job of this service."""
    row = await find_task(tx, task_id)
    if row is None or not await leases.reopen(tx, task_id):
        return False
    return await track(tx, task_id, school_id=row["school_id"], kind=row["kind"], state="queued", again=True)


async def resume(
    transactions: UnitOfWorkFactory, permit: Callable[[UUID], WorkPermit], lane: str, kinds: frozenset[str]
) -> None:
    """Send new permits for tasks of these kinds without a worker: after a crash, a lost permit or a pause.

    Run it periodically.
    """
    async with transactions.begin() as tx:
        for task_id in await leases.stalled_tasks(tx, kinds):
            tx.permit(permit(task_id), lane)
