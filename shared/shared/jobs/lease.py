"""Leases of long tasks: one worker at a time, fenced by a token. A lease expires unless the worker renews it.

The database's clock decides. A worker whose lease has expired may still run: each of its commits checks its token and
is refused (`LeaseLost`) after another worker's claim. Permits may be lost: `stalled_tasks` finds the tasks without one.
"""

import os
import socket
from dataclasses import dataclass
from uuid import UUID, uuid4

from shared.errors import LeaseLost
from shared.transactions.unit_of_work import UnitOfWork

# Make a task claimable.
INSERT_TASK_LEASE = "INSERT INTO task_lease (task_id) VALUES (%(task_id)s) ON CONFLICT DO NOTHING RETURNING task_id"
# Claim a task for one worker, if it has not ended and no lease is valid.
CLAIM_TASK = """
UPDATE task_lease SET lease = %(lease)s, holder = %(holder)s, attempts = attempts + 1, permits = 0,
    leased_until = clock_timestamp() + make_interval(secs => %(seconds)s),
    permitted_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE task_id = %(task_id)s AND ended_at IS NULL AND leased_until < clock_timestamp()
RETURNING attempts
"""
# Extend a lease. Filtered by lease: a late worker must not take the task back from its successor.
RENEW_LEASE = """
UPDATE task_lease SET leased_until = clock_timestamp() + make_interval(secs => %(seconds)s),
    permitted_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE task_id = %(task_id)s AND lease = %(lease)s AND ended_at IS NULL
RETURNING cancel_requested_at IS NOT NULL AS cancelled
"""
# Lock the row until the commit, so that no other worker can claim the task before it.
LOCK_LEASE = """
SELECT task_id FROM task_lease WHERE task_id = %(task_id)s AND lease = %(lease)s AND ended_at IS NULL FOR UPDATE
"""
# End the task.
END_LEASE = """
UPDATE task_lease SET ended_at = clock_timestamp(), lease = NULL, leased_until = '-infinity'
WHERE task_id = %(task_id)s AND lease = %(lease)s AND ended_at IS NULL RETURNING task_id
"""
# Let another worker claim the task after some seconds.
RELEASE_LEASE = """
UPDATE task_lease SET lease = NULL, attempts = attempts - %(uncounted)s::int,
    leased_until = clock_timestamp() + make_interval(secs => %(seconds)s),
    permitted_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE task_id = %(task_id)s AND lease = %(lease)s AND ended_at IS NULL RETURNING task_id
"""
# Make a task claimable that waits without a worker.
WAKE_TASK = """
UPDATE task_lease SET leased_until = '-infinity', permitted_until = clock_timestamp() + interval '30 seconds'
WHERE task_id = %(task_id)s AND ended_at IS NULL AND lease IS NULL RETURNING task_id
"""
# Cancel a task: without a worker it ends now; otherwise its worker notices the cancel at the next renewal.
CANCEL_TASK = """
INSERT INTO task_lease AS t (task_id, cancel_requested_at, ended_at)
VALUES (%(task_id)s, statement_timestamp(), statement_timestamp())
ON CONFLICT (task_id) DO UPDATE SET
    cancel_requested_at = coalesce(t.cancel_requested_at, statement_timestamp()),
    ended_at = CASE WHEN t.lease IS NULL OR t.leased_until < clock_timestamp() THEN statement_timestamp() END
WHERE t.ended_at IS NULL
RETURNING ended_at IS NOT NULL AS ended
"""
# Find tasks that should have a worker but have none, and schedule the next look with growing pauses: in a long queue
# the first permit may still be waiting, and more permits would make the queue longer.
SELECT_STALLED_TASKS = """
UPDATE task_lease SET permits = permits + 1,
    permitted_until = clock_timestamp() + make_interval(secs => least(3600, 30 * 2 ^ least(permits, 7)))
WHERE task_id IN (
    SELECT task_id FROM task_lease
    WHERE ended_at IS NULL AND permitted_until < statement_timestamp() AND leased_until < statement_timestamp()
      AND EXISTS (SELECT FROM task_track t WHERE t.task_id = task_lease.task_id AND t.kind = ANY(%(kinds)s))
    ORDER BY permitted_until LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
RETURNING task_id
"""
# Make an ended task claimable again.
REOPEN_TASK = """
UPDATE task_lease SET ended_at = NULL, cancel_requested_at = NULL, attempts = 0, permits = 0,
    permitted_until = clock_timestamp() + interval '30 seconds'
WHERE task_id = %(task_id)s AND ended_at IS NOT NULL RETURNING task_id
"""

