"""One permit's calls: made concurrently, their outcomes committed as they come, their lease renewed meanwhile."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from notifier.domain.delivery import judge
from notifier.permits import DigestPermit, SendPermit, send_lane
from notifier.providers import Outcome
from notifier.sending import outcomes, windows
from notifier.sending.outcome_commits import Commit, commit_together
from notifier.sending.outcomes import Answers, Call, Result
from notifier.sending.provider_limiter import MAX_RESULTS_PER_COMMIT, ProviderLimiter
from shared.events import Envelope
from shared.persistence.database_errors import is_contention, is_database_down
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

log = structlog.get_logger()

CHECK_SECONDS = 1.0
COMMIT_SECONDS = 0.02
DATABASE_PAUSE = 0.2
ALARM_LANES = tuple(send_lane(channel, "safety") for channel in ("push", "mail"))
"""Their outcomes wait for no others."""
MANY_CALLS = 10
"""A batch of more shares each commit among its own calls: if it waited for others, its slots would, too."""

# Select whether a notification was cancelled after its deliveries had been claimed.
SELECT_CANCELLED = (
    "SELECT state = 'cancelled' AS cancelled FROM notification WHERE notification_id = %(notification_id)s"
)


@dataclass(slots=True)
class Batch:
    """Calls under one lease; if more may be due, the last commit issues the permit again, on its `lane`.

    The batch of one notification watches it: once it is cancelled, calls not made yet are given back.
    """

    limiter: ProviderLimiter
    transactions: UnitOfWorkFactory
    cause: Envelope
    lease: UUID
    permit: SendPermit | DigestPermit
    lane: str
    calls: Sequence[Call]
    more: bool
    cancelled: bool = False
    missing: int = 0
    uncommitted: int = 0
    results: asyncio.Queue[Result] = field(default_factory=asyncio.Queue)

    async def run(self) -> None:
        """Make all calls; return when every outcome is committed."""
        self.missing = len(self.calls)
        try:
            async with asyncio.TaskGroup() as group:
                renewal = group.create_task(self._renew_lease())
                for call in self.calls:
                    group.create_task(self._make(call))
                await self._commit_results()
                renewal.cancel()
        finally:
            self.limiter.release_slots(self.uncommitted)

    async def _make(self, call: Call) -> None:
        await self.limiter.acquire_slot(call.priority, call.delivery["address"])
        self.uncommitted += 1
        try:
            if self.cancelled:
                outcome = Outcome("withheld", "cancelled")
            else:
                outcome = await self.limiter.call(call.notification, call.delivery)
        finally:
            self.limiter.end_call()
        jitter = random.random()  # noqa: S311  # spreads retries, not a secret
        verdict = judge(outcome.kind, outcome.reason, call.attempts.after(outcome.kind), outcome.retry_after, jitter)
        self.results.put_nowait(Result(call, outcome, verdict))

    async def _commit_results(self) -> None:
        """Commit outcomes every MAX_RESULTS_PER_COMMIT or COMMIT_SECONDS, whichever comes first."""
        while self.missing:
            results = await self._next_results()
            self.missing -= len(results)
            while not await self._commit(results):
                await asyncio.sleep(DATABASE_PAUSE)
            self.uncommitted -= len(results)
            self.limiter.release_slots(len(results))

    async def _next_results(self) -> list[Result]:
        found = [await self.results.get()]
        most = min(self.missing, MAX_RESULTS_PER_COMMIT)
        with suppress(TimeoutError):
            async with asyncio.timeout(COMMIT_SECONDS):
                while len(found) < most:
                    found.append(await self.results.get())
        return found

    async def _commit(self, results: list[Result]) -> bool:
        """Commit some outcomes; False while the database is unavailable, or the same rows are locked.

        They are kept and committed later: the provider was called for each of them, and an outcome that is lost would
        be sent a second time.
        """
        waits = None if self.missing else windows.WAITING_SECONDS if self.more else 0.0
        answers = Answers(self.lease, self.permit, results, waits)
        last = not self.missing
        commit = Commit(self.limiter, self.transactions, self.cause, answers, self.lane, last=last, more=self.more)
        try:
            if self.lane in ALARM_LANES or len(self.calls) > MANY_CALLS:
                await commit_together([commit])
            else:
                await self.limiter.commits.handle(commit, commit_together)
        except Exception as problem:
            if not (is_database_down(problem) or is_contention(problem)):
                raise
            log.warning("delivery.outcomes_not_committed", outcomes=len(results), error=type(problem).__name__)
            return False
        self.cancelled |= commit.cancelled
        return True

    async def _renew_lease(self) -> None:
        """Renew the lease while providers are slow, and look for a cancellation.

        While the database is unavailable the lease may expire: another worker then repeats the calls, and each repeat
        replaces what the person sees.
        """
        loop = asyncio.get_running_loop()
        renewed = loop.time()
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                async with self.transactions.begin() as tx:
                    await self._look_for_cancellation(tx)
                    if loop.time() - renewed >= self.limiter.lease / 3:
                        await outcomes.renew_lease(tx, self.lease, self.calls, self.limiter.lease)
                        await windows.extend(tx, self.permit, self.limiter.lease)
                        renewed = loop.time()
            except Exception as problem:
                if not (is_database_down(problem) or is_contention(problem)):
                    raise
                log.warning("delivery.lease_not_renewed", error=type(problem).__name__)

    async def _look_for_cancellation(self, tx: UnitOfWork) -> None:
        if isinstance(self.permit, SendPermit):
            row = await tx.row(SELECT_CANCELLED, {"notification_id": self.permit.notification_id})
            self.cancelled |= bool(row and row["cancelled"])
