"""Quiet hours let go: what was held becomes one digest per person, channel and address, or goes out by itself."""

from notifier.permits import DigestPermit
from notifier.sending import sql as sending_sql
from shared.transactions.unit_of_work import UnitOfWork

PERMIT_SECONDS = 10.0
AT_ONCE = 5000

# One replica at a time, so that the items of a person are not divided between two digests.
TURN = "SELECT pg_try_advisory_xact_lock(hashtext('notifier.digest')) AS mine"
# What may have arrived already is not told as part of something new. `released_at` is when it was to be let go: a
# claim that comes late asks whether it is night again.
LET_GO = """
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


async def let_go(tx: UnitOfWork) -> int:
    """Release what quiet hours held and no longer hold; returns how many deliveries."""
    turn = await tx.row(TURN)
    if turn is None or not turn["mine"]:
        return 0
    row = await tx.row(LET_GO, {"limit": AT_ONCE})
    return int(row["n"]) if row else 0


async def top_up(tx: UnitOfWork) -> None:
    """A permit for every school and channel that has digests due and none under way."""
    for row in await tx.rows(sending_sql.TOP_UP_DIGESTS, {"seconds": PERMIT_SECONDS}):
        tx.permit(DigestPermit(school_id=row["school_id"], channel=row["channel"]), f"{row['channel']}.digest")
