"""Ends the task of a message that failed for good, so that what was accepted does not stay open for ever."""

from shared.consumers.final_failure import FinalFailure, OnFinalFailure
from shared.jobs.task_status import track
from shared.transactions.unit_of_work import UnitOfWork


def fail_task(kind: str, words: str) -> OnFinalFailure:
    """Return a function that ends the task of a message as failed, with `words` before the reason."""

    async def report(failure: FinalFailure, tx: UnitOfWork) -> None:
        envelope = failure.envelope
        if envelope.task_id is not None:
            error = f"{words}: {failure.reason}"
            await track(tx, envelope.task_id, school_id=envelope.school_id, kind=kind, state="failed", error=error)

    return report
