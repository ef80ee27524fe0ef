"""Retries many failures as a task, in waves that grow, and halts each fault that returns.

The database decides: a sweep of any instance sends the next wave once all of the last one have an outcome. So a kill
loses nothing, and a service that is away delays its wave. Faults have waves of their own: one that returns stops its
own members only.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from gateway.operations import dead_letters
from gateway.operations.retry_acceptance import KIND, collect_members, withdraw
from shared.errors import Refused
from shared.events import TaskCancelRequested, TaskState
from shared.events.headers import RETRY
from shared.jobs.task_status import track
from shared.transactions.outbox import json_text
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

RAMP = (1, 3, 8, 18, 38, 88, 188, 388, 888, 1888)
"""Members of one fault that may have been sent by the end of each wave (1, 2, 5, 10, …); later waves add 1,000."""
LATER = 1000
LARGEST_WAVE = 1000
"""Messages of all faults in one wave, which are in memory together."""

# Select the retries that have not ended.
SELECT_RUNNING = "SELECT task_id FROM failure_retry WHERE ended_at IS NULL ORDER BY task_id"
# Let one instance go on with a retry.
LOCK_RETRY = """
SELECT wave, requested_by, absent FROM failure_retry
WHERE task_id = %(task_id)s AND ended_at IS NULL FOR UPDATE SKIP LOCKED
"""
# Stop the members whose fault has returned.
HALT_MEMBERS = """
UPDATE failure_retry_member m SET state = 'halted' FROM (
    SELECT DISTINCT queue, fingerprint FROM failure_retry_member
    WHERE task_id = %(task_id)s AND state = 'failed_again') back
