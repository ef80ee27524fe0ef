"""The end of quiet hours: held deliveries become one digest per person, channel and address, or are sent alone."""

from shared.transactions.unit_of_work import UnitOfWork

MAX_RELEASED = 5000

# Let one replica at a time release, so that the items of a person are not divided between two digests.
LOCK_RELEASE = "SELECT pg_try_advisory_xact_lock(hashtext('notifier.digest')) AS locked"

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
        await tx.execute(RELEASE_HELD, {"limit": MAX_RELEASED})
