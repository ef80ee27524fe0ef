"""Performs a permit: claims due deliveries, calls the provider, records outcomes as they come."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import structlog

from notifier import sending, store
from notifier.domain import Verdict, judge, lane
from notifier.effects import Outcome
from notifier.work import SendPermit
from shared.events import Envelope
from shared.transaction import Transactions

log = structlog.get_logger()

LEASE_SECONDS = 30.0
RENEW_SECONDS = 10.0
FLUSH_RESULTS = 50
FLUSH_SECONDS = 0.02

Send = Callable[[Mapping[str, Any], Mapping[str, Any]], Awaitable[Outcome]]
"""(notification, delivery) → what the provider said; one per channel, see `composing`."""


@dataclass(frozen=True, slots=True)
class Result:
    """A provider's answer and what follows from it."""

    delivery_id: int
    outcome: Outcome
    verdict: Verdict


async def perform(
    permit: SendPermit, cause: Envelope, transactions: Transactions, couriers: Mapping[str, Send], limit: int
) -> None:
    """Send the next deliveries of a window; the last flush carries the permit for the ones after them."""
    lease = uuid4()
    async with transactions.begin(cause) as tx:
        notification, rows = await store.claim(tx, permit, lease=lease, limit=limit, seconds=LEASE_SECONDS)
    if notification is None or not rows:
        return
    send = couriers[permit.channel]
    results: asyncio.Queue[Result] = asyncio.Queue()

    async def deliver(row: Mapping[str, Any]) -> None:
        outcome = await send(notification, row)
        luck = random.random()  # noqa: S311  # spreads retries, not a secret
        verdict = judge(outcome.kind, outcome.reason, row["attempts"], outcome.retry_after, luck)
        results.put_nowait(Result(row["delivery_id"], outcome, verdict))

    async with asyncio.TaskGroup() as group:
        renewing = group.create_task(_renew(transactions, permit, lease))
        for row in rows:
            group.create_task(deliver(row))
        await _record(transactions, permit, cause, lease, results, len(rows), urgent=notification["urgent"])
        renewing.cancel()


async def _record(
    transactions: Transactions,
    permit: SendPermit,
    cause: Envelope,
    lease: UUID,
    results: asyncio.Queue[Result],
    expected: int,
    *,
    urgent: bool,
) -> None:
    """Commit outcomes every FLUSH_RESULTS or FLUSH_SECONDS, whichever is first."""
    while expected:
        batch = await _batch(results)
        expected -= len(batch)
        async with transactions.begin(cause) as tx:
            row = await tx.row(sending.OUTCOMES, _values(lease, batch))
            if row is None or row["moved"] < len(batch):
                log.warning("delivery.lease_lost", lost=len(batch) - (row["moved"] if row else 0))
            if row and row["finished"]:
                await store.settle(tx, permit.notification_id, row["finished"])
            if not expected:
                tx.permit(permit, lane(permit.channel, urgent=urgent))


async def _batch(results: asyncio.Queue[Result]) -> list[Result]:
    batch = [await results.get()]
    try:
        async with asyncio.timeout(FLUSH_SECONDS):
            while len(batch) < FLUSH_RESULTS:
                batch.append(await results.get())
    except TimeoutError:
        pass
    return batch


async def _renew(transactions: Transactions, permit: SendPermit, lease: UUID) -> None:
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        async with transactions.begin() as tx:
            values = {"notification_id": permit.notification_id, "channel": permit.channel, "lease": lease}
            await tx.execute(sending.RENEW, values | {"seconds": LEASE_SECONDS})
            await tx.execute(sending.PERMITTED, values | {"seconds": LEASE_SECONDS})


def _values(lease: UUID, batch: list[Result]) -> dict[str, Any]:
    return {
        "lease": lease,
        "ids": [result.delivery_id for result in batch],
        "states": [result.verdict.state for result in batch],
        "reasons": [result.verdict.reason for result in batch],
        "outcomes": [result.outcome.kind for result in batch],
        "providers": [result.outcome.provider_id for result in batch],
        "due_in": [result.verdict.due_in for result in batch],
    }
