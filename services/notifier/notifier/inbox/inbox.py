"""People's inboxes: the items in the app, and which of them have been read."""

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

from notifier.escalation.escalation import close_cases
from shared.events import InboxChanged, NotificationRead
from shared.transactions.unit_of_work import UnitOfWork

MAX_PEOPLE_PER_EVENT = 1000
MAX_MARKED = 1000

# Read a page of a person's items, newest first: in the person's present language where that was rendered, else with the
# notification's own text.
SELECT_ITEMS = """
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

# Count the unread items of a person.
COUNT_UNREAD = """
SELECT count(*) AS unread FROM inbox_item
WHERE person_id = %(person)s AND school_id = (SELECT bound_school()) AND read_at IS NULL AND withdrawn_at IS NULL
"""

# Find an item of a person.
SELECT_ITEM = """
SELECT read_at FROM inbox_item WHERE person_id = %(person)s AND notification_id = %(notification_id)s
  AND withdrawn_at IS NULL
"""

# Mark one item read, and acknowledged; no row where nothing changes.
MARK_READ = """
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

# Mark items read, the oldest first, so that the newest are left over. `up_to` is the newest item that the app has
# shown: a later one stays unread.
MARK_ALL_READ = """
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


def announce_change(
    tx: UnitOfWork,
    school: UUID,
    notification: UUID,
    people: Sequence[UUID],
    reason: Literal["added", "read"],
) -> None:
    """Emit that inboxes changed, in events of at most MAX_PEOPLE_PER_EVENT people."""
    for start in range(0, len(people), MAX_PEOPLE_PER_EVENT):
        some = tuple(people[start : start + MAX_PEOPLE_PER_EVENT])
        tx.emit(InboxChanged(school_id=school, notification_id=notification, people=some, reason=reason))


def announce_added(tx: UnitOfWork, notification: dict[str, Any], counts: Sequence[dict[str, Any]]) -> None:
    """Emit that a planned notification is in the inboxes of its people, as its planning counted them."""
    for row in counts:
        if (row["channel"], row["state"]) == ("inbox", "accepted"):
            announce_change(tx, notification["school_id"], notification["notification_id"], row["people"], "added")


async def mark_read(tx: UnitOfWork, person: UUID, notification_id: UUID, *, acknowledged: bool) -> bool:
    """Mark one item read, and acknowledged; False where the person has no such item. A repeat changes nothing."""
    values = {"person": person, "notification_id": notification_id, "acknowledged": acknowledged}
    row = await tx.row(MARK_READ, values)
    if row is None:
        return await tx.row(SELECT_ITEM, values) is not None
    await _announce_read(tx, [row], acknowledged=acknowledged)
    return True


async def mark_all_read(tx: UnitOfWork, person: UUID, up_to: int | None) -> int:
    """Mark items read up to one, at most MAX_MARKED; return how many are still unread."""
    rows = await tx.rows(MARK_ALL_READ, {"person": person, "up_to": up_to, "limit": MAX_MARKED})
    if rows:
        await _announce_read(tx, rows, acknowledged=False)
    return await count_unread(tx, person)


async def count_unread(tx: UnitOfWork, person: UUID) -> int:
    """Return how many items a person has not read in the bound school."""
    row = await tx.row(COUNT_UNREAD, {"person": person})
    assert row is not None
    return int(row["unread"])


async def _announce_read(tx: UnitOfWork, rows: Sequence[dict[str, Any]], *, acknowledged: bool) -> None:
    """Emit that items were read, and close the escalation cases about them."""
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
    announce_change(tx, last["school_id"], last["notification_id"], [last["person_id"]], "read")
    await close_cases(tx, [row["notification_id"] for row in rows], last["person_id"])
