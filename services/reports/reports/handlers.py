"""Handlers of events and sweeps that change the facts."""

from collections.abc import Sequence

from reports.facts import erasure, projection
from shared.projections.projector import LoggedEvent
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory


async def remember_facts(facts: Sequence[LoggedEvent], tx: UnitOfWork) -> None:
    """Add what the log says about schools, students, their records and notifications."""
    await projection.add_facts(facts, tx)


async def erase(transactions: UnitOfWorkFactory) -> None:
    """Remove what is left of people who were erased."""
    async with transactions.begin() as tx:
        await erasure.erase_people(tx)
