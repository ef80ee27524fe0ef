"""Corrections of a record: deliveries of its older versions that are still pending are stopped.

Notifications about one record are registered and planned one at a time (an advisory lock on its origin), so that a
correction finds every older notification either planned or not yet there; one that arrives after its correction is
never planned. A correction waits for a send under way: only then is it known which people received the older version.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from notifier.inbox import inbox
from notifier.sending import progress
from shared.events import NotificationIntent
from shared.events.notifications import SEND_TASK
from shared.jobs.task_status import track
from shared.transactions.unit_of_work import UnitOfWork

# Lock a record until the end of the transaction.
LOCK_RECORD = "SELECT pg_advisory_xact_lock(hashtextextended(%(school_id)s::uuid || %(origin)s::text, 0))"

# Lock the record that a notification is about.
LOCK_RECORD_OF = """
SELECT pg_advisory_xact_lock(hashtextextended(school_id || origin, 0)) FROM notification
WHERE notification_id = %(notification_id)s AND origin IS NOT NULL
"""

# Stop the deliveries of older versions. Deliveries first and their notifications after them: the order in which claims
# and outcomes lock.
STOP_DELIVERIES = """
WITH stopped AS (
    UPDATE delivery d SET state = 'cancelled', reason = 'corrected', changed_at = clock_timestamp()
    FROM notification n
    WHERE n.school_id = %(school_id)s AND n.origin = %(origin)s AND n.origin_version < %(origin_version)s
      AND d.notification_id = n.notification_id AND d.state IN ('pending', 'held')
    RETURNING d.notification_id
)
SELECT notification_id, count(*) AS n FROM stopped GROUP BY notification_id ORDER BY notification_id
"""

# Mark older versions as corrected; one that waits is never planned.
RETRACT_NOTIFICATIONS = """
UPDATE notification SET retracted_at = clock_timestamp(),
    completed_at = CASE WHEN state = 'waiting' THEN clock_timestamp() ELSE completed_at END,
    state = CASE WHEN state = 'waiting' THEN 'cancelled' ELSE state END
WHERE school_id = %(school_id)s AND origin = %(origin)s AND origin_version < %(origin_version)s
  AND retracted_at IS NULL
RETURNING notification_id, task_id, school_id, state
"""

# Find the newest version of a record that is here.
SELECT_NEWEST = """
SELECT max(origin_version) AS version FROM notification WHERE school_id = %(school_id)s AND origin = %(origin)s
"""

# Find out whether a worker is sending an older version at the moment.
SELECT_UNDER_WAY = """
SELECT 1 FROM notification n JOIN delivery d USING (notification_id)
WHERE n.school_id = %(school_id)s AND n.origin = %(origin)s AND n.origin_version < %(origin_version)s
  AND d.state = 'sending' LIMIT 1
"""

# Withdraw unread inbox items of older versions from people whom no other channel has reached: for them it never was.
WITHDRAW_ITEMS = """
UPDATE inbox_item i SET withdrawn_at = clock_timestamp()
FROM notification n
WHERE n.school_id = %(school_id)s AND n.origin = %(origin)s AND n.origin_version < %(origin_version)s
  AND i.notification_id = n.notification_id AND i.read_at IS NULL AND i.withdrawn_at IS NULL
  AND NOT EXISTS (
      SELECT FROM notification o JOIN delivery d USING (notification_id)
      WHERE o.school_id = n.school_id AND o.origin = n.origin AND o.origin_version < %(origin_version)s
        AND d.person_id = i.person_id AND d.channel <> 'inbox'
        AND (d.state IN ('accepted', 'read', 'unknown') OR EXISTS (
            SELECT FROM attempt a WHERE a.delivery_id = d.delivery_id
              AND (a.outcome IS NULL OR a.outcome IN ('accepted', 'unknown')))))
RETURNING i.notification_id, i.person_id
"""


async def lock_record_of(tx: UnitOfWork, notification_id: UUID) -> None:
    """Lock the record that a notification is about, for this transaction; to be done before its row is locked."""
    await tx.execute(LOCK_RECORD_OF, {"notification_id": notification_id})


async def register(tx: UnitOfWork, event: NotificationIntent) -> None:
    """Stop the versions older than a notification that has just arrived, or that one where a newer one is here."""
    if event.origin is None:
        return
    record = {"school_id": event.school_id, "origin": event.origin}
    await tx.execute(LOCK_RECORD, record)
    newest = await tx.row(SELECT_NEWEST, record)
    version = newest["version"] if newest and newest["version"] else event.origin_version
    await _stop_older(tx, record | {"origin_version": version})


async def can_plan(tx: UnitOfWork, notification: Mapping[str, Any]) -> bool:
    """Stop older versions; return whether none is under way, so that it is known which people received them."""
    if notification["origin"] is None:
        return True
    record = {name: notification[name] for name in ("school_id", "origin", "origin_version")}
    await _stop_older(tx, record)
    if await tx.row(SELECT_UNDER_WAY, record) is not None:
        return False
    withdrawn: dict[UUID, list[UUID]] = {}
    for row in await tx.rows(WITHDRAW_ITEMS, record):
        withdrawn.setdefault(row["notification_id"], []).append(row["person_id"])
    for notification_id, people in withdrawn.items():
        inbox.announce_change(tx, record["school_id"], notification_id, people, "read")
    return True


async def _stop_older(tx: UnitOfWork, record: dict[str, Any]) -> None:
    stopped = await tx.rows(STOP_DELIVERIES, record)
    for row in await tx.rows(RETRACT_NOTIFICATIONS, record):
        if row["state"] == "cancelled":
            await track(tx, row["task_id"], school_id=row["school_id"], kind=SEND_TASK, state="cancelled")
    for row in stopped:
        await progress.finish_deliveries(tx, row["notification_id"], row["n"])
