"""A record was corrected: what is still pending of its older versions is stopped, and nobody is told it twice.

Whatever is about one record is received and planned one at a time (an advisory lock on its origin), so that a
correction finds every older notification either planned or not yet there; one that comes after its correction is never
planned. A send under way is waited for: only then is it known who has been told.
"""

from typing import Any
from uuid import UUID

from notifier.inbox import inbox
from shared.jobs.task_status import track
from shared.transactions.unit_of_work import UnitOfWork

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%(school_id)s::uuid || %(origin)s::text, 0))"
LOCK_OF = """
SELECT pg_advisory_xact_lock(hashtextextended(school_id || origin, 0)) FROM notification
WHERE notification_id = %(notification_id)s AND origin IS NOT NULL
"""

# Deliveries first and their notifications after them: the order in which claims and outcomes lock.
STOP = """
WITH stopped AS (
    UPDATE delivery d SET state = 'cancelled', reason = 'corrected', changed_at = clock_timestamp()
    FROM notification n
    WHERE n.school_id = %(school_id)s AND n.origin = %(origin)s AND n.origin_version < %(origin_version)s
      AND d.notification_id = n.notification_id AND d.state IN ('pending', 'held')
    RETURNING d.notification_id
)
SELECT notification_id, count(*) AS n FROM stopped GROUP BY notification_id ORDER BY notification_id
"""
RETRACT = """
UPDATE notification SET retracted_at = clock_timestamp(),
    completed_at = CASE WHEN state = 'waiting' THEN clock_timestamp() ELSE completed_at END,
    state = CASE WHEN state = 'waiting' THEN 'cancelled' ELSE state END
WHERE school_id = %(school_id)s AND origin = %(origin)s AND origin_version < %(origin_version)s
  AND retracted_at IS NULL
RETURNING notification_id, task_id, school_id, state
"""
NEWER = """
SELECT max(origin_version) AS version FROM notification WHERE school_id = %(school_id)s AND origin = %(origin)s
"""
UNDER_WAY = """
SELECT 1 FROM notification n JOIN delivery d USING (notification_id)
WHERE n.school_id = %(school_id)s AND n.origin = %(origin)s AND n.origin_version < %(origin_version)s
  AND d.state = 'sending' LIMIT 1
"""
# Whom nothing else has reached, and who has not read it: it was never there.
WITHDRAW = """
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


async def lock(tx: UnitOfWork, notification_id: UUID) -> None:
    """Have the record that a notification is about for this transaction alone; before its row is locked."""
    await tx.execute(LOCK_OF, {"notification_id": notification_id})


async def received(tx: UnitOfWork, about: dict[str, Any]) -> dict[UUID, int]:
    """Stop what is older than a notification that has just come, or itself if it is older than what is here.

    `about` has school_id, origin and origin_version. Returns how many deliveries of which notification were stopped:
    they are to be settled.
    """
    if about["origin"] is None:
        return {}
    await tx.execute(LOCK, about)
    newest = await tx.row(NEWER, about)
    version = newest["version"] if newest and newest["version"] else about["origin_version"]
    return await _stop(tx, {**about, "origin_version": version})


async def cleared(tx: UnitOfWork, about: dict[str, Any]) -> tuple[bool, dict[UUID, int]]:
    """Whether nothing older is under way any more, so that who has been told is known; and what was stopped now."""
    stopped = await _stop(tx, about)
    if await tx.row(UNDER_WAY, about) is not None:
        return False, stopped
    withdrawn: dict[UUID, list[UUID]] = {}
    for row in await tx.rows(WITHDRAW, about):
        withdrawn.setdefault(row["notification_id"], []).append(row["person_id"])
    for notification_id, people in withdrawn.items():
        inbox.tell(tx, about["school_id"], notification_id, people, "read")
    return True, stopped


async def _stop(tx: UnitOfWork, about: dict[str, Any]) -> dict[UUID, int]:
    stopped = {row["notification_id"]: row["n"] for row in await tx.rows(STOP, about)}
    for row in await tx.rows(RETRACT, about):
        if row["state"] == "cancelled":
            await track(tx, row["task_id"], school_id=row["school_id"], kind="notification.send", state="cancelled")
    return stopped
