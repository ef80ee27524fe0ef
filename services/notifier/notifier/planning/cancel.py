"""Stop: a notification that nobody is to be told of any more, by decision, by correction, or because it is over."""

from typing import Any
from uuid import UUID

from notifier.planning import planner
from shared.transactions.unit_of_work import UnitOfWork

# One statement decides. For an id that is not known yet it leaves a tombstone, which meets the intent when it comes.
CANCEL = """
INSERT INTO notification (notification_id, school_id, task_id, kind, state, urgent, audience, channels, title, body,
                          data, directory_version, requested_at, tombstone)
VALUES (%(notification_id)s, %(school_id)s, %(notification_id)s, 'general', 'cancelled', false, '{}', '{}', '', '',
        '{}', 0, clock_timestamp(), true)
ON CONFLICT (notification_id) DO UPDATE SET state = 'cancelled'
WHERE notification.state IN ('waiting', 'sending') AND notification.school_id = excluded.school_id
RETURNING notification_id, tombstone
"""
KNOWN = """
UPDATE notification SET state = 'cancelled'
WHERE task_id = %(task_id)s AND state IN ('waiting', 'sending') RETURNING notification_id
"""
STATE = "SELECT state, tombstone FROM notification WHERE notification_id = %(notification_id)s"

# What is being sent ends by its outcome; rows that a claim holds at this moment are being sent.
DELIVERIES = """
WITH open AS (
    SELECT delivery_id FROM delivery
    WHERE notification_id = %(notification_id)s AND state IN ('pending', 'held') FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE delivery d SET state = 'cancelled', reason = 'cancelled', changed_at = clock_timestamp()
    FROM open WHERE d.delivery_id = open.delivery_id RETURNING 1
)
SELECT count(*) AS n FROM moved
"""

# What is over: expired, or stopped while some of it was in a worker's hands and came back.
OVER = """
WITH over AS (
    (SELECT notification_id, state FROM notification
     WHERE state = 'sending' AND expires_at <= clock_timestamp() LIMIT 100)
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


async def cancel(tx: UnitOfWork, notification_id: UUID, school_id: UUID) -> dict[str, Any]:
    """Stop a notification: {"state", "stopped", "cancelled"}; `stopped` is False when it was too late for that.

    `cancelled` counts the deliveries that will not be made; none, and a tombstone, for an id that nobody knows yet.
    """
    ids = {"notification_id": notification_id}
    row = await tx.row(CANCEL, ids | {"school_id": school_id})
    if row is None:
        found = await tx.row(STATE, ids)
        state = found["state"] if found else "unknown"
        return {"state": state, "stopped": state == "cancelled", "cancelled": 0}
    if row["tombstone"]:
        return {"state": "cancelled", "stopped": True, "cancelled": 0}
    return {"state": "cancelled", "stopped": True, "cancelled": await _deliveries(tx, notification_id)}


async def cancel_task(tx: UnitOfWork, task_id: UUID) -> bool:
    """Stop the notification of a task; False when there is none, or it was too late."""
    row = await tx.row(KNOWN, {"task_id": task_id})
    if row is not None:
        await _deliveries(tx, row["notification_id"])
    return row is not None


async def _deliveries(tx: UnitOfWork, notification_id: UUID) -> int:
    row = await tx.row(DELIVERIES, {"notification_id": notification_id})
    cancelled = int(row["n"]) if row else 0
    await planner.settle(tx, notification_id, cancelled)
    return cancelled


async def end_what_is_over(tx: UnitOfWork) -> int:
    """Expire and cancel what still waits of notifications that are over; returns how many deliveries."""
    rows = await tx.rows(OVER)
    for row in rows:
        await planner.settle(tx, row["notification_id"], row["n"])
    return sum(row["n"] for row in rows)
