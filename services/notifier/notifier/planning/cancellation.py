"""Ends notifications early: by a decision, or because they have expired."""

from typing import Any
from uuid import UUID

from notifier.sending import progress
from shared.transactions.unit_of_work import UnitOfWork

# Cancel a notification. An id that is not known yet gets a tombstone, which the intent finds when it arrives.
CANCEL_NOTIFICATION = """
INSERT INTO notification (notification_id, school_id, task_id, kind, state, urgent, audience, channels, title, body,
                          data, directory_version, requested_at, tombstone)
VALUES (%(notification_id)s, %(school_id)s, %(notification_id)s, 'general', 'cancelled', false, '{}', '{}', '', '',
        '{}', 0, clock_timestamp(), true)
ON CONFLICT (notification_id) DO UPDATE SET state = 'cancelled'
WHERE notification.state IN ('waiting', 'sending') AND notification.school_id = excluded.school_id
RETURNING notification_id, tombstone
"""

# Cancel the notification of a task; no row where it is unknown or has ended.
CANCEL_TASK = """
UPDATE notification SET state = 'cancelled'
WHERE task_id = %(task_id)s AND state IN ('waiting', 'sending') RETURNING notification_id
"""

# Read how a notification stands that could not be cancelled.
SELECT_STATE = "SELECT state FROM notification WHERE notification_id = %(notification_id)s"

# Cancel deliveries that have not begun. One that is being sent, or that a claim holds at this moment, ends by its
# outcome.
CANCEL_DELIVERIES = """
WITH open AS (
    SELECT delivery_id FROM delivery
    WHERE notification_id = %(notification_id)s AND state IN ('pending', 'held') FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE delivery d SET state = 'cancelled', reason = 'cancelled', changed_at = clock_timestamp()
    FROM open WHERE d.delivery_id = open.delivery_id RETURNING 1
)
SELECT count(*) AS n FROM moved
"""

# Count the deliveries that a cancel stopped, once all have ended.
COUNT_STOPPED = """
SELECT n.state, count(d.delivery_id) AS cancelled FROM notification n
LEFT JOIN delivery d ON d.notification_id = n.notification_id AND d.state = 'cancelled'
WHERE n.notification_id = %(notification_id)s AND (n.completed_at IS NOT NULL OR n.tombstone OR NOT EXISTS (
    SELECT FROM delivery o WHERE o.notification_id = n.notification_id))
GROUP BY n.notification_id
"""

# End the deliveries of notifications that have expired, or that were cancelled while a worker held some of them.
END_OVERDUE = """
WITH over AS (
    (SELECT notification_id, state FROM notification
     WHERE state = 'sending' AND expires_at <= statement_timestamp() LIMIT 100)
    UNION ALL
    (SELECT notification_id, state FROM notification WHERE state = 'cancelled' AND completed_at IS NULL LIMIT 100)
), open AS (
    SELECT d.delivery_id, over.state AS why FROM over JOIN delivery d USING (notification_id)
    WHERE d.state IN ('pending', 'held') LIMIT 5000 FOR UPDATE OF d SKIP LOCKED
), moved AS (
    UPDATE delivery d SET state = CASE open.why WHEN 'cancelled' THEN 'cancelled' ELSE 'expired' END,
        reason = CASE WHEN open.why = 'cancelled' THEN 'cancelled'
                      WHEN d.state = 'held' THEN 'expired_while_held' ELSE 'expired' END,
        changed_at = clock_timestamp()
    FROM open WHERE d.delivery_id = open.delivery_id RETURNING d.notification_id
)
SELECT notification_id, count(*) AS n FROM moved GROUP BY notification_id ORDER BY notification_id
"""


async def cancel_notification(tx: UnitOfWork, notification_id: UUID, school_id: UUID) -> dict[str, Any]:
    """Cancel a notification; return {"state", "stopped", "cancelled"}, with `stopped` False where it was too late.

    `cancelled` counts the deliveries that will not be made: none for an id that is not known yet.
    """
    ids = {"notification_id": notification_id}
    row = await tx.row(CANCEL_NOTIFICATION, ids | {"school_id": school_id})
    if row is None:
        found = await tx.row(SELECT_STATE, ids)
        state = found["state"] if found else "unknown"
        return {"state": state, "stopped": state == "cancelled", "cancelled": 0}
    cancelled = 0 if row["tombstone"] else await cancel_deliveries(tx, notification_id)
    return {"state": "cancelled", "stopped": True, "cancelled": cancelled}


async def count_stopped(tx: UnitOfWork, notification_id: UUID) -> dict[str, Any] | None:
    """Return {"state", "cancelled"} once the deliveries under way have ended; None while some have not."""
    return await tx.row(COUNT_STOPPED, {"notification_id": notification_id})


async def cancel_task(tx: UnitOfWork, task_id: UUID) -> bool:
    """Cancel the notification of a task; False where there is none, or it has ended."""
    row = await tx.row(CANCEL_TASK, {"task_id": task_id})
    if row is not None:
        await cancel_deliveries(tx, row["notification_id"])
    return row is not None


async def cancel_deliveries(tx: UnitOfWork, notification_id: UUID) -> int:
    """Cancel the deliveries of a notification that have not begun; return how many."""
    row = await tx.row(CANCEL_DELIVERIES, {"notification_id": notification_id})
    cancelled = int(row["n"]) if row else 0
    await progress.finish_deliveries(tx, notification_id, cancelled)
    return cancelled


async def end_overdue(tx: UnitOfWork) -> None:
    """Expire or cancel the open deliveries of notifications that are over."""
    for row in await tx.rows(END_OVERDUE):
        await progress.finish_deliveries(tx, row["notification_id"], row["n"])
