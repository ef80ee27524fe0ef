"""Drops the results of tasks after a time, and the tasks themselves after a longer one."""

from gateway.settings import Settings
from shared.events import TasksExpiryDue
from shared.jobs.task_status import track
from shared.service.retention import Policy
from shared.transactions.unit_of_work import UnitOfWork

KIND = "tasks.expiry"
AT_ONCE = 1_000

ENDED = """
task.state IN ('succeeded', 'failed', 'cancelled')
AND task.changed_at < clock_timestamp() - make_interval(days => %(days)s)
"""
WITH_RESULT = f"(task.result IS NOT NULL OR task.error IS NOT NULL) AND {ENDED}"
DROP = "UPDATE task SET result = NULL, error = NULL"
INTENTS = """
intent.created_at < clock_timestamp() - make_interval(days => %(days)s)
AND NOT EXISTS (SELECT FROM task t WHERE t.task_id = intent.task_id)
"""
# Drop the results of some tasks that ended long ago.
DROP_RESULTS = f"""
{DROP} WHERE task_id = ANY (ARRAY (
    SELECT task_id FROM task WHERE {WITH_RESULT} ORDER BY changed_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
"""  # noqa: S608  # constants


def of_tasks(settings: Settings) -> tuple[Policy, ...]:
    """Return the policies of tasks: the result goes first, then the task, then the notification's link to it."""
    return (
        Policy("task", WITH_RESULT, settings.result_days, DROP),
        Policy("task", ENDED, settings.task_days),
        Policy("intent", INTENTS, settings.task_days),
    )


async def expire_results(event: TasksExpiryDue, tx: UnitOfWork, days: int) -> None:
    """Drop expired results, as a task with their number. Very many are left to the periodic task."""
    expired = (await tx.execute(DROP_RESULTS, {"days": days, "limit": AT_ONCE})).rowcount
    await track(tx, event.task_id, school_id=None, kind=KIND, state="succeeded", result={"expired": expired})
