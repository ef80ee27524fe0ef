"""Drops the results of tasks after a time; the task and its final state stay."""

from shared.events import TasksExpiryDue
from shared.jobs.task_status import track
from shared.transactions.unit_of_work import UnitOfWork

KIND = "tasks.expiry"
KEPT_DAYS = 30

# Drop the results of tasks that ended long ago.
DROP_RESULTS = """
UPDATE task SET result = NULL, error = NULL
WHERE state IN ('succeeded', 'failed', 'cancelled') AND (result IS NOT NULL OR error IS NOT NULL)
  AND changed_at < clock_timestamp() - make_interval(days => %(days)s)
"""


async def expire_results(event: TasksExpiryDue, tx: UnitOfWork) -> None:
    """Drop expired results; the run is a task, whose result is their number."""
    expired = (await tx.execute(DROP_RESULTS, {"days": KEPT_DAYS})).rowcount
    await track(tx, event.task_id, school_id=None, kind=KIND, state="succeeded", result={"expired": expired})
