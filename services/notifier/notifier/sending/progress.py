"""Progress of a notification: finished deliveries, its end, and what its task says meanwhile."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from notifier.sending import windows
from shared.events import NotificationCompleted, TaskState
from shared.events.notifications import SEND_TASK
from shared.jobs.task_status import track
from shared.transactions.unit_of_work import UnitOfWork

# Count finished deliveries and decide whether a report of progress is due: at most one a second.
SUBTRACT_FINISHED = """
UPDATE notification SET outstanding = outstanding - %(finished)s,
    warning = CASE WHEN %(provider_works)s THEN NULL ELSE warning END,
    told_at = CASE WHEN told_at < statement_timestamp() - interval '1 second' THEN statement_timestamp()
                   ELSE told_at END
WHERE notification_id = %(notification_id)s
RETURNING notification_id, school_id, task_id, round_planned, outstanding, state, warning,
          told_at = statement_timestamp() AS report_due
"""

# End a notification whose last delivery has finished; no row where some are outstanding, or it has ended before. A
# cancel that stopped no delivery was too late: the notification is completed.
COMPLETE_NOTIFICATION = """
UPDATE notification SET completed_at = statement_timestamp(),
    state = CASE WHEN state = 'sending' OR (
        SELECT bool_and(d.state <> 'cancelled') AND bool_or(d.state <> 'suppressed')
        FROM delivery d WHERE d.notification_id = %(notification_id)s) THEN 'completed' ELSE state END
WHERE notification_id = %(notification_id)s AND outstanding = 0 AND completed_at IS NULL
  AND state IN ('sending', 'cancelled')
RETURNING notification_id, school_id, task_id, round_planned, state
"""

# Keep the reason why nothing moves; no row where it is known already.
SET_WARNING = """
UPDATE notification SET warning = %(warning)s
WHERE notification_id = %(notification_id)s AND state = 'sending' AND warning IS DISTINCT FROM %(warning)s
RETURNING school_id, task_id, round_planned, outstanding, warning
"""

# Count the deliveries of a notification by channel and state.
COUNT_DELIVERIES = """
SELECT channel, state, count(*) AS n FROM delivery WHERE notification_id = %(notification_id)s GROUP BY channel, state
"""
# Count the deliveries that reached no person by channel, state and reason, the most frequent first.
COUNT_REASONS = """
SELECT channel, state, reason, count(*) AS count FROM delivery
WHERE notification_id = %(notification_id)s AND state IN ('failed', 'suppressed', 'expired', 'cancelled', 'unknown')
  AND reason IS NOT NULL
GROUP BY channel, state, reason ORDER BY count DESC, channel, reason LIMIT 50
"""


async def finish_deliveries(
    tx: UnitOfWork, notification_id: UUID, finished: int, *, provider_works: bool = False
) -> bool:
    """Subtract finished deliveries; end the notification with the last one, else report progress where that is due.

    `provider_works` withdraws a warning: the provider has just accepted something. Return True for a notification
    that is cancelled.
    """
    values = {"notification_id": notification_id, "finished": finished, "provider_works": provider_works}
    row = await tx.row(SUBTRACT_FINISHED, values)
    if row is None:
        return False
    if row["outstanding"] == 0:
        await complete_if_done(tx, notification_id)
    elif row["report_due"]:
        await report_progress(tx, row)
    return bool(row["state"] == "cancelled")


async def complete_if_done(tx: UnitOfWork, notification_id: UUID) -> bool:
    """End a notification that has nothing outstanding, and its task; False where it goes on, or has ended before."""
    row = await tx.row(COMPLETE_NOTIFICATION, {"notification_id": notification_id})
    if row is None:
        return False
    await tx.execute(windows.CLOSE_WINDOWS, {"notification_id": notification_id})
    counts = await count_deliveries(tx, notification_id)
    about = {"school_id": row["school_id"], "task_id": row["task_id"]}
    await track(
        tx,
        **about,
        kind=SEND_TASK,
        state="succeeded" if row["state"] == "completed" else "cancelled",
        done=row["round_planned"],
        total=row["round_planned"],
        result={"notification_id": str(notification_id), "counts": counts},
    )
    tx.emit(NotificationCompleted(notification_id=notification_id, **about, counts=counts))
    return True


async def report_progress(tx: UnitOfWork, row: Mapping[str, Any]) -> None:
    """Report a running task from its notification's row: school_id, task_id, round_planned, outstanding, warning."""
    state: TaskState = "retrying" if row["warning"] else "running"
    await track(
        tx,
        row["task_id"],
        school_id=row["school_id"],
        kind=SEND_TASK,
        state=state,
        done=row["round_planned"] - row["outstanding"],
        total=row["round_planned"],
        error=row["warning"],
    )


async def report_warning(tx: UnitOfWork, notification_id: UUID, warning: str) -> None:
    """Let the task say why nothing moves, once for each reason."""
    row = await tx.row(SET_WARNING, {"notification_id": notification_id, "warning": warning})
    if row is not None:
        await report_progress(tx, row)


async def count_deliveries(tx: UnitOfWork, notification_id: UUID) -> dict[str, dict[str, int]]:
    """Return channel → state → number of deliveries."""
    counts: dict[str, dict[str, int]] = {}
    for row in await tx.rows(COUNT_DELIVERIES, {"notification_id": notification_id}):
        counts.setdefault(row["channel"], {})[row["state"]] = row["n"]
    return counts
