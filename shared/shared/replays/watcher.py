"""What a replay reports to: a task with its lease, or a command that waits for the end."""

import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol
from uuid import UUID

from shared.jobs.job import Job
from shared.projections import shadow_tables
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

SAY_SECONDS = 2.0


class Watcher(Protocol):
    """Gives a replay its commits, and hears of its progress and its end."""

    task_id: UUID

    def commit(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Open a transaction of the running service."""
        ...

    async def progress(self, done: int, total: int) -> None:
        """Hear how many events were read."""
        ...

    async def finish(self, tx: UnitOfWork, result: dict[str, Any]) -> None:
        """Hear of the end, in its commit."""
        ...


class Unattended:
    """A replay without a task, for a command of the machine's administrator."""

    def __init__(self, transactions: UnitOfWorkFactory, task_id: UUID) -> None:
        self.task_id = task_id
        self._transactions = transactions

    @asynccontextmanager
    async def commit(self) -> AsyncIterator[UnitOfWork]:
        """Open a transaction of the running service."""
        async with self._transactions.begin() as tx:
            yield tx

    async def progress(self, done: int, total: int) -> None:
        """Say nothing."""

    async def finish(self, tx: UnitOfWork, result: dict[str, Any]) -> None:  # noqa: ARG002  # as a task's
        """Leave no row of the replay behind."""
        await shadow_tables.empty(tx, self.task_id)


class Attended:
    """A replay as a task: each commit is fenced by its lease."""

    def __init__(self, job: Job) -> None:
        self.task_id = job.task.task_id
        self._job = job
        self._last = (-1, 0.0)

    @asynccontextmanager
    async def commit(self) -> AsyncIterator[UnitOfWork]:
        """Open a transaction that only the worker with the lease can commit."""
        async with self._job.commit() as tx:
            yield tx

    async def progress(self, done: int, total: int) -> None:
        """Publish the progress when it has changed, at most every two seconds."""
        before, at = self._last
        if done == before or time.monotonic() < at + SAY_SECONDS:
            return
        self._last = (done, time.monotonic())
        async with self._job.commit() as tx:
            await self._job.report_progress(tx, done, total)

    async def finish(self, tx: UnitOfWork, result: dict[str, Any]) -> None:
        """End the task as succeeded."""
        await self._job.succeed(tx, result=result)
