"""What else follows from providers' answers.

Dead tokens are told of, addresses that bounce are left alone, and whoever waits learns that we ourselves are refused.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from notifier.domain.delivery import UNSURE_BOUNCES, suppresses
from notifier.planning import planner
from notifier.providers import Outcome
from notifier.sending.provider_limiter import Line
from shared.events import DeviceInvalidated
from shared.transactions.unit_of_work import UnitOfWork

# An address that was let go of by a person begins anew.
BOUNCED = """
INSERT INTO suppression AS s (school_id, channel, target, reason, detail, active)
SELECT school_id, 'mail', target, 'bounced', detail, sure
FROM unnest(%(schools)s::uuid[], %(targets)s::text[], %(details)s::text[], %(sure)s::boolean[])
    AS b(school_id, target, detail, sure)
ORDER BY school_id, target
ON CONFLICT (school_id, channel, target, kind, reason) DO UPDATE SET times = s.times + 1, detail = excluded.detail,
    active = s.active OR excluded.active OR s.times + 1 >= %(most)s, changed_at = clock_timestamp()
"""


class Sent(Protocol):
    """What was called for: a batch's unit."""

    @property
    def notification(self) -> Mapping[str, Any]: ...

    @property
    def delivery(self) -> Mapping[str, Any]: ...


async def follow(tx: UnitOfWork, line: Line, answers: Sequence[tuple[Sent, Outcome]]) -> None:
    """Note it all in the commit of the outcomes."""
    bounced = {}
    for unit, outcome in answers:
        if outcome.kind == "token_dead":
            tx.emit(_invalidated(unit.delivery))
        elif outcome.kind == "bounced":
            key = (unit.delivery["school_id"], unit.delivery["address"].lower())
            bounced[key] = outcome.reason
    if bounced:
        await tx.execute(
            BOUNCED,
            {
                "schools": [school for school, _ in bounced],
                "targets": [target for _, target in bounced],
                "details": list(bounced.values()),
                "sure": [suppresses(reason, 1) for reason in bounced.values()],
                "most": UNSURE_BOUNCES,
            },
        )
    for notification, warning in sorted(_refusals(line, answers).items()):
        await planner.warn(tx, notification, warning)


def _refusals(line: Line, answers: Sequence[tuple[Sent, Outcome]]) -> dict[UUID, str]:
    """Of which notifications our configuration keeps something back, and nothing of them was taken just now."""
    taken = {unit.delivery["notification_id"] for unit, outcome in answers if outcome.kind == "accepted"}
    found = {}
    for unit, outcome in answers:
        notification = unit.delivery["notification_id"]
        if outcome.kind == "config":
            found[notification] = line.refusal(outcome.reason)
        elif outcome.kind == "withheld" and line.refused:
            found[notification] = line.refused
    return {notification: warning for notification, warning in found.items() if notification not in taken}


def _invalidated(delivery: Mapping[str, Any]) -> DeviceInvalidated:
    """The token's hash is enough to find it, and says nothing to anybody else."""
    token = hashlib.sha256(delivery["address"].encode()).hexdigest()
    return DeviceInvalidated(
        school_id=delivery["school_id"],
        person_id=delivery["person_id"],
        token_sha256=token,
        attempted_at=delivery["claimed_at"],
    )
