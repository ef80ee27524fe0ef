"""People's inboxes: what they were told in the app, and what of it they have read."""

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

from notifier.escalation import escalation
from shared.events import InboxChanged, NotificationRead
from shared.transactions.unit_of_work import UnitOfWork

PEOPLE_AN_EVENT = 1000
READ_AT_ONCE = 1000

PEOPLE = "SELECT person_id FROM inbox_item WHERE notification_id = %(notification_id)s ORDER BY person_id"

# In the language that the person speaks today, if it was rendered; else as the notification itself says it.
PAGE = """
SELECT i.item_id, i.notification_id, n.kind, n.urgent, n.correction, n.data, i.created_at, i.read_at, i.acknowledged_at,
       n.escalation IS NOT NULL OR n.escalates IS NOT NULL AS must_reach, r.spoken AS language,
       coalesce(r.title, n.title) AS title, coalesce(r.body, n.body) AS body
FROM inbox_item i
JOIN notification n USING (notification_id)
JOIN school s ON s.school_id = i.school_id
LEFT JOIN person p ON p.person_id = i.person_id
LEFT JOIN rendering r ON r.notification_id = i.notification_id AND r.language = coalesce(p.language, s.language)
WHERE i.person_id = %(person)s AND i.school_id = (SELECT bound_school()) AND i.withdrawn_at IS NULL
  AND (%(after)s::bigint IS NULL OR i.item_id < %(after)s) AND (NOT %(unread)s OR i.read_at IS NULL)
ORDER BY i.item_id DESC LIMIT %(limit)s
"""
UNREAD = """
SELECT count(*) AS unread FROM inbox_item
WHERE person_id = %(person)s AND school_id = (SELECT bound_school()) AND read_at IS NULL AND withdrawn_at IS NULL
"""
HAS = """
SELECT read_at FROM inbox_item WHERE person_id = %(person)s AND notification_id = %(notification_id)s
  AND withdrawn_at IS NULL
"""
READ = """
WITH item AS (
    UPDATE inbox_item SET read_at = coalesce(read_at, clock_timestamp()),
        acknowledged_at = CASE WHEN %(acknowledged)s THEN clock_timestamp() ELSE acknowledged_at END
    WHERE person_id = %(person)s AND notification_id = %(notification_id)s AND withdrawn_at IS NULL
      AND (read_at IS NULL OR (%(acknowledged)s AND acknowledged_at IS NULL))
    RETURNING notification_id, person_id, school_id, read_at
), delivered AS (
    UPDATE delivery d SET state = 'read', changed_at = clock_timestamp() FROM item
    WHERE d.notification_id = item.notification_id AND d.person_id = item.person_id AND d.channel = 'inbox'
      AND d.state = 'accepted'
)
SELECT * FROM item
"""
# The oldest first, so that what is left over is the newest. `up_to` is what the app has shown: nothing newer is read.
READ_ALL = """
WITH unread AS (
    SELECT notification_id FROM inbox_item
    WHERE person_id = %(person)s AND school_id = (SELECT bound_school()) AND read_at IS NULL AND withdrawn_at IS NULL
      AND (%(up_to)s::bigint IS NULL OR item_id <= %(up_to)s)
    ORDER BY item_id LIMIT %(limit)s FOR UPDATE
), item AS (
    UPDATE inbox_item i SET read_at = clock_timestamp() FROM unread
    WHERE i.person_id = %(person)s AND i.notification_id = unread.notification_id
    RETURNING i.notification_id, i.person_id, i.school_id, i.read_at, i.item_id
), delivered AS (
    UPDATE delivery d SET state = 'read', changed_at = clock_timestamp() FROM item
    WHERE d.notification_id = item.notification_id AND d.person_id = item.person_id AND d.channel = 'inbox'
      AND d.state = 'accepted'
)
SELECT * FROM item ORDER BY item_id
"""


def tell(
    tx: UnitOfWork, school: UUID, notification: UUID, people: Sequence[UUID], reason: Literal["added", "read"]
) -> None:
    """Let the apps of people know, in events of no more than PEOPLE_AN_EVENT."""
    for start in range(0, len(people), PEOPLE_AN_EVENT):
        some = tuple(people[start : start + PEOPLE_AN_EVENT])
        tx.emit(InboxChanged(school_id=school, notification_id=notification, people=some, reason=reason))


async def announce(tx: UnitOfWork, notification: dict[str, Any]) -> None:
    """A planned notification is in these people's inboxes now."""
    if "inbox" not in notification["channels"]:
        return
    rows = await tx.rows(PEOPLE, {"notification_id": notification["notification_id"]})
    people = [row["person_id"] for row in rows]
    tell(tx, notification["school_id"], notification["notification_id"], people, "added")


async def read(tx: UnitOfWork, person: UUID, notification_id: UUID, *, acknowledged: bool) -> bool:
    """Mark one item read, and acknowledged; False where the person has no such item. A repeat changes nothing."""
    values = {"person": person, "notification_id": notification_id, "acknowledged": acknowledged}
    row = await tx.row(READ, values)
    if row is None:
        return await tx.row(HAS, values) is not None
    await _told_of(tx, [row], acknowledged=acknowledged)
    return True


async def read_all(tx: UnitOfWork, person: UUID, up_to: int | None) -> int:
    """Mark everything read up to an item, READ_AT_ONCE of it; how many are unread still."""
    rows = await tx.rows(READ_ALL, {"person": person, "up_to": up_to, "limit": READ_AT_ONCE})
    if rows:
        await _told_of(tx, rows, acknowledged=False)
    return await unread(tx, person)


async def unread(tx: UnitOfWork, person: UUID) -> int:
    """How many items a person has not read, in the bound school."""
    row = await tx.row(UNREAD, {"person": person})
    assert row is not None
    return int(row["unread"])


async def _told_of(tx: UnitOfWork, rows: Sequence[dict[str, Any]], *, acknowledged: bool) -> None:
    """What was read is told, and who read it has been reached."""
    for row in rows:
        tx.emit(
            NotificationRead(
                notification_id=row["notification_id"],
                school_id=row["school_id"],
                person_id=row["person_id"],
                read_at=row["read_at"],
                acknowledged=acknowledged,
            )
        )
    last = rows[-1]
    tell(tx, last["school_id"], last["notification_id"], [last["person_id"]], "read")
    await escalation.reached(tx, [row["notification_id"] for row in rows], last["person_id"])