HOLDER = f"{socket.gethostname()}:{os.getpid()}"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a task. `attempts` counts the claims so far, this one included."""

    task_id: UUID
    token: UUID
    seconds: float
    attempts: int

    @property
    def _values(self) -> dict[str, object]:
        return {"task_id": self.task_id, "lease": self.token, "seconds": self.seconds}

    async def hold(self, tx: UnitOfWork) -> None:
        """Lock the lease, so that no other worker claims the task before this commit. Raises LeaseLost."""
        self._check(await tx.row(LOCK_LEASE, self._values))

    async def renew(self, tx: UnitOfWork) -> bool:
        """Extend the lease by `seconds`; returns whether a cancel was requested. Raises LeaseLost."""
        row = await tx.row(RENEW_LEASE, self._values)
        self._check(row)
        return bool(row and row["cancelled"])

    async def end(self, tx: UnitOfWork) -> None:
        """End the task, in the commit of its outcome. Raises LeaseLost."""
        self._check(await tx.row(END_LEASE, self._values))

    async def release(self, tx: UnitOfWork, after: float, *, counted: bool = True) -> None:
        """Let any worker claim the task in `after` seconds; this attempt counts unless `counted` is False.

        Raises LeaseLost.
        """
        self._check(await tx.row(RELEASE_LEASE, self._values | {"seconds": after, "uncounted": not counted}))

    def _check(self, row: object) -> None:
        if row is None:
            raise LeaseLost(f"another worker has task {self.task_id}")


async def start(tx: UnitOfWork, task_id: UUID) -> bool:
    """Make a task claimable, in the commit of its permit; False if it is known already or was cancelled before."""
    return await tx.row(INSERT_TASK_LEASE, {"task_id": task_id}) is not None


async def claim(tx: UnitOfWork, task_id: UUID, seconds: float) -> Lease | None:
    """Claim a task for `seconds`; None if it has ended or another worker has it."""
    values = {"task_id": task_id, "lease": uuid4(), "holder": HOLDER, "seconds": seconds}
    row = await tx.row(CLAIM_TASK, values)
    return None if row is None else Lease(task_id, values["lease"], seconds, row["attempts"])  # type: ignore[arg-type]


async def cancel(tx: UnitOfWork, task_id: UUID) -> bool:
    """Cancel a task. True if it has ended now: record it as cancelled in the same commit.

    False if its worker has to stop first, or if it had ended before. An unknown task gets a tombstone, so that its
    `start` returns False.
    """
    row = await tx.row(CANCEL_TASK, {"task_id": task_id})
    return bool(row and row["ended"])


async def wake(tx: UnitOfWork, task_id: UUID) -> bool:
    """Make a task claimable that waits; False if it has ended or a worker has it."""
    return await tx.row(WAKE_TASK, {"task_id": task_id}) is not None


async def stalled_tasks(tx: UnitOfWork, kinds: frozenset[str], limit: int = 500) -> list[UUID]:
    """Return tasks of these kinds that should have a worker but have none, so that new permits can be sent."""
    values = {"kinds": sorted(kinds), "limit": limit}
    return [row["task_id"] for row in await tx.rows(SELECT_STALLED_TASKS, values)]


async def reopen(tx: UnitOfWork, task_id: UUID) -> bool:
    """Make an ended task claimable again (record it with `again`); False if it has not ended."""
    return await tx.row(REOPEN_TASK, {"task_id": task_id}) is not None
