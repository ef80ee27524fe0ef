"""Dead letters: stored as they arrived, listed, and returned to their queue when an operator decides so."""

from uuid import UUID

from psycopg.types.json import Jsonb

from gateway.problems import Problem
from gateway.tasks.reads import READ_FAILURE, Failure
from shared.consumers.dead_letters import UNKNOWN, DeadLetter, requeue
from shared.errors import Refused
from shared.transactions.unit_of_work import UnitOfWork

# Store a dead letter. One that was returned and died again is the same failure, open again; a repeat changes nothing.
UPSERT_FAILURE = """
INSERT INTO failure AS f (school_id, message_id, queue, type, error, fingerprint, attempts, first_failed, last_failed,
                          headers, body)
VALUES (%(school_id)s, %(message_id)s, %(queue)s, %(type)s, %(error)s, %(fingerprint)s, %(attempts)s,
        %(first_failed)s, %(last_failed)s, %(headers)s, %(body)s)
ON CONFLICT (message_id, queue, attempts) DO UPDATE
SET error = excluded.error, fingerprint = excluded.fingerprint, last_failed = excluded.last_failed,
    deaths = f.deaths + 1, given_back_at = NULL, given_back_by = NULL
WHERE f.given_back_at IS NOT NULL AND f.last_failed <> excluded.last_failed
"""
# Mark a failure as returned; the row lets one of two requests do it.
MARK_RETURNED = """
UPDATE failure SET given_back_at = clock_timestamp(), given_back_by = %(person)s
WHERE failure_id = %(id)s AND given_back_at IS NULL RETURNING queue, headers, body
"""


async def store_failures(letter: DeadLetter, tx: UnitOfWork) -> None:
    """Store a failure as it arrived."""
    await tx.execute(
        UPSERT_FAILURE,
        {
            "school_id": _uuid(letter.school_id),
            "message_id": letter.message_id,
            "queue": letter.queue,
            "type": letter.type,
            "error": letter.error,
            "fingerprint": letter.fingerprint,
            "attempts": letter.attempts,
            "first_failed": letter.first_failed,
            "last_failed": letter.last_failed,
            "headers": Jsonb(letter.headers),
            "body": letter.body,
        },
    )


async def retry(tx: UnitOfWork, failure: int, person: UUID | None) -> Failure:
    """Return a message to its queue, by the outbox; returns its row. 404, 409 `too_late`, or 409 `conflict` and why."""
    taken = await tx.row(MARK_RETURNED, {"id": failure, "person": person})
    found = await READ_FAILURE.first(tx, id=failure)
    if found is None:
        raise Problem(404, "not_found")
    if taken is None:
        raise Problem(409, "too_late", "The dead letter was already returned to its queue.", state="given_back")
    if taken["queue"] == UNKNOWN:
        raise Problem(409, "conflict", "The dead letter does not name its queue, so it cannot be returned.")
    try:
        await requeue(tx, taken["queue"], taken["headers"], bytes(taken["body"]))
    except Refused as problem:
        raise Problem(409, "conflict", str(problem)) from problem
    return found


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
