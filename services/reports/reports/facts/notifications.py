"""Facts about notifications: what was sent, what reached people, what was read."""

from collections.abc import Mapping, Sequence

from reports.facts.rows import add_rows
from shared.events import NotificationCompleted, NotificationRead
from shared.projections.projector import LoggedEvent
from shared.transactions.unit_of_work import UnitOfWork

DELIVERED = ("accepted", "read")
SENT = (*DELIVERED, "failed")
"""States of deliveries that were given to a provider; suppressed, cancelled and expired ones were not."""

# Add completions of notifications.
ADD_COMPLETED = """
INSERT INTO notification_fact (notification_id, log_offset, school_id, completed_at, sent, delivered)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(notification_id uuid, log_offset bigint, school_id uuid,
                                                completed_at timestamptz, sent bigint, delivered bigint)
ON CONFLICT DO NOTHING
"""
# Add who has read what. The first reading counts.
ADD_READ = """
INSERT INTO read_fact AS f (notification_id, person_id, log_offset, school_id, read_at)
SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(notification_id uuid, person_id uuid, log_offset bigint,
                                                school_id uuid, read_at timestamptz)
ON CONFLICT (notification_id, person_id) DO UPDATE SET log_offset = excluded.log_offset, read_at = excluded.read_at
WHERE excluded.log_offset < f.log_offset
"""


async def add_completed(tx: UnitOfWork, facts: Sequence[tuple[NotificationCompleted, LoggedEvent]]) -> None:
    """Add completions."""
    rows = [
        {
            "notification_id": str(event.notification_id),
            "school_id": str(event.school_id),
            "log_offset": each.offset,
            "completed_at": each.at.isoformat(),
            "sent": _count(event.counts, SENT),
            "delivered": _count(event.counts, DELIVERED),
        }
        for event, each in facts
    ]
    await add_rows(tx, ADD_COMPLETED, rows, "notification_id", "log_offset")


async def add_read(tx: UnitOfWork, facts: Sequence[tuple[NotificationRead, LoggedEvent]]) -> None:
    """Add readings."""
    rows = [
        event.model_dump(mode="json", include={"notification_id", "person_id", "school_id", "read_at"})
        | {"log_offset": each.offset}
        for event, each in facts
    ]
    await add_rows(tx, ADD_READ, rows, "notification_id", "person_id")


def _count(counts: Mapping[str, Mapping[str, int]], states: Sequence[str]) -> int:
    return sum(number for channel in counts.values() for state, number in channel.items() if state in states)
