"""Send windows: which permits are on their way for a notification's channel, or for a school's digests.

A window is a row of `release` or `digest_window`. `permitted_until` says how long its latest permit is valid; a sweep
issues a new permit for a window with due deliveries whose permit was lost or used.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from notifier.permits import DigestPermit, SendPermit, digest_lane
from notifier.sending import urgent_rate
from shared.transactions.unit_of_work import UnitOfWork

PERMITS_PER_WINDOW = 2
"""Most permits on their way per notification and channel: a big send never fills a lane."""
WAITING_SECONDS = 120.0
"""How long a permit may wait in its lane before it counts as lost: a stall must not fill the lane with repeats."""

# Set how long the permit of a notification's window is valid; 0 seconds for one that is used.
EXTEND_PERMIT = """
UPDATE release SET permitted_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE notification_id = %(notification_id)s AND channel = %(channel)s
"""

# The same for the digests of a school.
EXTEND_DIGEST_PERMIT = """
UPDATE digest_window SET permitted_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE school_id = %(school_id)s AND channel = %(channel)s
"""

# Find windows whose permit was lost or used while rows are due: an extra permit changes nothing, a missing one would.
TOP_UP_WINDOWS = """
UPDATE release r SET permitted_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE r.permitted_until < clock_timestamp() AND EXISTS (
    SELECT FROM delivery d WHERE d.notification_id = r.notification_id AND d.channel = r.channel
      AND d.state = 'pending' AND d.digest IS NULL AND d.due_at <= clock_timestamp())
RETURNING r.notification_id, r.channel, r.lane
"""

# The same for the digests of a school.
TOP_UP_DIGEST_WINDOWS = """
UPDATE digest_window w SET permitted_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE w.permitted_until < clock_timestamp() AND EXISTS (
    SELECT FROM delivery d WHERE d.school_id = w.school_id AND d.channel = w.channel
      AND d.state = 'pending' AND d.digest IS NOT NULL AND d.due_at <= clock_timestamp())
RETURNING w.school_id, w.channel
"""


def values_of(notification: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the statements that plan a round take to open its windows."""
    return urgent_rate.values_of(notification) | {"waiting_seconds": WAITING_SECONDS}


def permit(tx: UnitOfWork, notification_id: UUID, counts: Sequence[Mapping[str, Any]]) -> None:
    """Issue the permits of a planned round; `counts` are rows of channel, state, n and lane.

    A window gets no more permits than it has due deliveries: the sweep issues those of the others in time.
    """
    for row in sorted((row for row in counts if row["state"] == "pending"), key=lambda row: str(row["channel"])):
        for _ in range(min(row["n"], PERMITS_PER_WINDOW)):
            tx.permit(SendPermit(channel=row["channel"], notification_id=notification_id), row["lane"])


async def extend(tx: UnitOfWork, permit: SendPermit | DigestPermit, seconds: float) -> None:
    """Set how long the permit of a window is valid: the sweep issues no other one until then."""
    statement = EXTEND_PERMIT if isinstance(permit, SendPermit) else EXTEND_DIGEST_PERMIT
    await tx.execute(statement, permit.model_dump() | {"seconds": seconds})


async def top_up(tx: UnitOfWork) -> None:
    """Issue a permit for every window that has due deliveries and no permit on its way."""
    values = {"seconds": WAITING_SECONDS}
    for row in await tx.rows(TOP_UP_WINDOWS, values):
        tx.permit(SendPermit(notification_id=row["notification_id"], channel=row["channel"]), row["lane"])
    for row in await tx.rows(TOP_UP_DIGEST_WINDOWS, values):
        permit = DigestPermit(school_id=row["school_id"], channel=row["channel"])
        tx.permit(permit, digest_lane(permit.channel))
