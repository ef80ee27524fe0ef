"""Performs a permit: claims due deliveries, calls the provider, records outcomes as they come."""

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import structlog

from notifier import sending, store
from notifier.composing import Send
from notifier.domain import Verdict, judge, lane
from notifier.effects import Outcome
from notifier.work import SendPermit
from shared.db import infrastructure
from shared.events import Envelope
from shared.transaction import Transactions

log = structlog.get_logger()

LEASE_SECONDS = 30.0
RENEW_SECONDS = 10.0
FLUSH_RESULTS = 50
FLUSH_SECONDS = 0.02
DATABASE_PAUSE = 0.2


class Line:
    """The way out of one channel. No more than `calls` + FLUSH_RESULTS deliveries are ever without a recorded outcome.

    That is what a kill can repeat: a place is given back when the outcome is committed, not when the answer came.
    """

    def __init__(self, send: Send, calls: int) -> None:
        self.send = send
        self.places = asyncio.Semaphore(calls + FLUSH_RESULTS)


@dataclass(frozen=True, slots=True)
class Result:
    """A provider's answer and what follows from it."""

    delivery_id: int
    outcome: Outcome
    verdict: Verdict


@dataclass(slots=True)
class Batch:
    """One permit's claimed deliveries: how many outcomes are still expected, how many places are taken."""

    permit: SendPermit
    cause: Envelope
    lease: UUID
    expected: int
    urgent: bool
    unrecorded: int = 0
    results: asyncio.Queue[Result] = field(default_factory=asyncio.Queue)


async def perform(
    permit: SendPermit, cause: Envelope, transactions: Transactions, lines: Mapping[str, Line], limit: int
) -> None:
    """Send the next deliveries of a window; the last flush carries the permit for the ones after them."""
    lease = uuid4()
    async with transactions.begin(cause) as tx:
        notification, rows = await store.claim(tx, permit, lease=lease, limit=limit, seconds=LEASE_SECONDS)
    if notification is None or not rows:
        return
    line = lines[permit.channel]
    batch = Batch(permit, cause, lease, len(rows), notification["urgent"])

    async def deliver(row: Mapping[str, Any]) -> None:
        await line.places.acquire()
        batch.unrecorded += 1
        outcome = await line.send(notification, row)
        luck = random.random()  # noqa: S311  # spreads retries, not a secret
        verdict = judge(outcome.kind, outcome.reason, row["attempts"], outcome.retry_after, luck)
        batch.results.put_nowait(Result(row["delivery_id"], outcome, verdict))

    try:
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(_renew(transactions, permit, lease))
            for row in rows:
                group.create_task(deliver(row))
            await _record(transactions, batch, line)
            renewing.cancel()
    finally:
        for _ in range(batch.unrecorded):
            line.places.release()


async def _record(transactions: Transactions, batch: Batch, line: Line) -> None:
    """Commit outcomes every FLUSH_RESULTS or FLUSH_SECONDS, whichever is first."""
    while batch.expected:
        results = await _next(batch.results)
        batch.expected -= len(results)
        while not await _recorded(transactions, batch, results):
            await asyncio.sleep(DATABASE_PAUSE)
        batch.unrecorded -= len(results)
        for _ in results:
            line.places.release()


async def _recorded(transactions: Transactions, batch: Batch, results: list[Result]) -> bool:
    """Commit some outcomes; False while the database is away: they are kept, for a provider was called for them."""
    permit = batch.permit
    try:
        async with transactions.begin(batch.cause) as tx:
            row = await tx.row(sending.OUTCOMES, _values(batch.lease, results))
            if row is None or row["moved"] < len(results):
                log.warning("delivery.lease_lost", lost=len(results) - (row["moved"] if row else 0))
            if row and row["finished"]:
                await store.settle(tx, permit.notification_id, row["finished"])
            if not batch.expected:
                tx.permit(permit, lane(permit.channel, urgent=batch.urgent))
    except Exception as problem:
        if not infrastructure(problem):
            raise
        log.warning("outcomes.held", outcomes=len(results), error=type(problem).__name__)
        return False
    return True


async def _next(results: asyncio.Queue[Result]) -> list[Result]:
    found = [await results.get()]
    with suppress(TimeoutError):
        async with asyncio.timeout(FLUSH_SECONDS):
            while len(found) < FLUSH_RESULTS:
                found.append(await results.get())
    return found


async def _renew(transactions: Transactions, permit: SendPermit, lease: UUID) -> None:
    """Keep the lease while providers are slow; while the database is away it may run out, and a repeat replaces."""
    values = {"notification_id": permit.notification_id, "channel": permit.channel, "lease": lease}
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        try:
            async with transactions.begin() as tx:
                await tx.execute(sending.RENEW, values | {"seconds": LEASE_SECONDS})
                await tx.execute(sending.PERMITTED, values | {"seconds": LEASE_SECONDS})
        except Exception as problem:
            if not infrastructure(problem):
                raise
            log.warning("lease.not_renewed", error=type(problem).__name__)


def _values(lease: UUID, results: list[Result]) -> dict[str, Any]:
    return {
        "lease": lease,
        "ids": [result.delivery_id for result in results],
        "states": [result.verdict.state for result in results],
        "reasons": [result.verdict.reason for result in results],
        "outcomes": [result.outcome.kind for result in results],
        "providers": [result.outcome.provider_id for result in results],
        "due_in": [result.verdict.due_in for result in results],
    }
