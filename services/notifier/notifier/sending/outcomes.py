"""Outcomes: what providers answered, written under the lease that the deliveries were claimed with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from notifier.domain.delivery import NOT_COUNTED, Attempts, Verdict
from notifier.permits import DigestPermit, SendPermit
from notifier.providers import Outcome
from notifier.sending import progress
from shared.transactions.unit_of_work import UnitOfWork

# Write outcomes. Filtered by lease: a worker whose lease ran out must not overwrite what its successor found. Where no
# call was made after all, there was no attempt. Then count what has finished, and set how long the permits of `windows`
# are valid. First deliveries, then notifications in one order, then windows: no two of these statements
# wait for each other.
RECORD_OUTCOMES = f"""
WITH result AS (
    SELECT * FROM unnest(%(leases)s::uuid[], %(ids)s::bigint[], %(states)s::text[], %(reasons)s::text[],
                         %(outcomes)s::text[], %(providers)s::text[], %(due_in)s::float8[])
        AS r(lease, delivery_id, state, reason, outcome, provider_id, due_in)
), moved AS (
    UPDATE delivery d SET state = r.state, reason = r.reason, provider_id = coalesce(r.provider_id, d.provider_id),
        due_at = CASE WHEN r.state = 'pending' THEN statement_timestamp() + make_interval(secs => r.due_in)
                      ELSE d.due_at END,
        attempts = d.attempts - (r.outcome = 'withheld')::int, silent = d.silent + (r.outcome = 'unknown')::int,
        patient = d.patient + (r.outcome = ANY(%(not_counted)s::text[]))::int,
        lease = NULL, leased_until = NULL, changed_at = clock_timestamp()
    FROM result r WHERE d.delivery_id = r.delivery_id AND d.lease = r.lease AND d.state = 'sending'
    RETURNING d.delivery_id, d.notification_id, d.attempts, d.state, r.lease, r.outcome, r.reason
), tried AS (
    UPDATE attempt a SET outcome = m.outcome, reason = m.reason, ended_at = statement_timestamp()
    FROM moved m WHERE a.delivery_id = m.delivery_id AND a.number = m.attempts AND m.outcome <> 'withheld'
), withheld AS (
    DELETE FROM attempt a USING moved m
    WHERE m.outcome = 'withheld' AND a.delivery_id = m.delivery_id AND a.number = m.attempts + 1
), counted AS (
    SELECT notification_id, count(*) AS moved, count(*) FILTER (WHERE state <> 'pending') AS finished,
           bool_or(outcome = 'accepted') AS accepted, min(lease::text)::uuid AS lease
    FROM moved GROUP BY notification_id
), locked AS MATERIALIZED (
    SELECT n.notification_id FROM notification n JOIN counted c USING (notification_id)
    WHERE c.finished > 0 ORDER BY n.notification_id FOR NO KEY UPDATE OF n
), subtracted AS (
    {progress.SUBTRACT} FROM counted c JOIN locked USING (notification_id)
    WHERE n.notification_id = c.notification_id RETURNING {progress.SUBTRACTED}
), used AS (
    UPDATE release r SET permitted_until = clock_timestamp() + make_interval(secs => w.waits)
    FROM unnest(%(windows)s::uuid[], %(channels)s::text[], %(waits)s::float8[]) AS w(notification_id, channel, waits)
    WHERE r.notification_id = w.notification_id AND r.channel = w.channel
      AND (SELECT count(*) FROM subtracted) >= 0
)
SELECT c.moved, c.lease, s.* FROM counted c LEFT JOIN subtracted s ON s.notification_id = c.notification_id
ORDER BY c.notification_id
"""  # noqa: S608  # constants of our own

# Extend the lease of deliveries that are still being sent.
RENEW_LEASE = """
UPDATE delivery SET leased_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE lease = %(lease)s AND state = 'sending' AND delivery_id = ANY(%(ids)s)
"""


@dataclass(frozen=True, slots=True)
class Call:
    """One call to a provider: for one delivery, or for the rows of a digest (`delivery_ids`).

    The call with the lowest `priority` goes first.
    """

    notification: Mapping[str, Any]
    delivery: Mapping[str, Any]
    delivery_ids: tuple[int, ...]
    attempts: Attempts
    priority: int


@dataclass(frozen=True, slots=True)
class Result:
    """A provider's answer to a call, and what follows from it."""

    call: Call
    outcome: Outcome
    verdict: Verdict


def attempts_of(rows: Sequence[Mapping[str, Any]]) -> Attempts:
    """Return the attempts made so far for claimed rows that are sent in one call."""
    return Attempts(*(max(row[count] for row in rows) for count in ("attempts", "unanswered", "not_counted")))


@dataclass(frozen=True, slots=True)
class Answers:
    """Results of calls under one lease, of the batch of one permit. That is valid for `waits` seconds more, if set."""

    lease: UUID
    permit: SendPermit | DigestPermit
    results: Sequence[Result]
    waits: float | None = None


async def record(tx: UnitOfWork, answers: Sequence[Answers]) -> tuple[list[dict[str, Any]], int]:
    """Write results and count the finished deliveries; return their notifications, and how many had lost their lease.

    The rows of a digest share its outcome. Each notification has the `lease` of its answers.
    """
    each = [
        (answer.lease, delivery_id, result)
        for answer in answers
        for result in answer.results
        for delivery_id in result.call.delivery_ids
    ]
    used = [
        (answer.permit.notification_id, answer.permit.channel, answer.waits)
        for answer in answers
        if isinstance(answer.permit, SendPermit) and answer.waits is not None
    ]
    values = {
        "leases": [lease for lease, _, _ in each],
        "ids": [delivery_id for _, delivery_id, _ in each],
        "states": [result.verdict.state for _, _, result in each],
        "reasons": [result.verdict.reason for _, _, result in each],
        "outcomes": [result.outcome.kind for _, _, result in each],
        "providers": [result.outcome.provider_id for _, _, result in each],
        "due_in": [result.verdict.due_in for _, _, result in each],
        "not_counted": sorted(NOT_COUNTED - {"withheld"}),
        "windows": [window for window, _, _ in used],
        "channels": [channel for _, channel, _ in used],
        "waits": [waits for _, _, waits in used],
    }
    rows = await tx.rows(RECORD_OUTCOMES, values)
    finished = [row for row in rows if row["notification_id"] is not None]
    return finished, len(each) - sum(row["moved"] for row in rows)


async def renew_lease(tx: UnitOfWork, lease: UUID, calls: Sequence[Call], seconds: float) -> None:
    """Extend the lease of calls that are not answered yet."""
    ids = [delivery_id for call in calls for delivery_id in call.delivery_ids]
    await tx.execute(RENEW_LEASE, {"lease": lease, "ids": ids, "seconds": seconds})
