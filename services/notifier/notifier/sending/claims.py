"""Claims: the next due deliveries become `sending` under a lease, each judged once more by what is true now."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from notifier.domain.delivery import MAX_UNANSWERED
from notifier.permits import DigestPermit, SendPermit
from notifier.sending import progress, windows
from shared.events import Envelope
from shared.events.notifications import FORMER_ADDRESSES
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

Row = dict[str, Any]

FORMER = f"{FORMER_ADDRESSES}%"

# Lock the next due deliveries of a notification on one channel.
LOCK_DUE = """
WITH due AS (
    SELECT d.delivery_id, d.notification_id, d.person_id, d.address, d.released_at FROM delivery d
    WHERE d.notification_id = %(notification_id)s AND d.channel = %(channel)s AND d.state = 'pending'
      AND d.digest IS NULL AND d.due_at <= clock_timestamp()
    ORDER BY d.due_at, d.delivery_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
"""

# Let one worker at a time claim a school's digests: the rows of a digest go together.
LOCK_DIGEST_WINDOW = """
SELECT FROM digest_window WHERE school_id = %(school_id)s AND channel = %(channel)s FOR UPDATE
"""

# Lock all rows of the next due digests.
LOCK_DUE_DIGESTS = """
WITH chosen AS MATERIALIZED (
    SELECT DISTINCT digest FROM (
        SELECT d.digest FROM delivery d
        WHERE d.school_id = %(school_id)s AND d.channel = %(channel)s AND d.state = 'pending'
          AND d.digest IS NOT NULL AND d.due_at <= clock_timestamp()
        ORDER BY d.due_at LIMIT %(limit)s) AS ready
), due AS (
    SELECT d.delivery_id, d.notification_id, d.person_id, d.address, d.released_at
    FROM delivery d JOIN chosen ON chosen.digest = d.digest WHERE d.state = 'pending' FOR UPDATE OF d SKIP LOCKED
)
"""

# Judge locked rows again: cancelled, expired, opted out meanwhile, address no longer the person's, quiet hours begun.
# What is sent to an address that was removed (`former`) does not ask for either.
# A row that quiet hours released within the last hour is not held again: the time of a digest may itself be quiet. A
# row that may have arrived stays in its digest, so that a repeat replaces it. Where a row is to be stopped, nothing is
# moved without `stops`: its notification has to be counted in the same transaction.
CLAIM_LOCKED = """, judged AS (
    SELECT due.delivery_id, CASE
        WHEN n.state = 'cancelled' OR n.retracted_at IS NOT NULL THEN 'cancelled'
        WHEN n.expires_at <= clock_timestamp() THEN 'expired'
        WHEN s.active IS FALSE THEN 'school_inactive'
        WHEN p.active IS FALSE THEN 'inactive'
        WHEN n.kind <> 'safety' AND NOT n.former AND f.wanted IS FALSE THEN 'opted_out'
        WHEN %(channel)s = 'push' AND NOT EXISTS (
            SELECT FROM device v WHERE v.token = due.address AND v.person_id = due.person_id) THEN 'address_gone'
        WHEN %(channel)s = 'mail' AND NOT n.former AND NOT EXISTS (
            SELECT FROM contact c WHERE c.person_id = due.person_id AND c.kind = 'mail'
              AND c.address = due.address) THEN 'address_gone'
        WHEN %(channel)s = 'mail' THEN (
            SELECT u.reason FROM suppression u
            WHERE u.school_id = n.school_id AND u.channel = 'mail' AND u.active
              AND (u.reason = 'bounced' OR n.kind <> 'safety') AND u.kind IN (n.kind, '')
              AND u.target IN (lower(due.address), due.person_id::text) ORDER BY u.reason LIMIT 1)
    END AS stop,
    CASE WHEN NOT n.urgent AND n.kind <> 'safety' AND (p.quiet_starts IS NOT NULL OR s.quiet_starts IS NOT NULL)
          AND (due.released_at IS NULL OR due.released_at < clock_timestamp() - interval '1 hour') THEN quiet_until(
        clock_timestamp(), coalesce(p.timezone, s.timezone), coalesce(p.quiet_starts, s.quiet_starts),
        coalesce(p.quiet_ends, s.quiet_ends), s.digest_at) END AS quiet_until,
    coalesce(p.timezone, s.timezone) AS zone
    FROM due
    JOIN (SELECT *, coalesce(origin LIKE %(former)s, false) AS former FROM notification) n
        ON n.notification_id = due.notification_id
    LEFT JOIN person p ON p.person_id = due.person_id
    LEFT JOIN school s ON s.school_id = n.school_id
    LEFT JOIN preference f ON f.person_id = due.person_id AND f.kind = n.kind AND f.channel = %(channel)s
), ruled AS (
    SELECT j.*, CASE WHEN j.stop IN ('expired', 'cancelled') THEN j.stop WHEN j.stop IS NOT NULL THEN 'suppressed'
                     WHEN j.quiet_until IS NOT NULL THEN 'held' ELSE 'sending' END AS state
    FROM judged j
), moved AS (
    UPDATE delivery d SET
        state = r.state,
        reason = CASE WHEN r.state = 'held' THEN 'quiet_hours' ELSE r.stop END,
        due_at = CASE WHEN r.state = 'held' THEN r.quiet_until ELSE d.due_at END,
        held_zone = CASE WHEN r.state = 'held' THEN r.zone ELSE d.held_zone END,
        digest = CASE WHEN r.state = 'held' AND d.silent = 0 THEN NULL ELSE d.digest END,
        attempts = d.attempts + (r.state = 'sending')::int,
        lease = CASE WHEN r.state = 'sending' THEN %(lease)s::uuid END,
        leased_until = CASE WHEN r.state = 'sending' THEN clock_timestamp() + make_interval(secs => %(seconds)s) END,
        changed_at = clock_timestamp()
    FROM ruled r
    WHERE d.delivery_id = r.delivery_id
      AND (%(stops)s OR NOT EXISTS (SELECT FROM ruled WHERE state NOT IN ('sending', 'held')))
    RETURNING d.*
), tried AS (
    INSERT INTO attempt (delivery_id, number, school_id)
    SELECT delivery_id, attempts, school_id FROM moved WHERE state = 'sending'
), claimed AS (
    SELECT r.delivery_id, m.notification_id, m.school_id, m.person_id, m.address, m.digest, m.attempts,
           m.silent AS unanswered, m.patient AS not_counted, m.state, m.changed_at AS claimed_at, v.fid, p.language
    FROM ruled r
    LEFT JOIN moved m ON m.delivery_id = r.delivery_id
    LEFT JOIN device v ON %(channel)s = 'push' AND v.token = m.address
    LEFT JOIN person p ON p.person_id = m.person_id
)
"""
CLAIM_DIGESTS = f"""{LOCK_DUE_DIGESTS}{CLAIM_LOCKED} SELECT * FROM claimed ORDER BY delivery_id"""  # noqa: S608  # ours

# Read notifications with their content by language, and with what a push may show of it.
SELECT_CONTENT = """
SELECT n.*, s.name AS school_name, s.language AS school_language, coalesce(s.mute_details, true) AS mute_details,
    (SELECT jsonb_object_agg(r.language, jsonb_build_object('title', r.title, 'body', r.body, 'html', r.html,
            'push_title', r.push_title, 'push_body', r.push_body, 'language', r.spoken))
       FROM rendering r WHERE r.notification_id = n.notification_id) AS content
FROM notification n LEFT JOIN school s USING (school_id)
"""
SELECT_NOTIFICATIONS = SELECT_CONTENT + "WHERE n.notification_id = ANY(%(ids)s)"

# Claim the next due deliveries of a notification. The first row has its content as well. A permit that finds nothing is
# used: the sweep issues a new one for what is due next, without a delay.
CLAIM_DELIVERIES = f"""{LOCK_DUE}{CLAIM_LOCKED}, extended AS (
    UPDATE release SET permitted_until = clock_timestamp() + CASE WHEN EXISTS (
        SELECT FROM moved WHERE state = 'sending') THEN make_interval(secs => %(seconds)s) ELSE '0' END
    WHERE notification_id = %(notification_id)s AND channel = %(channel)s
), content AS MATERIALIZED (
    SELECT found.*, r.lane FROM ({SELECT_CONTENT} WHERE n.notification_id = %(notification_id)s) found
    LEFT JOIN release r ON r.notification_id = found.notification_id AND r.channel = %(channel)s
)
SELECT c.*, n.kind, n.urgent, n.title, n.body, n.data, n.expires_at, n.content, n.school_name, n.school_language,
       n.mute_details, n.round_planned, n.outstanding, n.lane
FROM (SELECT *, row_number() OVER (ORDER BY delivery_id) AS nth FROM claimed) c LEFT JOIN content n ON c.nth = 1
ORDER BY c.delivery_id
"""  # noqa: S608  # constants of our own

# Give back deliveries whose worker died. Whether the provider was called is unknown; a repeat replaces what the person
# sees.
RECLAIM_EXPIRED = """
WITH lost AS (
    SELECT delivery_id FROM delivery WHERE state = 'sending' AND leased_until < clock_timestamp()
    LIMIT 5000 FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE delivery d SET
        state = CASE WHEN d.silent + 1 >= %(max_unanswered)s THEN 'unknown' ELSE 'pending' END, silent = d.silent + 1,
        reason = 'no_outcome', due_at = statement_timestamp(), lease = NULL, leased_until = NULL,
        changed_at = clock_timestamp()
    FROM lost WHERE d.delivery_id = lost.delivery_id
    RETURNING d.delivery_id, d.notification_id, d.attempts, d.state
), tried AS (
    UPDATE attempt a SET outcome = 'unknown', reason = 'no_outcome', ended_at = clock_timestamp()
    FROM moved m WHERE a.delivery_id = m.delivery_id AND a.number = m.attempts AND a.outcome IS NULL
)
SELECT notification_id, count(*) FILTER (WHERE state = 'unknown') AS finished FROM moved
GROUP BY notification_id ORDER BY notification_id
"""


async def claim_deliveries(
    transactions: UnitOfWorkFactory, cause: Envelope, permit: SendPermit, *, lease: UUID, limit: int, seconds: float
) -> tuple[Row | None, list[Row], bool]:
    """Return the notification, its next due deliveries, and whether more may be due.

    The deliveries are now `sending` under `lease` for `seconds`. One statement is the whole transaction, unless some
    deliveries are to be stopped.
    """
    values = permit.model_dump() | {"former": FORMER, "lease": lease, "limit": limit, "seconds": seconds}
    claimed = await transactions.run_alone(CLAIM_DELIVERIES, values | {"stops": False})
    if any(row["state"] is None for row in claimed):
        async with transactions.begin(cause) as tx:
            claimed = await tx.rows(CLAIM_DELIVERIES, values | {"stops": True})
            await _finish_stopped(tx, claimed)
    return next(iter(claimed), None), _sendable(claimed), len(claimed) >= limit


async def claim_digests(
    tx: UnitOfWork, permit: DigestPermit, *, lease: UUID, limit: int, seconds: float
) -> tuple[dict[UUID, Row], list[Row]]:
    """Return the rows of a school's next due digests, now `sending` under `lease`, and their notifications by id."""
    values = permit.model_dump() | {"lease": lease, "limit": limit, "seconds": seconds, "former": FORMER, "stops": True}
    if await tx.row(LOCK_DIGEST_WINDOW, values) is None:
        return {}, []
    claimed = await tx.rows(CLAIM_DIGESTS, values)
    await _finish_stopped(tx, claimed)
    rows = _sendable(claimed)
    await windows.extend(tx, permit, seconds if rows else 0.0)
    ids = sorted({row["notification_id"] for row in rows})
    return {each["notification_id"]: each for each in await tx.rows(SELECT_NOTIFICATIONS, {"ids": ids})}, rows


def _sendable(claimed: Sequence[Row]) -> list[Row]:
    return [row for row in claimed if row["state"] == "sending"]


async def _finish_stopped(tx: UnitOfWork, claimed: Sequence[Mapping[str, Any]]) -> None:
    stopped = Counter(row["notification_id"] for row in claimed if row["state"] not in ("sending", "held"))
    for notification_id, finished in sorted(stopped.items()):
        await progress.finish_deliveries(tx, notification_id, finished)


async def reclaim_expired(tx: UnitOfWork) -> None:
    """Give back the deliveries of dead workers."""
    for row in await tx.rows(RECLAIM_EXPIRED, {"max_unanswered": MAX_UNANSWERED}):
        if row["finished"]:
            await progress.finish_deliveries(tx, row["notification_id"], row["finished"])
