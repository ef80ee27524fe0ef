"""Resend: one more round for the people whom a notification failed to reach, at the addresses of today."""

from typing import Any
from uuid import UUID

from notifier.planning import planner, sql
from notifier.sending import progress
from shared.events.notifications import SEND_TASK
from shared.jobs.task_status import track
from shared.transactions.unit_of_work import UnitOfWork

FAILED = ("failed",)
FAILED_OR_UNKNOWN = ("failed", "unknown")
"""A delivery without an answer may have arrived: a second one is sent only where the request includes it."""

# Open the next round of a notification that has ended, is still valid and failed to reach a person.
OPEN_ROUND = """
UPDATE notification n SET state = 'sending', round = round + 1, task_id = %(task_id)s, completed_at = NULL,
    told_at = clock_timestamp()
WHERE n.notification_id = %(notification_id)s AND n.state = 'completed' AND n.retracted_at IS NULL
  AND (n.expires_at IS NULL OR n.expires_at > clock_timestamp())
  AND EXISTS (SELECT FROM delivery d WHERE d.notification_id = n.notification_id AND d.channel <> 'inbox'
              GROUP BY d.person_id, d.channel
              HAVING bool_or(d.state = ANY(%(states)s)) AND NOT bool_or(d.state IN ('accepted', 'read')))
RETURNING n.*
"""

# Read what a refusal or a repeat is answered with.
SELECT_STANDING = """
SELECT n.state, n.round, n.expires_at <= clock_timestamp() AS expired, n.retracted_at IS NOT NULL AS corrected,
       EXISTS (SELECT FROM task_track t WHERE t.task_id = %(task_id)s) AS repeated
FROM notification n WHERE n.notification_id = %(notification_id)s
"""

# Count the suppressed deliveries of all rounds.
COUNT_SUPPRESSED = """
SELECT count(*) AS n FROM delivery WHERE notification_id = %(notification_id)s AND state = 'suppressed'
"""


async def resend(
    tx: UnitOfWork, notification_id: UUID, task_id: UUID, *, include_unknown: bool
) -> dict[str, Any] | None:
    """Plan the next round under its own task; None for an unknown notification.

    Return {"round", "task_id", "planned", "repeated"}; a task that has been opened before plans nothing again
    ("repeated": True). Return {"refused": why, "state"} for `expired`, `corrected`, `not_ended`, `nobody_failed`.
    """
    ids = {"notification_id": notification_id, "task_id": task_id}
    standing = await tx.row(SELECT_STANDING, ids)
    if standing is None:
        return None
    if standing["repeated"]:
        return {"task_id": task_id, "round": standing["round"], "planned": 0, "repeated": True}
    states = {"states": list(FAILED_OR_UNKNOWN if include_unknown else FAILED)}
    notification = await tx.row(OPEN_ROUND, ids | states)
    if notification is None:
        return {"refused": _refusal(standing), "state": standing["state"]}
    channels = [channel for channel in notification["channels"] if channel != "inbox"]
    # Without the group: each of its schools sends again to its own people.
    values = planner.plan_values(notification) | {"group_id": None, "channels": channels}
    counts = await tx.rows(sql.INSERT_RESEND, values | states)
    row = planner.start_round(tx, notification, counts)
    suppressed = await tx.row(COUNT_SUPPRESSED, ids)
    tx.emit(planner.planned_event(row, suppressed["n"] if suppressed else 0))
    planned = row["round_planned"]
    await track(tx, task_id, school_id=row["school_id"], kind=SEND_TASK, state="running", total=planned)
    await progress.complete_if_done(tx, notification_id)
    return {"task_id": task_id, "round": notification["round"], "planned": planned, "repeated": False}


def _refusal(standing: dict[str, Any]) -> str:
    if standing["corrected"]:
        return "corrected"
    if standing["expired"]:
        return "expired"
    return "nobody_failed" if standing["state"] == "completed" else "not_ended"
