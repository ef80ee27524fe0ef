"""Dead letters: stored as they arrived, and returned to their queue when an operator decides so."""

import datetime as dt
from uuid import UUID

from psycopg.types.json import Jsonb

from gateway.operations import retry_members
from gateway.operations.failure_reads import READ_FAILURE, Failure
from gateway.problems import Problem
from shared.consumers.dead_letters import UNKNOWN, DeadLetter, requeue
from shared.errors import Refused
from shared.events.headers import FAILURE
from shared.transactions.unit_of_work import UnitOfWork

# Store a dead letter. One that was returned and died again is the same failure, open again; a repeat changes nothing.
UPSERT_FAILURE = """
INSERT INTO failure AS f (school_id, message_id, queue, type, error, fingerprint, attempts, first_failed, last_failed,
                          headers, body)
VALUES (%(school_id)s, %(message_id)s, %(queue)s, %(type)s, %(error)s, %(fingerprint)s, %(attempts)s,
        %(first_failed)s, %(last_failed)s, %(headers)s, %(body)s)
ON CONFLICT (message_id, queue, attempts) DO UPDATE
SET error = excluded.error, fingerprint = excluded.fingerprint, last_failed = excluded.last_failed,
    deaths = f.deaths + 1, given_back_at = NULL, given_back_by = NULL, resolved_at = NULL,
    opened_at = clock_timestamp()
WHERE f.given_back_at IS NOT NULL AND f.last_failed <> excluded.last_failed
"""
# Open a failure again whose message was returned and died again, whatever the number of its attempts; a repeat changes
# nothing. Returns a row if the message is this failure's.
REOPEN_FAILURE = """
WITH known AS (
    SELECT failure_id, given_back_at IS NOT NULL AND last_failed <> %(last_failed)s AS died FROM failure
    WHERE failure_id = %(failure)s AND queue = %(queue)s AND message_id IS NOT DISTINCT FROM %(message_id)s
), reopened AS (
    UPDATE failure f SET error = %(error)s, fingerprint = %(fingerprint)s, last_failed = %(last_failed)s,
        deaths = f.deaths + 1, given_back_at = NULL, given_back_by = NULL, resolved_at = NULL,
        opened_at = clock_timestamp()
    FROM known WHERE f.failure_id = known.failure_id AND died
)
SELECT failure_id FROM known
"""
# Note that the message of a failure was handled after it was returned.
RESOLVE_FAILURE = """
UPDATE failure SET resolved_at = clock_timestamp()
WHERE failure_id = %(failure)s AND queue = %(queue)s AND message_id IS NOT DISTINCT FROM %(message_id)s
  AND given_back_at IS NOT NULL AND resolved_at IS NULL
"""
# Mark a failure as returned; the row lets one of two requests do it.
MARK_RETURNED = """
UPDATE failure SET given_back_at = clock_timestamp(), given_back_by = %(person)s
WHERE failure_id = %(id)s AND given_back_at IS NULL AND discarded_at IS NULL RETURNING queue, headers, body
"""


async def store_failures(letter: DeadLetter, tx: UnitOfWork) -> None:
    """Store a failure as it arrived, or what came of one that was returned."""
    values = {
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
        "failure": letter.failure,
    }
    if letter.failure and letter.outcome is not None:
        await tx.execute(RESOLVE_FAILURE, values)
        await retry_members.settle(tx, _uuid(letter.retry), letter.failure, letter.outcome)
    elif letter.failure and await tx.row(REOPEN_FAILURE, values) is not None:
        await retry_members.settle(tx, _uuid(letter.retry), letter.failure, "failed")
    else:
        await tx.execute(UPSERT_FAILURE, values)


async def retry(tx: UnitOfWork, failure: int, person: UUID | None, retry_days: int) -> Failure:
    """Return a message to its queue, by the outbox; returns its row. 404, 409 `too_late`, or 409 `conflict` and why."""
    letter = await tx.row(MARK_RETURNED, {"id": failure, "person": person})
    found = await READ_FAILURE.first(tx, id=failure)
    if found is None:
        raise Problem(404, "not_found")
    if found.discarded_at is not None:
        raise Problem(409, "too_late", "The dead letter was discarded.", state="discarded")
    if letter is None:
        raise Problem(409, "too_late", "The dead letter was already returned to its queue.", state="given_back")
    try:
        check_age(found.first_failed, retry_days)
        await send_back(tx, failure, letter["queue"], letter["headers"], bytes(letter["body"]))
    except Refused as problem:
        raise Problem(409, "conflict", str(problem)) from problem
    return found


def check_age(first_failed: dt.datetime, retry_days: int) -> None:
    """Refuse a message whose inbox rows may be gone: its consumer could not tell that it has handled it before."""
    if first_failed < dt.datetime.now(dt.UTC) - dt.timedelta(days=retry_days):
        raise Refused(f"The message first failed more than {retry_days} days ago. It is not sent again; discard it.")


async def send_back(
    tx: UnitOfWork, failure: int, queue: str, headers: dict[str, str], body: bytes, marks: dict[str, str] | None = None
) -> None:
    """Send a message to the queue that it failed in, marked so that its consumer reports. Raises Refused and why."""
    if queue == UNKNOWN:
        raise Refused("The dead letter does not name its queue, so it cannot be returned.")
    await requeue(tx, queue, headers, body, {FAILURE: str(failure)} | (marks or {}))


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
