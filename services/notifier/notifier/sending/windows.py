"""Send windows: which permits are on their way for a notification's channel, or for a school's digests.

A window is a row of `release` or `digest_window`. `permitted_until` says how long its latest permit is valid; a sweep
issues a new permit for a window with due deliveries whose permit was lost or used.
"""

from collections.abc import Mapping
from typing import Any

from notifier.permits import DigestPermit, SendPermit, digest_lane, send_lane
from notifier.sending.urgent_rate import haste_of
from shared.transactions.unit_of_work import UnitOfWork

PERMITS_PER_WINDOW = 2
"""Most permits on their way per notification and channel: a big send never fills a lane."""
WAITING_SECONDS = 120.0
"""How long a permit may wait in its lane before it counts as lost: a stall must not fill the lane with repeats."""

# Open a notification's window on one channel, or open it again for a new round.
OPEN_WINDOW = """
INSERT INTO release (notification_id, channel, lane, permitted_until)
VALUES (%(notification_id)s, %(channel)s, %(lane)s, clock_timestamp() + make_interval(secs => %(seconds)s))
ON CONFLICT (notification_id, channel) DO UPDATE SET permitted_until = excluded.permitted_until, lane = excluded.lane
"""

# Close the windows of a notification that has ended; a resend opens new ones.
CLOSE_WINDOWS = "DELETE FROM release WHERE notification_id = %(notification_id)s"

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


async def open_for(tx: UnitOfWork, notification: Mapping[str, Any], channels: Mapping[str, int]) -> None:
    """Open the windows of a planned round; `channels` says for each how many deliveries are due now.

    A window gets no more permits than it has due deliveries: the sweep issues those of the others in time.
    """
    ids = {"notification_id": notification["notification_id"]}
    haste = await haste_of(tx, notification) if channels else "bulk"
    for channel, due in sorted(channels.items()):
        name = send_lane(channel, haste)
        values = {"channel": channel, "lane": name, "seconds": WAITING_SECONDS if due else 0.0}
        await tx.execute(OPEN_WINDOW, ids | values)
        for _ in range(min(due, PERMITS_PER_WINDOW)):
            tx.permit(SendPermit(channel=channel, **ids), name)


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
