"""Time limits of long work: renews the lease while the work runs, and stops the work when it must not continue.

All limits are below the broker's `consumer_timeout` (30 minutes by default), because the broker returns a message that
is unacknowledged for longer to its queue.
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

    `lease`: how long the task of a dead worker waits for another. `beat`: how soon a cancel is noticed. `again`: work
    that took too long is tried again and does not fail, because it continues from what it has committed.
    """

    soft: float = LONGEST_TASK_SECONDS - 60
    grace: float = 10.0
    lease: float = 30.0
    beat: float = 2.0
    again: bool = False

    def __post_init__(self) -> None:
        if self.soft + self.grace > LONGEST_TASK_SECONDS:
            total = self.soft + self.grace
            msg = f"soft limit plus grace is {total:.0f} s, more than {LONGEST_TASK_SECONDS:.0f} s"
            raise ValueError(msg)
        if self.beat * 3 > self.lease:
            msg = "a lease must be at least three beats long"
            raise ValueError(msg)


@asynccontextmanager
async def keep_lease(transactions: UnitOfWorkFactory, lease: Lease, limits: TimeLimits) -> AsyncIterator[None]:
    """Run the body, and renew the lease meanwhile.

    To stop it, the body is cancelled; after its cleanup one of these errors is raised: TimeLimit if it took longer than
    `limits.soft`, TaskCancelled after a cancel, LeaseLost if another worker has the task or the lease was not renewed
    in time.
    """
    keeper = _LeaseKeeper(transactions, lease, limits)
    try:
        async with asyncio.timeout(limits.soft) as deadline:
            renewing = asyncio.create_task(keeper.run(deadline), name="lease")
            try:
                yield
            finally:
                renewing.cancel()
                await asyncio.gather(renewing, return_exceptions=True)
    except TimeoutError as late:
        if not deadline.expired():
            raise
        raise keeper.stop_reason or TimeLimit(f"took longer than {limits.soft:g} s") from late


class _LeaseKeeper:
    """Renews a lease, and ends the body with a reason when the work must stop."""

    def __init__(self, transactions: UnitOfWorkFactory, lease: Lease, limits: TimeLimits) -> None:
        self._transactions = transactions
        self._lease = lease
        self._limits = limits
        self.stop_reason: SchoolConnectError | None = None

    async def run(self, deadline: asyncio.Timeout) -> None:
        """Renew until cancelled or until there is a reason to stop."""
        renewed = time.monotonic()
        while self.stop_reason is None:
            await asyncio.sleep(self._limits.beat)
            began = time.monotonic()
            try:
                # With a limit: the work must not continue after the end of the lease if the database does not answer.
                async with asyncio.timeout(max(renewed + self._lease.seconds - began, 0.01)):
                    async with self._transactions.begin() as tx:
                        cancelled = await self._lease.renew(tx)
                renewed = began
                if cancelled:
                    self.stop_reason = TaskCancelled(f"a cancel of task {self._lease.task_id} was requested")
            except LeaseLost as lost:
                self.stop_reason = lost
            except TimeoutError:
                self.stop_reason = LeaseLost("the lease could not be renewed in time")
            except Exception as problem:
                # Contention: a long commit of the work itself locks the row meanwhile.
                if not is_database_down(problem) and not is_contention(problem):
                    log.exception("lease.renewal_failed", task_id=str(self._lease.task_id))
                    self.stop_reason = LeaseLost("the lease could not be renewed")
                log.warning("lease.not_renewed", task_id=str(self._lease.task_id), error=type(problem).__name__)
        log.info("job.stopping", task_id=str(self._lease.task_id), reason=type(self.stop_reason).__name__)
        deadline.reschedule(asyncio.get_running_loop().time())
