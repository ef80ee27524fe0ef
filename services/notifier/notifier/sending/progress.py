"""Progress of a notification: finished deliveries, its end, and what its task says meanwhile."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from shared.events import NotificationCompleted
from shared.events.notifications import SEND_TASK
from shared.jobs.task_status import TaskStatus, track_all
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

# End notifications whose last delivery has finished, and close their windows (a resend opens new ones); return their
# counts as COUNT_DELIVERIES does. No row where some are outstanding, or the end was before. A cancel that stopped no
# delivery was too late: the notification is completed.
COMPLETE_NOTIFICATIONS = """
WITH over AS MATERIALIZED (
    SELECT notification_id FROM notification
    WHERE notification_id = ANY(%(ids)s) AND outstanding = 0 AND completed_at IS NULL
      AND state IN ('sending', 'cancelled')
    ORDER BY notification_id FOR NO KEY UPDATE
), ended AS (
    UPDATE notification n SET completed_at = statement_timestamp(),
        state = CASE WHEN n.state = 'sending' OR (
            SELECT bool_and(d.state <> 'cancelled') AND bool_or(d.state <> 'suppressed')
            FROM delivery d WHERE d.notification_id = n.notification_id) THEN 'completed' ELSE n.state END
    FROM over WHERE n.notification_id = over.notification_id
    RETURNING n.notification_id, n.school_id, n.task_id, n.round_planned, n.state AS ended_as
), closed AS (
    DELETE FROM release r USING ended WHERE r.notification_id = ended.notification_id
)
SELECT e.*, d.channel, d.state, d.n FROM ended e LEFT JOIN LATERAL (
    SELECT channel, state, count(*) AS n FROM delivery WHERE notification_id = e.notification_id
    GROUP BY channel, state) d ON true
"""

# Keep the reason why nothing moves; no row where it is known already.
SET_WARNING = """
UPDATE notification SET warning = %(warning)s
WHERE notification_id = %(notification_id)s AND state = 'sending' AND warning IS DISTINCT FROM %(warning)s
RETURNING school_id, task_id, round_planned, outstanding, warning
"""

# Count the deliveries of a notification by channel, state and reason.
COUNT_DELIVERIES = """
SELECT channel, state, reason, count(*) AS n FROM delivery WHERE notification_id = %(notification_id)s
GROUP BY channel, state, reason ORDER BY n DESC, channel, reason
"""
REACHED_NO_PERSON = frozenset({"failed", "suppressed", "expired", "cancelled", "unknown"})
"""States of deliveries whose reasons are counted."""
MOST_REASONS = 50


async def finish_deliveries(tx: UnitOfWork, notification_id: UUID, finished: int) -> None:
    """Subtract finished deliveries; end the notification with the last one, else report progress where that is due."""
    row = await tx.row(SUBTRACT_FINISHED, {"notification_id": notification_id, "finished": finished})
    if row is not None:
        await end_or_report([(tx, row)])


async def end_or_report(subtracted: Sequence[tuple[UnitOfWork, Mapping[str, Any]]]) -> None:
    """End notifications without outstanding deliveries, and report the progress of others where that is due.

    They are rows as SUBTRACT left them, each with the part of one transaction that publishes its events.
    """
    due = [(tx, _status_of(row)) for tx, row in subtracted if row["outstanding"] and row["report_due"]]
    ended = {row["notification_id"]: tx for tx, row in subtracted if not row["outstanding"]}
    await _end(ended, due)


async def complete_if_done(tx: UnitOfWork, notification_id: UUID) -> bool:
    """End a notification that has nothing outstanding, and its task; False where it goes on, or has ended before."""
    return await _end({notification_id: tx}, []) > 0


async def _end(ended: Mapping[UUID, UnitOfWork], reports: list[tuple[UnitOfWork, TaskStatus]]) -> int:
    """End notifications, and report the status of other tasks with them; return how many have ended."""
    rows: dict[UUID, list[dict[str, Any]]] = {}
    if ended:
        tx = next(iter(ended.values()))
        for row in await tx.rows(COMPLETE_NOTIFICATIONS, {"ids": sorted(ended)}):
            rows.setdefault(row["notification_id"], []).append(row)
    for notification_id, group in rows.items():
        tx, row, counts = ended[notification_id], group[0], _by_channel(group)
        about = {"school_id": row["school_id"], "task_id": row["task_id"]}
        status = TaskStatus(
            **about,
            kind=SEND_TASK,
            state="succeeded" if row["ended_as"] == "completed" else "cancelled",
            done=row["round_planned"],
            total=row["round_planned"],
            result={"notification_id": str(notification_id), "counts": counts},
        )
        reports.append((tx, status))
        tx.emit(NotificationCompleted(notification_id=notification_id, **about, counts=counts))
    await track_all(reports)
    return len(rows)


async def report_progress(tx: UnitOfWork, row: Mapping[str, Any]) -> bool:
    """Report a running task from its notification's row; False for one that has ended already: it was cancelled."""
    return await track_all([(tx, _status_of(row))]) > 0


def _status_of(row: Mapping[str, Any]) -> TaskStatus:
    """Make a running task's status of school_id, task_id, round_planned, outstanding and warning."""
    return TaskStatus(
        task_id=row["task_id"],
        school_id=row["school_id"],
        kind=SEND_TASK,
        state="retrying" if row["warning"] else "running",
        done=row["round_planned"] - row["outstanding"],
        total=row["round_planned"],
        error=row["warning"],
    )


async def report_warning(tx: UnitOfWork, notification_id: UUID, warning: str) -> None:
    """Let the task say why nothing moves, once for each reason."""
    row = await tx.row(SET_WARNING, {"notification_id": notification_id, "warning": warning})
    if row is not None:
        await report_progress(tx, row)


async def count_deliveries(
    tx: UnitOfWork, notification_id: UUID
) -> tuple[dict[str, dict[str, int]], list[dict[str, Any]]]:
    """Return channel → state → deliveries, and the reasons of those that reached no person, the most frequent first.

    A reason is a row of channel, state, reason and n.
    """
    rows = await tx.rows(COUNT_DELIVERIES, {"notification_id": notification_id})
    reasons = [row for row in rows if row["state"] in REACHED_NO_PERSON and row["reason"] is not None]
    return _by_channel(rows), reasons[:MOST_REASONS]


def _by_channel(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        if row["channel"] is not None:  # a notification without any delivery
            states = counts.setdefault(row["channel"], {})
            states[row["state"]] = states.get(row["state"], 0) + row["n"]
    return counts
