"""Records and publishes the status of this service's tasks; each change has a higher version than the one before."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from shared.events.tasks import FINAL, TaskChanged, TaskState
from shared.transactions.unit_of_work import UnitOfWork

# Record the status of tasks, in one order. A final state stays final within its epoch; only a retry, which raises the
# epoch, reopens a task.
UPSERT_TASK_STATUS = """
INSERT INTO task_track AS t (task_id, school_id, kind, state, epoch, version)
SELECT task_id, school_id, kind, state, 1, 1
FROM unnest(%(tasks)s::uuid[], %(schools)s::uuid[], %(kinds)s::text[], %(states)s::text[])
    AS s(task_id, school_id, kind, state) ORDER BY task_id
ON CONFLICT (task_id) DO UPDATE SET
    state = excluded.state,
    epoch = t.epoch + %(again)s::int,
    version = CASE WHEN %(again)s THEN 1 ELSE t.version + 1 END,
    changed_at = clock_timestamp()
WHERE %(again)s OR t.state <> ALL (%(final)s)
RETURNING task_id, epoch, version, changed_at
"""

# Find the recorded status of a task.
SELECT_TASK = "SELECT task_id, school_id, kind, state, epoch FROM task_track WHERE task_id = %(task_id)s"
# Find a task that has ended.
SELECT_ENDED_TASK = "SELECT state FROM task_track WHERE task_id = %(task_id)s AND state = ANY (%(final)s)"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStatus:
    """What is published of a task."""

    task_id: UUID
    school_id: UUID | None
    kind: str
    state: TaskState
    done: int = 0
    total: int = 0
    result: dict[str, Any] | None = None
    error: str | None = None


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
    status = TaskStatus(
        task_id=task_id,
        school_id=school_id,
        kind=kind,
        state=state,
        done=done,
        total=total,
        result=result,
        error=error,
    )
    return await track_all([(tx, status)], again=again) > 0


async def track_all(changes: Sequence[tuple[UnitOfWork, TaskStatus]], *, again: bool = False) -> int:
    """Record the status of different tasks in one transaction, and publish each for the cause that it comes with.

    Returns how many have not ended already (or all, if `again` is set).
    """
    if not changes:
        return 0
    statuses = [status for _, status in changes]
    values = {
        "tasks": [status.task_id for status in statuses],
        "schools": [status.school_id for status in statuses],
        "kinds": [status.kind for status in statuses],
        "states": [status.state for status in statuses],
        "again": again,
        "final": sorted(FINAL),
    }
    # By the ids as texts: one that came from JSON is no UUID, and its change must not stay unpublished.
    recorded = {str(row["task_id"]): row for row in await changes[0][0].rows(UPSERT_TASK_STATUS, values)}
    for tx, status in changes:
        row = recorded.get(str(status.task_id))
        if row is not None:
            version = {name: row[name] for name in ("epoch", "version", "changed_at")}
            tx.emit(TaskChanged(**asdict(status), **version))
    return len(recorded)


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
