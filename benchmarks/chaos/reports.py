"""A year of 50 schools: the log in any order, events twice, corrections late. Figures equal those counted by hand.

The events are the source: each figure is counted from plain records that were kept while they were made up. Half of
the log is reported before the other half arrives; a report as of that moment says the same afterwards.
"""

import datetime as dt
from random import Random
from typing import Any
from uuid import UUID

from benchmarks.harness import Lab, Report
from reports.domain.content import MonthlyReport, Origin
from reports.facts import projection
from reports.facts.position import Position, newest_position
from reports.figures.figures import Subject, monthly
from reports.main import build
from reports.settings import Settings
from services.reports.tests.generated_year import LONG_AGO, Year, figures_of, months
from shared.projections.projector import LoggedEvent
from shared.transactions.unit_of_work import UnitOfWorkFactory

BATCH = 2_000


async def run(lab: Lab, report: Report) -> None:
    """Compare each month of each school with what was counted by hand."""
    year = Year(Random(lab.seed)).build(lab.size(50, 2), lab.size(40, 5), lab.size(15, 5))  # noqa: S311
    log = year.log()
    with lab.backing(["reports"]) as backing:
        environment: dict[str, Any] = {n.lower(): value for n, value in backing.environment("reports").items()}
        service = build(Settings(**environment))
        await service.database.open()
        half = len(log) // 2
        await _add(service.transactions, log[:half])
        known = [school for school in year.schools if any(_is_of(school, each) for each in log[:half])]
        early = await _read(service.transactions, known)
        await _add(service.transactions, log[half:])
        again = [await _month(service.transactions, *key, position) for key, (position, _) in early.items()]
        changed = sum(one != other for (_, one), other in zip(early.values(), again, strict=True))
        wrong = [
            (school, starts)
            for school in year.schools
            for starts, ends in months()
            if figures_of(await _month(service.transactions, school, starts)) != year.expected(school, starts, ends)
        ]
        await service.database.close()
    compared = len(year.schools) * len(list(months()))
    report.figure("events of the year", len(log), "events")
    report.figure("months compared with those counted by hand", compared, "months")
    report.exactly("months whose figures differ", len(wrong), "months", 0)
    report.figure("months read before half of the log had arrived", len(early), "months")
    report.exactly("months that say something else as of the same moment", changed, "months", 0)


def _is_of(school: UUID, each: LoggedEvent) -> bool:
    """Whether an event makes a school known."""
    return each.event.topic == "school.changed" and each.event.subject == str(school)


async def _add(transactions: UnitOfWorkFactory, log: list[LoggedEvent]) -> None:
    for first in range(0, len(log), BATCH):
        async with transactions.begin() as tx:
            await projection.add_facts(log[first : first + BATCH], tx)


async def _read(
    transactions: UnitOfWorkFactory, schools: list[UUID]
) -> dict[tuple[UUID, dt.date], tuple[Position, MonthlyReport]]:
    """Read each month of schools, and the moment as of which it was read."""
    found = {}
    for school in schools:
        async with transactions.begin() as tx:
            position = await newest_position(tx, school)
        for starts, _ in months():
            found[school, starts] = (position, await _month(transactions, school, starts, position))
    return found


async def _month(
    transactions: UnitOfWorkFactory, school: UUID, starts: dt.date, position: Position | None = None
) -> MonthlyReport:
    ends = next(ends for first, ends in months() if first == starts)
    async with transactions.begin() as tx:
        moment = position or await newest_position(tx, school)
        return await monthly(tx, Subject(school, starts, ends, "en", moment), Origin("", LONG_AGO, 0, ""))
