"""Records and publishes the status of this service's tasks; each change has a higher version than the one before."""

from typing import Any
from uuid import UUID

from shared.events.tasks import FINAL, TaskChanged, TaskState
from shared.transactions.unit_of_work import UnitOfWork

# Record a status. A final state stays final within its epoch; only a retry, which raises the epoch, reopens a task.
UPSERT_TASK_STATUS = """
INSERT INTO task_track AS t (task_id, school_id, kind, state, epoch, version)
VALUES (%(task_id)s, %(school_id)s, %(kind)s, %(state)s, 1, 1)
ON CONFLICT (task_id) DO UPDATE SET
    state = excluded.state,
    epoch = t.epoch + %(again)s::int,
    version = CASE WHEN %(again)s THEN 1 ELSE t.version + 1 END,
    changed_at = clock_timestamp()
WHERE %(again)s OR t.state <> ALL (%(final)s)
RETURNING epoch, version, changed_at
"""

# Find the recorded status of a task.
SELECT_TASK = "SELECT task_id, school_id, kind, state, epoch FROM task_track WHERE task_id = %(task_id)s"
# Find a task that has ended.
SELECT_ENDED_TASK = "SELECT state FROM task_track WHERE task_id = %(task_id)s AND state = ANY (%(final)s)"


async def track(
    tx: UnitOfWork,
    task_id: UUID,
    *,
    school_id: UUID | None,
    kind: str,
    state: TaskState,
    done: int = 0,
    total: int = 0,
    result: dict[str, Any] | None = None,
    error: str | None = None,
    again: bool = False,
) -> bool:
    """Record and publish the status of a task; False if it has ended already (and `again` is not set)."""
    row = await tx.row(
        UPSERT_TASK_STATUS,
        {
            "task_id": task_id,
            "school_id": school_id,
            "kind": kind,
            "state": state,
            "again": again,
            "final": sorted(FINAL),
        },
    )
    if row is None:
        return False
    tx.emit(
        TaskChanged(
            task_id=task_id,
            school_id=school_id,
            kind=kind,
            state=state,
            epoch=row["epoch"],
            version=row["version"],
            done=done,
            total=total,
            result=result,
            error=error,
            changed_at=row["changed_at"],
        )
    )
    return True


async def find_task(tx: UnitOfWork, task_id: UUID) -> dict[str, Any] | None:
    """Return {task_id, school_id, kind, state, epoch} of a task; None if this service has not recorded it."""
    return await tx.row(SELECT_TASK, {"task_id": task_id})


async def has_ended(tx: UnitOfWork, task_id: UUID) -> bool:
    """Whether a task has ended in this service.

    A cancel may arrive before the request of its task, because different queues have no common order. The reaction to
    the cancel then calls `track` with `cancelled`, which leaves a tombstone. The request's handler checks it here
    first.
    """
    return await tx.row(SELECT_ENDED_TASK, {"task_id": task_id, "final": sorted(FINAL)}) is not None
