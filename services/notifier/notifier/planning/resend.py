"""Resend: a round more for those whom a notification failed to reach, at the addresses they have now."""

from typing import Any
from uuid import UUID

from notifier.planning import planner
from notifier.planning import sql as planning_sql
from shared.events import NotificationPlanned
from shared.jobs.task_status import track
from shared.transactions.unit_of_work import UnitOfWork

FAILED_STATES = ("failed",)
SILENT_STATES = ("failed", "unknown")
"""What never answered may have arrived: only whoever asks for it gets it a second time."""

# One statement decides: ended, not over, somebody failed. The task is the new round's.
REOPEN = """
UPDATE notification n SET state = 'sending', round = round + 1, task_id = %(task_id)s, completed_at = NULL,
    told_at = clock_timestamp()
WHERE n.notification_id = %(notification_id)s AND n.state = 'completed' AND n.retracted_at IS NULL
  AND (n.expires_at IS NULL OR n.expires_at > clock_timestamp())
  AND EXISTS (SELECT FROM delivery d WHERE d.notification_id = n.notification_id AND d.channel <> 'inbox'
              GROUP BY d.person_id, d.channel
              HAVING bool_or(d.state = ANY(%(states)s)) AND NOT bool_or(d.state IN ('accepted', 'read')))
RETURNING n.*
"""
FOUND = """
SELECT n.state, n.round, n.planned, n.task_id, n.expires_at <= clock_timestamp() AS expired,
       n.retracted_at IS NOT NULL AS corrected,
       EXISTS (SELECT FROM task_track t WHERE t.task_id = %(task_id)s) AS repeated
FROM notification n WHERE n.notification_id = %(notification_id)s
"""


async def resend(tx: UnitOfWork, notification_id: UUID, task_id: UUID, *, silent: bool) -> dict[str, Any] | None:
    """Plan the next round under its own task; None for an unknown notification.

    {"round", "task_id", "planned"} of the new round, or of nothing new where this task has been opened before
    ({"repeated": True}), or {"refused": why, "state"}: `expired`, `corrected`, `not_ended`, `nobody_failed`.
    """
    ids = {"notification_id": notification_id, "task_id": task_id}
    found = await tx.row(FOUND, ids)
    if found is None:
        return None
    if found["repeated"]:
        return {"task_id": task_id, "round": found["round"], "planned": 0, "repeated": True}
    states = list(SILENT_STATES if silent else FAILED_STATES)
    notification = await tx.row(REOPEN, ids | {"states": states})
    if notification is None:
        ended = found["state"] == "completed"
        over = "corrected" if found["corrected"] else "expired" if found["expired"] else None
        why = over or ("nobody_failed" if ended else "not_ended")
        return {"refused": why, "state": found["state"]}
    channels = [channel for channel in notification["channels"] if channel != "inbox"]
    values = planning_sql.parameters(notification) | {"group_id": None, "channels": channels, "states": states}
    counts = await tx.rows(planning_sql.RESEND, values)
    planned = await planner.release(tx, notification, counts)
    about = {"notification_id": notification_id, "school_id": notification["school_id"], "task_id": task_id}
    suppressed = await tx.row(SUPPRESSED, ids)
    tx.emit(
        NotificationPlanned(
            **about,
            planned=notification["planned"] + planned,
            suppressed=suppressed["n"] if suppressed else 0,
        )
    )
    await track(tx, task_id, school_id=notification["school_id"], kind=planner.KIND, state="running", total=planned)
    await planner.settle(tx, notification_id, 0)
    return {"task_id": task_id, "round": notification["round"], "planned": planned, "repeated": False}


SUPPRESSED = """
SELECT count(*) AS n FROM delivery WHERE notification_id = %(notification_id)s AND state = 'suppressed'
"""
