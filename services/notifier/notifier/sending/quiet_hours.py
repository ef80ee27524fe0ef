"""The end of quiet hours: held deliveries become one digest per person, channel and address, or are sent alone."""

from shared.transactions.unit_of_work import UnitOfWork

MAX_RELEASED = 5000

# Let one replica at a time release, so that the items of a person are not divided between two digests.
LOCK_RELEASE = "SELECT pg_try_advisory_xact_lock(hashtext('notifier.digest')) AS locked"

# Hold due deliveries on where their person or school has moved to a time zone in which quiet hours are not over.
HOLD_ON = """
WITH moved AS (
    SELECT d.delivery_id, z.zone, quiet_until(statement_timestamp(), z.zone,
        coalesce(p.quiet_starts, s.quiet_starts), coalesce(p.quiet_ends, s.quiet_ends), s.digest_at) AS until
    FROM delivery d JOIN school s USING (school_id) LEFT JOIN person p USING (person_id)
    CROSS JOIN LATERAL (SELECT coalesce(p.timezone, s.timezone) AS zone) z
    WHERE d.state = 'held' AND d.due_at <= statement_timestamp() AND d.held_zone <> z.zone
      AND (p.quiet_starts IS NOT NULL OR s.quiet_starts IS NOT NULL)
    ORDER BY d.delivery_id LIMIT %(limit)s FOR UPDATE OF d
)
UPDATE delivery d SET due_at = m.until, held_zone = m.zone, changed_at = clock_timestamp()
FROM moved m WHERE d.delivery_id = m.delivery_id AND m.until IS NOT NULL AND d.state = 'held'
"""

# Release held deliveries that are due. One that may have arrived already does not become part of a new digest.
# `released_at` is when the release was due: a claim that comes late asks whether quiet hours have begun again.
RELEASE_HELD = """
WITH keys AS MATERIALIZED (
    SELECT gen_random_uuid() AS digest, school_id, person_id, channel, address,
           count(*) FILTER (WHERE silent = 0) AS items
    FROM delivery
    WHERE state = 'held' AND due_at <= statement_timestamp()
    GROUP BY school_id, person_id, channel, address LIMIT %(limit)s
), due AS (
    SELECT d.delivery_id, k.digest, k.items FROM delivery d JOIN keys k USING (school_id, person_id, channel, address)
    WHERE d.state = 'held' AND d.due_at <= statement_timestamp() ORDER BY d.delivery_id FOR UPDATE OF d
), moved AS (
    UPDATE delivery d SET state = 'pending', reason = NULL,
        digest = CASE WHEN d.silent > 0 THEN d.digest WHEN due.items > 1 THEN due.digest END,
        due_at = statement_timestamp(), released_at = d.due_at, changed_at = clock_timestamp()
    FROM due WHERE d.delivery_id = due.delivery_id AND d.state = 'held'
    RETURNING d.school_id, d.channel, d.digest
), windows AS (
    INSERT INTO digest_window (school_id, channel, permitted_until)
    SELECT DISTINCT school_id, channel, '-infinity'::timestamptz FROM moved WHERE digest IS NOT NULL
    ON CONFLICT DO NOTHING
)
SELECT count(*) AS n FROM moved
"""


async def release_quiet_hours(tx: UnitOfWork) -> None:
    """Release the deliveries whose quiet hours are over."""
    turn = await tx.row(LOCK_RELEASE)
    if turn is not None and turn["locked"]:
        await tx.execute(HOLD_ON, {"limit": MAX_RELEASED})
        await tx.execute(RELEASE_HELD, {"limit": MAX_RELEASED})
