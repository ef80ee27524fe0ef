"""Progress of a notification: finished deliveries, its end, and what its task says meanwhile."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from shared.events import NotificationCompleted, TaskState
from shared.events.notifications import SEND_TASK
from shared.jobs.task_status import track
from shared.transactions.unit_of_work import UnitOfWork

# Count the finished deliveries of c for notification n and decide whether a report of progress is due: at most one a
# second. What a provider `accepted` withdraws a warning: it works.
SUBTRACT = """UPDATE notification n SET outstanding = n.outstanding - c.finished,
    warning = CASE WHEN c.accepted THEN NULL ELSE n.warning END,
    told_at = CASE WHEN n.told_at < statement_timestamp() - interval '1 second' THEN statement_timestamp()
                   ELSE n.told_at END"""
SUBTRACTED = """n.notification_id, n.school_id, n.task_id, n.round_planned, n.outstanding, n.state, n.warning,
    n.told_at = statement_timestamp() AS report_due"""
SUBTRACT_FINISHED = f"""
{SUBTRACT} FROM (SELECT %(finished)s::integer AS finished, false AS accepted) c
WHERE n.notification_id = %(notification_id)s RETURNING {SUBTRACTED}
"""

# End a notification whose last delivery has finished, and close its windows (a resend opens new ones); return its
# counts as COUNT_DELIVERIES does. No row where some are outstanding, or it has ended before. A cancel that stopped no
# delivery was too late: the notification is completed.
COMPLETE_NOTIFICATION = """
WITH ended AS (
    UPDATE notification SET completed_at = statement_timestamp(),
        state = CASE WHEN state = 'sending' OR (
            SELECT bool_and(d.state <> 'cancelled') AND bool_or(d.state <> 'suppressed')
            FROM delivery d WHERE d.notification_id = %(notification_id)s) THEN 'completed' ELSE state END
    WHERE notification_id = %(notification_id)s AND outstanding = 0 AND completed_at IS NULL
      AND state IN ('sending', 'cancelled')
    RETURNING notification_id, school_id, task_id, round_planned, state AS ended_as
), closed AS (
    DELETE FROM release r USING ended WHERE r.notification_id = ended.notification_id
)
SELECT ended.*, d.channel, d.state, count(d.delivery_id) AS n
FROM ended LEFT JOIN delivery d ON d.notification_id = ended.notification_id
GROUP BY ended.notification_id, ended.school_id, ended.task_id, ended.round_planned, ended_as, d.channel, d.state
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


async def finish_deliveries(tx: UnitOfWork, notification_id: UUID, finished: int) -> None:
    """Subtract finished deliveries; end the notification with the last one, else report progress where that is due."""
    row = await tx.row(SUBTRACT_FINISHED, {"notification_id": notification_id, "finished": finished})
    if row is not None:
        await end_or_report(tx, row)


async def end_or_report(tx: UnitOfWork, row: Mapping[str, Any]) -> None:
    """End a notification without outstanding deliveries, else report its progress where that is due.

    `row` is its row as SUBTRACT left it.
    """
    if row["outstanding"] == 0:
        await complete_if_done(tx, row["notification_id"])
    elif row["report_due"]:
        await report_progress(tx, row)


async def complete_if_done(tx: UnitOfWork, notification_id: UUID) -> bool:
    """End a notification that has nothing outstanding, and its task; False where it goes on, or has ended before."""
    rows = await tx.rows(COMPLETE_NOTIFICATION, {"notification_id": notification_id})
    if not rows:
        return False
    row, counts = rows[0], _by_channel(rows)
    about = {"school_id": row["school_id"], "task_id": row["task_id"]}
    await track(
        tx,
        **about,
        kind=SEND_TASK,
        state="succeeded" if row["ended_as"] == "completed" else "cancelled",
        done=row["round_planned"],
        total=row["round_planned"],
        result={"notification_id": str(notification_id), "counts": counts},
    )
    tx.emit(NotificationCompleted(notification_id=notification_id, **about, counts=counts))
    return True


async def report_progress(tx: UnitOfWork, row: Mapping[str, Any]) -> bool:
    """Report a running task from its notification's row: school_id, task_id, round_planned, outstanding, warning.

    False for a task that has ended already: it was cancelled.
    """
    state: TaskState = "retrying" if row["warning"] else "running"
    return await track(
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
    return _by_channel(await tx.rows(COUNT_DELIVERIES, {"notification_id": notification_id}))


def _by_channel(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        if row["channel"] is not None:  # a notification without any delivery
            counts.setdefault(row["channel"], {})[row["state"]] = row["n"]
    return counts
