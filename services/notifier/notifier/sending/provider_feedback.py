"""Consequences of answers beyond their delivery: dead tokens, bounced addresses, a rejected configuration."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from notifier.domain.delivery import BOUNCES_TO_SUPPRESS, should_suppress
from notifier.sending import progress
from notifier.sending.outcomes import Result
from notifier.sending.provider_limiter import ProviderLimiter
from shared.events import DeviceInvalidated
from shared.transactions.unit_of_work import UnitOfWork

# Count bounces of addresses and suppress those that are certain, or came often enough.
COUNT_BOUNCES = """
INSERT INTO suppression AS s (school_id, channel, target, reason, detail, active)
SELECT school_id, 'mail', target, 'bounced', detail, certain
FROM unnest(%(schools)s::uuid[], %(targets)s::text[], %(details)s::text[], %(certain)s::boolean[])
    AS b(school_id, target, detail, certain)
ORDER BY school_id, target
ON CONFLICT (school_id, channel, target, kind, reason) DO UPDATE SET times = s.times + 1, detail = excluded.detail,
    active = s.active OR excluded.active OR s.times + 1 >= %(bounces)s, changed_at = clock_timestamp()
"""


async def apply(tx: UnitOfWork, limiter: ProviderLimiter, results: Sequence[Result]) -> None:
    """Record the consequences in the commit of the outcomes."""
    for result in results:
        if result.outcome.kind == "token_dead":
            tx.emit(_device_invalidated(result.call.delivery))
    await _count_bounces(tx, results)
    for notification_id, warning in sorted(_warnings(limiter, results).items()):
        await progress.report_warning(tx, notification_id, warning)


async def _count_bounces(tx: UnitOfWork, results: Sequence[Result]) -> None:
    bounced = {
        (result.call.delivery["school_id"], result.call.delivery["address"].lower()): result.outcome.reason
        for result in results
        if result.outcome.kind == "bounced"
    }
    if bounced:
        values = {
            "schools": [school for school, _ in bounced],
            "targets": [target for _, target in bounced],
            "details": list(bounced.values()),
            "certain": [should_suppress(reason, 1) for reason in bounced.values()],
            "bounces": BOUNCES_TO_SUPPRESS,
        }
        await tx.execute(COUNT_BOUNCES, values)


def _warnings(limiter: ProviderLimiter, results: Sequence[Result]) -> dict[UUID, str]:
    """Return the notifications that our configuration holds back, unless the provider has just accepted a delivery."""
    accepted = {result.call.delivery["notification_id"] for result in results if result.outcome.kind == "accepted"}
    found = {}
    for result in results:
        notification_id, outcome = result.call.delivery["notification_id"], result.outcome
        if outcome.kind == "config":
            found[notification_id] = limiter.describe_rejection(outcome.reason)
        elif outcome.kind == "withheld" and limiter.configuration_problem is not None:
            found[notification_id] = limiter.configuration_problem
    return {notification_id: warning for notification_id, warning in found.items() if notification_id not in accepted}


def _device_invalidated(delivery: Mapping[str, Any]) -> DeviceInvalidated:
    """Name the token by its hash: enough to find it, and useless to others."""
    return DeviceInvalidated(
        school_id=delivery["school_id"],
        person_id=delivery["person_id"],
        token_sha256=hashlib.sha256(delivery["address"].encode()).hexdigest(),
        attempted_at=delivery["claimed_at"],
    )
