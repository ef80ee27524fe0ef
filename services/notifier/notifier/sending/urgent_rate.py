"""The rate of urgent sends: each school has its own, so that the mass of one never delays the alarm of another."""

from collections.abc import Mapping
from typing import Any

from notifier.permits import Haste
from shared.transactions.unit_of_work import UnitOfWork

URGENT_SENDS = 20
"""Urgent sends of a school within URGENT_SECONDS; more of them are sent like all others."""
URGENT_SECONDS = 10.0

# Count an urgent send of a school; return how many there are within the present interval.
COUNT_URGENT_SEND = """
INSERT INTO urgent_rate AS u (school_id, safety, began, used)
VALUES (%(school_id)s, %(safety)s, clock_timestamp(), 1)
ON CONFLICT (school_id, safety) DO UPDATE SET
    used = CASE WHEN u.began < clock_timestamp() - make_interval(secs => %(seconds)s) THEN 1 ELSE u.used + 1 END,
    began = CASE WHEN u.began < clock_timestamp() - make_interval(secs => %(seconds)s) THEN clock_timestamp()
                 ELSE u.began END
RETURNING used
"""


async def haste_of(tx: UnitOfWork, notification: Mapping[str, Any]) -> Haste:
    """Whether a notification goes before others: it is urgent or about safety, and within its school's rate.

    Safety has a rate apart, so that the other urgent sends of a school do not use it up.
    """
    haste: Haste = "safety" if notification["kind"] == "safety" else "urgent" if notification["urgent"] else "bulk"
    if haste == "bulk":
        return haste
    values = {"school_id": notification["school_id"], "safety": haste == "safety", "seconds": URGENT_SECONDS}
    row = await tx.row(COUNT_URGENT_SEND, values)
    return haste if row is not None and int(row["used"]) <= URGENT_SENDS else "bulk"
