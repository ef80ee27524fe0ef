"""Commits what providers answered: the outcomes of several batches in one transaction."""

from collections.abc import Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field

import structlog

from notifier.permits import SendPermit
from notifier.sending import outcomes, progress, provider_feedback, windows
from notifier.sending.outcomes import Answers
from notifier.sending.provider_limiter import ProviderLimiter
from shared.events import Envelope
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

log = structlog.get_logger()


@dataclass(slots=True)
class Commit:
    """Answers to a batch's calls, and what is to be committed with the last of them."""

    limiter: ProviderLimiter
    transactions: UnitOfWorkFactory
    cause: Envelope
    answers: Answers
    lane: str
    last: bool
    more: bool
    """Whether the last commit issues the permit again."""
    cancelled: bool = False
    """Set if the batch's notification has been cancelled."""
    context: Context = field(default_factory=copy_context)

    async def follow(self, tx: UnitOfWork) -> None:
        """Record what follows from the answers besides the progress of their notifications."""
        await provider_feedback.apply(tx, self.limiter, self.answers.results)
        if self.last:
            if not isinstance(self.answers.permit, SendPermit):
                await windows.extend(tx, self.answers.permit, self.answers.waits or 0.0)
            if self.more:
                tx.permit(self.answers.permit, self.lane)


async def commit_together(commits: Sequence[Commit]) -> None:
    """Commit the answers to several batches of one provider; each publishes its events for its own cause."""
    async with commits[0].transactions.begin() as tx:
        by_lease = {each.answers.lease: (each, tx.caused_by(each.cause, each.context)) for each in commits}
        rows, lost = await outcomes.record(tx, [each.answers for each in commits])
        if lost:
            log.warning("delivery.lease_lost", lost=lost)
        await progress.end_or_report([(by_lease[row["lease"]][1], row) for row in rows])
        for row in rows:
            commit, _ = by_lease[row["lease"]]
            commit.cancelled |= row["state"] == "cancelled" and isinstance(commit.answers.permit, SendPermit)
        for commit, own in by_lease.values():
            await commit.follow(own)
