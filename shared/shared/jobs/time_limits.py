"""How long work may take, and the watch over it: renewed while it runs, stopped when it should not go on.

All limits lie below the broker's `consumer_timeout` (30 minutes by default): a message held longer would be taken away.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from shared.errors import LeaseLost, SchoolConnectError, TaskCancelled, TimeLimit
from shared.jobs.lease import Lease
from shared.messaging.topology import LONGEST_TASK_SECONDS
from shared.persistence.database_errors import is_contention, is_database_down
from shared.transactions.unit_of_work import UnitOfWorkFactory

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Times in seconds. After `soft` the work is cancelled and may clean up; `grace` later its children are killed.

    `lease`: how long a dead worker's task waits for the next. `beat`: how soon a cancel is noticed. `again`: work that
    took too long is tried again instead of failing, because it goes on from what it has committed.
    """

    soft: float = LONGEST_TASK_SECONDS - 60
    grace: float = 10.0
    lease: float = 30.0
    beat: float = 2.0
    again: bool = False

    def __post_init__(self) -> None:
        if self.soft + self.grace > LONGEST_TASK_SECONDS:
            total = self.soft + self.grace
            msg = f"soft limit and grace are {total:.0f} s together; {LONGEST_TASK_SECONDS:.0f} is the most"
            raise ValueError(msg)
        if self.beat * 3 > self.lease:
            msg = "a lease must outlive two missed beats"
            raise ValueError(msg)


@asynccontextmanager
async def keep_lease(transactions: UnitOfWorkFactory, lease: Lease, limits: TimeLimits) -> AsyncIterator[None]:
    """Run the body under a lease that is renewed meanwhile.

    The body is cancelled, and the error raised after it has cleaned up, with TimeLimit when it takes longer than
    `limits.soft`, TaskCancelled when somebody asked for that, and LeaseLost when the task is in other hands or the
    lease could not be renewed in time.
    """
    watch = _LeaseKeeper(transactions, lease, limits)
    try:
        async with asyncio.timeout(limits.soft) as bell:
            watching = asyncio.create_task(watch.run(bell), name="lease")
            try:
                yield
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
    except TimeoutError as late:
        if not bell.expired():
            raise
        raise watch.verdict or TimeLimit(f"took longer than {limits.soft:g} s") from late


class _LeaseKeeper:
    """Renews a lease; rings the bell with a verdict when the work should stop."""

    def __init__(self, transactions: UnitOfWorkFactory, lease: Lease, limits: TimeLimits) -> None:
        self._transactions = transactions
        self._lease = lease
        self._limits = limits
        self.verdict: SchoolConnectError | None = None

    async def run(self, bell: asyncio.Timeout) -> None:
        """Until cancelled, or until there is a verdict."""
        renewed = time.monotonic()
        while self.verdict is None:
            await asyncio.sleep(self._limits.beat)
            began = time.monotonic()
            try:
                # Bounded: a database that does not answer must not keep us at work past the end of the lease.
                async with asyncio.timeout(max(renewed + self._lease.seconds - began, 0.01)):
                    async with self._transactions.begin() as tx:
                        cancelled = await self._lease.renew(tx)
                renewed = began
                if cancelled:
                    self.verdict = TaskCancelled(f"task {self._lease.task_id} was asked to stop")
            except LeaseLost as lost:
                self.verdict = lost
            except TimeoutError:
                self.verdict = LeaseLost("the lease could not be renewed in time")
            except Exception as problem:
                # Contention: a long commit of the work itself holds the row meanwhile.
                if not is_database_down(problem) and not is_contention(problem):
                    log.exception("lease.broken", task_id=str(self._lease.task_id))
                    self.verdict = LeaseLost("the lease could not be renewed")
                log.warning("lease.not_renewed", task_id=str(self._lease.task_id), error=type(problem).__name__)
        log.info("work.stopped", task_id=str(self._lease.task_id), verdict=type(self.verdict).__name__)
        bell.reschedule(asyncio.get_running_loop().time())
