"""Handles permits: claims due deliveries, sends them as a batch, and issues the permit for the following ones."""

import asyncio
from collections.abc import Mapping
from uuid import uuid4

from notifier.content import templates
from notifier.permits import DigestPermit, Haste, SendPermit, digest_lane, send_lane
from notifier.sending import claims, digests, progress, windows
from notifier.sending.batch import Batch
from notifier.sending.outcomes import Call, attempts_of
from notifier.sending.provider_limiter import ProviderLimiter
from shared.events import Envelope
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

PRIORITIES: Mapping[Haste, int] = {"safety": -2, "urgent": -1}
"""Before all others; among those the notification goes first that was served least and has least left."""
LEFT_DIVISOR = 10
"""What is left counts a tenth of what was served: of two sends that begin together the small one goes first."""


def priority_of(planned: int, left: int) -> int:
    """Return the priority of a notification's next delivery on its provider: the lowest goes first."""
    return planned - left + left // LEFT_DIVISOR


async def send_deliveries(
    permit: SendPermit,
    cause: Envelope,
    transactions: UnitOfWorkFactory,
    limiters: Mapping[str, ProviderLimiter],
    limit: int,
) -> None:
    """Send the next deliveries of a window.

    The last commit issues the permit for the following ones, unless fewer than `limit` were due: what becomes due later
    gets its permit from the sweep.
    """
    limiter, lease = limiters[permit.channel], uuid4()
    if limiter.seconds_until_available() > 0:
        async with transactions.begin(cause) as tx:
            await _wait(tx, permit, limiter)
            if (problem := limiter.configuration_problem) is not None:
                await progress.report_warning(tx, permit.notification_id, problem)
        return
    notification, rows, more = await claims.claim_deliveries(
        transactions, cause, permit, lease=lease, limit=limit, seconds=limiter.lease
    )
    if notification is None or not rows:
        return
    lane = notification["lane"] or send_lane(permit.channel, "bulk")
    first = priority_of(notification["round_planned"], notification["outstanding"])
    before = {send_lane(permit.channel, haste): priority for haste, priority in PRIORITIES.items()}
    calls = [
        Call(
            notification,
            row,
            (row["delivery_id"],),
            attempts_of([row]),
            before.get(lane, first + nth),
        )
        for nth, row in enumerate(rows)
    ]
    await Batch(limiter, transactions, cause, lease, permit, lane, calls, more=more).run()


async def send_digests(
    permit: DigestPermit,
    cause: Envelope,
    transactions: UnitOfWorkFactory,
    limiters: Mapping[str, ProviderLimiter],
    limit: int,
) -> None:
    """Send the next morning digests of a school; every item keeps its own state and shares the digest's outcome."""
    limiter, lease = limiters[permit.channel], uuid4()
    async with transactions.begin(cause) as tx:
        if limiter.seconds_until_available() > 0:
            await _wait(tx, permit, limiter)
            return
        notifications, rows = await claims.claim_digests(tx, permit, lease=lease, limit=limit, seconds=limiter.lease)
        template = await templates.load(tx, permit.school_id, digests.TEMPLATE_NAME)
    if not rows:
        return
    calls = await asyncio.to_thread(digests.calls_of, rows, notifications, template)
    await Batch(limiter, transactions, cause, lease, permit, digest_lane(permit.channel), calls, more=True).run()


async def _wait(tx: UnitOfWork, permit: SendPermit | DigestPermit, limiter: ProviderLimiter) -> None:
    """Wait until the provider's circuit closes. Nothing is claimed then: waiting costs a delivery nothing."""
    await windows.extend(tx, permit, limiter.seconds_until_available())