WHERE m.task_id = %(task_id)s AND m.state = 'waiting' AND (m.queue, m.fingerprint) = (back.queue, back.fingerprint)
"""
# Count the members by what came of them.
COUNT_MEMBERS = """
SELECT state, count(*) AS count FROM failure_retry_member WHERE task_id = %(task_id)s GROUP BY state
"""
# Take the next members.
TAKE_WAVE = """
SELECT failure_id FROM failure_retry_member
WHERE task_id = %(task_id)s AND state = 'waiting' AND place <= %(place)s
ORDER BY place, failure_id LIMIT %(limit)s FOR UPDATE
"""
# Lock their failures that are still open.
LOCK_FAILURES = """
SELECT failure_id, queue, headers, body, first_failed FROM failure
WHERE failure_id = ANY(%(ids)s) AND given_back_at IS NULL AND discarded_at IS NULL ORDER BY failure_id FOR UPDATE
"""
# Note that members are on their way.
MARK_MEMBERS_SENT = """
UPDATE failure_retry_member SET state = 'sent' WHERE task_id = %(task_id)s AND failure_id = ANY(%(ids)s)
"""
# Mark failures as returned.
MARK_FAILURES_RETURNED = """
UPDATE failure SET given_back_at = clock_timestamp(), given_back_by = %(person)s WHERE failure_id = ANY(%(ids)s)
"""
# Leave members out, and note why.
SKIP_MEMBERS = """
UPDATE failure_retry_member m SET state = 'skipped', reason = s.reason
FROM jsonb_to_recordset(%(rows)s) AS s(failure_id bigint, reason text)
WHERE m.task_id = %(task_id)s AND m.failure_id = s.failure_id
"""
# Count a wave.
COUNT_WAVE = "UPDATE failure_retry SET wave = wave + 1 WHERE task_id = %(task_id)s"
# End a retry, once.
END_RETRY = """
UPDATE failure_retry SET ended_at = clock_timestamp() WHERE task_id = %(task_id)s AND ended_at IS NULL RETURNING absent
"""
# Stop all members that were not sent.
CANCEL_MEMBERS = """
UPDATE failure_retry_member SET state = 'cancelled' WHERE task_id = %(task_id)s AND state = 'waiting'
"""


async def advance_retries(transactions: UnitOfWorkFactory, retry_days: int) -> None:
    """Begin accepted retries, send the next wave where the last one has settled, end those without members left."""
    await collect_members(transactions)
    async with transactions.begin() as tx:
        running = [row["task_id"] for row in await tx.rows(SELECT_RUNNING)]
    for task_id in running:
        async with transactions.begin() as tx:
            await _advance(tx, task_id, retry_days)


async def _advance(tx: UnitOfWork, task_id: UUID, retry_days: int) -> None:
    key = {"task_id": task_id}
    retry = await tx.row(LOCK_RETRY, key)
    if retry is None:
        return
    await tx.execute(HALT_MEMBERS, key)
    counts = await _counts(tx, task_id, retry["absent"])
    if counts.get("sent"):
        return
    if not counts.get("waiting"):
        await _end(tx, task_id, counts)
        return
    await _send_wave(tx, task_id, retry["wave"], retry["requested_by"], retry_days)
    total = sum(counts.values())
    done = total - counts["waiting"]
    await track(tx, task_id, school_id=None, kind=KIND, state="running", done=done, total=total)


async def _send_wave(tx: UnitOfWork, task_id: UUID, wave: int, person: UUID | None, retry_days: int) -> None:
    place = RAMP[wave] if wave < len(RAMP) else RAMP[-1] + LATER * (wave - len(RAMP) + 1)
    members = await tx.rows(TAKE_WAVE, {"task_id": task_id, "place": place, "limit": LARGEST_WAVE})
    ids = [row["failure_id"] for row in members]
    skipped = dict.fromkeys(ids, "it was not open any more")
    for row in await tx.rows(LOCK_FAILURES, {"ids": ids}):
        failure = row["failure_id"]
        del skipped[failure]
        try:
            dead_letters.check_age(row["first_failed"], retry_days)
            marks = {RETRY: str(task_id)}
            await dead_letters.send_back(tx, failure, row["queue"], row["headers"], bytes(row["body"]), marks)
        except Refused as problem:
            skipped[failure] = str(problem)
    sent = [failure for failure in ids if failure not in skipped]
    values = {"task_id": task_id, "ids": sent, "person": person}
    await tx.execute(MARK_MEMBERS_SENT, values)
    await tx.execute(MARK_FAILURES_RETURNED, values)
    rows = [{"failure_id": failure, "reason": reason} for failure, reason in skipped.items()]
    await tx.execute(SKIP_MEMBERS, {"task_id": task_id, "rows": json_text(rows)})
    await tx.execute(COUNT_WAVE, values)


async def _counts(tx: UnitOfWork, task_id: UUID, absent: int) -> dict[str, int]:
    """Count the members by state; those that were closed before they became members were skipped."""
    counts = {row["state"]: row["count"] for row in await tx.rows(COUNT_MEMBERS, {"task_id": task_id})}
    return counts | {"skipped": counts.get("skipped", 0) + absent}


async def _end(tx: UnitOfWork, task_id: UUID, counts: Mapping[str, int]) -> None:
    await tx.execute(END_RETRY, {"task_id": task_id})
    result = _result(counts)
    total = sum(counts.values())
    again, halted = counts.get("failed_again", 0), counts.get("halted", 0)
    error = None
    if again:
        error = f"{again} failed again, and {halted} with the same fault were not tried: correct its cause first"
    state: TaskState = "failed" if again else "succeeded"
    facts: dict[str, Any] = {"done": total, "total": total, "result": result, "error": error}
    await track(tx, task_id, school_id=None, kind=KIND, state=state, **facts)


async def cancel(event: TaskCancelRequested, tx: UnitOfWork) -> None:
    """Stop a retry: members that were sent stay on their way, the others stay open failures."""
    if event.kind != KIND:
        return
    not_begun = await withdraw(tx, event.task_id)
    ended = None if not_begun else await tx.row(END_RETRY, {"task_id": event.task_id})
    if ended:
        await tx.execute(CANCEL_MEMBERS, {"task_id": event.task_id})
        counts = await _counts(tx, event.task_id, ended["absent"])
    elif not_begun:
        counts = {"cancelled": not_begun}
    else:
        return
    total = sum(counts.values())
    facts: dict[str, Any] = {"done": total - counts.get("sent", 0), "total": total, "result": _result(counts)}
    await track(tx, event.task_id, school_id=None, kind=KIND, state="cancelled", **facts)


def _result(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the number of members with each outcome; together they are the size of the selection."""
    states = ("retried", "skipped", "failed_again", "halted", "cancelled", "sent")
    return {state: counts.get(state, 0) for state in states}
