"""How long the database takes to read the figures of a school's month, on a year of 50 schools."""

import datetime as dt
import statistics
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncCursor, sql
from psycopg.rows import DictRow

from benchmarks.harness import Lab, Report
from benchmarks.report_facts import fill
from reports.domain.content import Origin
from reports.facts.position import newest_position
from reports.figures.figures import Subject, monthly
from reports.main import build
from reports.settings import Settings
from shared.transactions.buffered_transaction import Values
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

MONTHS = tuple(dt.date(2026, month, 1) for month in (2, 3, 4))
ROUNDS = 5
SCHOOLS = "SELECT school_id FROM reports.school_fact ORDER BY school_id LIMIT 5"


class Listener(UnitOfWork):
    """Notes the statements that are executed, with their values."""

    noted: list[tuple[str, Any]]

    async def execute(
        self, query: str | sql.Composed, values: Values | None = None, *, prepare: bool | None = None
    ) -> AsyncCursor[DictRow]:
        """Note one statement and execute it."""
        assert isinstance(query, str)
        self.noted.append((query, values))
        return await super().execute(query, values, prepare=prepare)


async def measure_figures(lab: Lab, report: Report) -> None:
    """All statements of a school's month together in ≤ 5 ms of the database's time, 5 facts a student and year."""
    schools, students = lab.size(50, 2), lab.size(1000, 20)
    for times, bound in ((1, 5.0), (3, None)):
        with lab.backing(["reports"]) as backing:
            facts = fill(lab, backing.admin_url, schools, students, times)
            environment: dict[str, Any] = {n.lower(): value for n, value in backing.environment("reports").items()}
            service = build(Settings(**environment))
            await service.database.open()
            with psycopg.connect(backing.admin_url) as admin:
                chosen = [row[0] for row in admin.execute(SCHOOLS).fetchall()]
            found = [await _least(service.transactions, school, month) for school in chosen for month in MONTHS]
            await service.database.close()
        name = f"SQL of a school's month, {students:,} students, {facts:,} facts of {schools} schools, median"
        if bound is None:
            report.figure(name, statistics.median(found), "ms")
        else:
            report.at_most(name, statistics.median(found), "ms", bound)


async def _least(transactions: UnitOfWorkFactory, school: UUID, month: dt.date) -> float:
    """Return the least time of several rounds that a month's statements take, as the database says."""
    async with transactions.begin() as tx:
        listener = Listener(tx.buffered, transactions.service, None)
        listener.noted = []
        ends = (month + dt.timedelta(days=31)).replace(day=1)
        subject = Subject(school, month, ends, "en", await newest_position(tx, school))
        await monthly(listener, subject, Origin("", dt.datetime.now(dt.UTC), 0, ""))
        return sum([await _least_of(tx, query, values) for query, values in listener.noted])


async def _least_of(tx: UnitOfWork, query: str, values: Values) -> float:
    times = []
    for _ in range(ROUNDS):
        lines = await tx.rows(f"EXPLAIN (ANALYZE, TIMING OFF) {query}", values)
        last = next(iter(lines[-1].values()))  # "Execution Time: 1.234 ms"
        times.append(float(last.split()[-2]))
    return min(times)
