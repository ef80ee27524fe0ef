"""Stops the gateway's own tasks; kinds of other services are theirs."""

from gateway.operations import bulk_retry
from gateway.roster_import import job
from shared.events import TaskCancelRequested
from shared.transactions.unit_of_work import UnitOfWork


async def cancel(event: TaskCancelRequested, tx: UnitOfWork) -> None:
    """Stop a task that has not ended, if it is one of the gateway's."""
    await job.cancel(event, tx)
    await bulk_retry.cancel(event, tx)
