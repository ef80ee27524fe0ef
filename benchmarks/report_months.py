"""The months of many schools are due at once: two processes of the report service make them from events to files."""

import asyncio
import datetime as dt
import os
import statistics
import time
from collections.abc import Iterable
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psutil

from benchmarks.harness import Lab, Report
from benchmarks.replicas import Replicas
from benchmarks.report_facts import fill
from cli.processes.process_table import ProcessTable
from cli.testing.system import System
from reports.domain.period import instant, month_of
from reports.main import build
from reports.settings import Settings
from shared.events import ReportsMonthlyDue
from shared.service.service import Service
from shared.settings import ServiceSettings
from shared.testing.fixtures import declare, eventually, running

SCHOOLS = int(os.environ.get("BENCH_SCHOOLS", "1000"))
STUDENTS = 1000
PROCESSES = ("reports",)
ALONE, ALL = dt.date(2026, 2, 1), dt.date(2026, 3, 1)
"""Months: of reports that are made one after the other, and of those that are due at once."""
WARM = 4
"""Reports before the measured ones: each process reads fonts and templates once."""
WITHIN = 3_600.0
LOOK = 2.0
ZONE = "Europe/Berlin"
MEGA = 1_000_000

# List all schools.
SELECT_SCHOOLS: LiteralString = "SELECT school_id FROM reports.school_fact ORDER BY 1"
# Count the reports of a month.
COUNT_MADE: LiteralString = """
SELECT count(*) FILTER (WHERE state = 'ready') AS ready, count(*) FILTER (WHERE state = 'failed') AS failed
FROM reports.report WHERE starts = %s
"""
# Find when a school's month was ready.
SELECT_READY: LiteralString = (
    "SELECT ready_at FROM reports.report WHERE school_id = %s AND starts = %s AND state = 'ready'"
)
# Count the files of a month's reports.
COUNT_FILES: LiteralString = """
SELECT count(*) AS files
FROM reports.report_file f JOIN reports.report r USING (report_id) WHERE r.starts = %s
"""


async def measure_months(lab: Lab, report: Report) -> None:
    """The months of 1,000 schools in ≤ 10 minutes of two cores with flat memory; one alone in ≤ 300 ms."""
    schools, students = lab.size(SCHOOLS, 3), lab.size(STUDENTS, 20)
    with lab.backing(("scheduler", "reports")) as backing:
        facts = fill(lab, backing.admin_url, schools, students, versions=1)
        folder = lab.layout.folder / "systems" / uuid4().hex[:8]
        table = ProcessTable(lab.layout.processes)
        system = System(backing, folder, extra={"LOG_LEVEL": "WARNING"}, table=table, forks=not lab.full)
        scheduler = Service("scheduler", _settings(ServiceSettings, system, "scheduler"))
        service = build(_settings(Settings, system, "reports"))
        await declare(backing.amqp_url, scheduler.topology(), service.topology())
        with Replicas(system, PROCESSES) as replicas:
            async with running(scheduler):
                try:
                    await replicas.start()
                    found = [row["school_id"] for row in system.rows(SELECT_SCHOOLS)]
                    await _measure_alone(lab, report, system, scheduler, found)
                    report.figure("facts of all schools", facts, "facts")
                    await _measure_all(report, system, scheduler, found)
                finally:
                    await system.fleet.stop()


def _settings(kind: Any, system: System, service: str) -> Any:
    return kind(**{name.lower(): value for name, value in system.environment(service).items()})


async def _emit(scheduler: Service, schools: Iterable[UUID], month: dt.date) -> dt.datetime:
    """Say that a month has ended at schools; returns when, by the database's clock."""
    starts, ends = month_of(month)
    instants = {"starts_at": instant(starts, ZONE), "ends_at": instant(ends, ZONE), "due_at": instant(ends, ZONE)}
    async with scheduler.transactions.begin() as tx:
        for school in schools:
            ids = {"schedule_id": uuid4(), "task_id": uuid4(), "school_id": school}
            tx.emit(ReportsMonthlyDue(**ids, month=starts, timezone=ZONE, **instants))
        row = await tx.row("SELECT clock_timestamp() AS now")
    assert row is not None
    now: dt.datetime = row["now"]
    return now


async def _measure_alone(lab: Lab, report: Report, system: System, scheduler: Service, schools: list[UUID]) -> None:
    took = []
    for school in schools[: WARM + lab.size(20, 1)]:
        began = await _emit(scheduler, [school], ALONE)

        async def ready(school: UUID = school) -> list[dict[str, Any]]:
            return await asyncio.to_thread(system.rows, SELECT_READY, school, ALONE)

        (row,) = await eventually(ready, bool, within=60)
        took.append((row["ready_at"] - began).total_seconds() * 1000)
    measured = took[WARM:] or took
    report.at_most(
        "one school's month, from its event to stored PDF and Excel, median", statistics.median(measured), "ms", 300
    )


async def _measure_all(report: Report, system: System, scheduler: Service, schools: list[UUID]) -> None:
    pids = [system.fleet.pid(name) for name in ("reports-0", "reports-1")]
    began = time.monotonic()
    await _emit(scheduler, schools, ALL)
    memory: list[tuple[int, float]] = []

    async def made() -> dict[str, Any]:
        (row,) = await asyncio.to_thread(system.rows, COUNT_MADE, ALL)
        most = max(psutil.Process(pid).memory_info().rss for pid in pids) / MEGA
        memory.append((row["ready"], most))
        await asyncio.sleep(LOOK)
        return row

    await eventually(made, lambda row: row["ready"] + row["failed"] >= len(schools), within=WITHIN)
    took = time.monotonic() - began
    _, early = max((each for each in memory if each[0] <= len(schools) / 4), default=memory[0])
    report.at_most(
        f"months of {len(schools):,} schools, PDF and Excel, two processes", took, "s", 600 * len(schools) / 1000
    )
    report.figure("… of a school", took / len(schools) * 1000, "ms")
    (row,) = system.rows(COUNT_FILES, ALL)
    report.exactly("schools without both files", 2 * len(schools) - row["files"], "", 0)
    report.figure("memory of a process at its peak", max(most for _, most in memory), "MB")
    report.at_most("… at the end, compared with a quarter of the schools", memory[-1][1] / early, "×", 1.2)
