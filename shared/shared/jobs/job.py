"""A long task, from its claim to its outcome: at most one worker at a time, each commit fenced, every end recorded.

    async def take(event, tx):                             # a reaction
        if await jobs.start(tx, Task(event.task_id, event.school_id, KIND)):
            tx.permit(ExtractPermit(task_id=event.task_id), "extract")

    async def extract(permit, cause, transactions, limits):
        async with jobs.run_job(transactions, permit.task_id, cause, limits) as job:
            text = await child.run(..., grace=limits.grace)    # no transaction is open here
            async with job.commit() as tx:                     # raises LeaseLost when the task is in other hands
                await tx.execute(...)
                await job.succeed(tx, result={...})

The body ends the task with `succeed` or `fail`; what it raises is recorded: a cancel, a time limit, a `Reject`, or a
failure that is tried again as a due row, `MOST_ATTEMPTS` times in all. A worker that dies is found by `resume`.
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
from shared.jobs.task_status import known, track
from shared.jobs.time_limits import TimeLimits, keep_lease
from shared.persistence.database_errors import is_unavailable
from shared.transactions.outbox import Work
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

log = structlog.get_logger()

MOST_ATTEMPTS = 4
RETRY_SECONDS = (5.0, 60.0, 600.0)
"""Seconds until the next attempt, as the retry tiers of messages."""
RELEASE_SECONDS = 2.0
"""A worker that has to stop does not wait longer than this to say so."""

OnEnd = Callable[[UnitOfWork, UUID], Awaitable[None]]
"""Cleans up after a task, in the commit of its end, whatever the end is."""


async def keep_all(_: UnitOfWork, __: UUID) -> None:
    """Clean up nothing."""


@dataclass(frozen=True, slots=True)
class Task:
    """Which task it is."""

    task_id: UUID
    school_id: UUID | None
    kind: str


class Job:
    """A claimed task in the hands of its worker."""

    def __init__(
        self,
        transactions: UnitOfWorkFactory,
        task: Task,
        lease: Lease,
        cause: Envelope | None,
        *,
        on_end: OnEnd = keep_all,
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
        """A transaction that only the task's present worker can commit."""
        async with self._transactions.begin(self._cause) as tx:
            await self.lease.hold(tx)
            yield tx

    async def tell(self, tx: UnitOfWork, done: int, total: int) -> None:
        """How far it is, in the task's own unit."""
        await self._track(tx, "running", done=done, total=total)

    async def succeed(self, tx: UnitOfWork, *, result: dict[str, Any], done: int = 1, total: int = 1) -> None:
        """The end of the task, in the commit of its result."""
        await self._end(tx, "succeeded", result=result, done=done, total=total)

    async def fail(self, tx: UnitOfWork, error: str) -> None:
        """The end of the task, for a reason that its asker can do something about."""
        await self._end(tx, "failed", error=error)

    async def _end(self, tx: UnitOfWork, state: TaskState, **facts: Any) -> None:
        await self.lease.end(tx)
        await self._on_end(tx, self.task.task_id)
        await self._track(tx, state, **facts)
        self.ended = True

    async def _track(self, tx: UnitOfWork, state: TaskState, **facts: Any) -> None:
        task = self.task
        await track(tx, task.task_id, school_id=task.school_id, kind=task.kind, state=state, **facts)

    def check_ended(self) -> None:
        """A body that returns without an outcome has a bug; left alone, the task would start over for ever."""
        if not self.ended:
            msg = "the work returned without ending its task"
            raise RuntimeError(msg)

    async def record(self, problem: Exception) -> None:
        """What becomes of the task after its work raised `problem`."""
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
        """Let another worker go on at once, and count no attempt: the work is not at fault that this one stops.

        Where even that cannot be committed the lease runs out, and the attempt counts.
        """
        try:
            async with asyncio.timeout(RELEASE_SECONDS), self.commit() as tx:
                await self.lease.release(tx, 0.0, counted=False)
        except Exception as problem:  # noqa: BLE001  # the worker stops in any case
            log.info("job.not_released", task_id=str(self.task.task_id), error=type(problem).__name__)


async def start(tx: UnitOfWork, task: Task) -> bool:
    """Take a task on, in the commit that permits it; False when a cancel has overtaken it, or it is known already."""
    if not await leases.start(tx, task.task_id):
        return False
    return await track(tx, task.task_id, school_id=task.school_id, kind=task.kind, state="queued")


@asynccontextmanager
async def run_job(
    transactions: UnitOfWorkFactory, task_id: UUID, cause: Envelope | None, limits: TimeLimits, on_end: OnEnd = keep_all
) -> AsyncIterator[Job]:
    """Claim a task and work on it in the body, under its limits.

    Raises LeaseLost, which a consumer takes as done, when the task has ended or is another worker's. A process that
    stops and an infrastructure that is away are raised as they are, and are no attempt of the task's.
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
        log.warning("job.stopped", task_id=str(task_id), kind=job.task.kind, error=describe(problem), exc_info=bug)
        await job.record(problem)


async def _claim(
    transactions: UnitOfWorkFactory, task_id: UUID, cause: Envelope | None, limits: TimeLimits, on_end: OnEnd
) -> Job:
    async with transactions.begin(cause) as tx:
        lease = await leases.claim(tx, task_id, limits.lease)
        told = await known(tx, task_id)
        if lease is None or told is None:
            raise LeaseLost(f"task {task_id} has ended or is in other hands")
        task = Task(task_id, told["school_id"], told["kind"])
        job = Job(transactions, task, lease, cause, on_end=on_end, again=limits.again)
        if lease.attempts > MOST_ATTEMPTS:
            await job.fail(tx, f"given up: its worker died {MOST_ATTEMPTS} times")
        else:
            await job.tell(tx, 0, 0)
    if job.ended:
        raise LeaseLost(f"task {task_id} was given up")
    return job


async def cancel(event: TaskCancelRequested, tx: UnitOfWork, kinds: frozenset[str], on_end: OnEnd = keep_all) -> None:
    """Reaction of a service that owns tasks of these kinds: a task without a worker ends here, a worker is told.

    A cancel that overtakes its intent leaves a tombstone; one of an earlier epoch does not mean the retry.
    """
    if event.kind not in kinds:
        return
    told = await known(tx, event.task_id)
    if (told is None or told["epoch"] <= event.epoch) and await leases.cancel(tx, event.task_id):
        await on_end(tx, event.task_id)
        await track(tx, event.task_id, school_id=event.school_id, kind=event.kind, state="cancelled")


async def retry(tx: UnitOfWork, task_id: UUID) -> bool:
    """Take an ended task up again in a new epoch; False when it has not ended, or is not a job of this service."""
    told = await known(tx, task_id)
    if told is None or not await leases.reopen(tx, task_id):
        return False
    return await track(tx, task_id, school_id=told["school_id"], kind=told["kind"], state="queued", again=True)


async def resume(transactions: UnitOfWorkFactory, permit: Callable[[UUID], Work], lane: str) -> None:
    """Sweep: permits again what nobody works on although somebody should: after a kill, a lost permit, a pause."""
    async with transactions.begin() as tx:
        for task_id in await leases.stalled_tasks(tx):
            tx.permit(permit(task_id), lane)
