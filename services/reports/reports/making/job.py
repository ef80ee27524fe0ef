"""The work on one report: wait for its facts, read the figures, draw, store, record."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from prometheus_client import Histogram

from reports.making import outcome
from reports.making.bundle import store_bundle
from reports.making.content import read_content
from reports.making.files import store_files
from reports.making.redraw import count_erasures
from reports.pages.render import TEMPLATE
from reports.permits import REPORTS_LANE, ReportPermit
from shared.errors import Reject
from shared.events import Envelope, TaskCancelRequested
from shared.events.reports import REPORT_TASK
from shared.jobs import job as jobs
from shared.jobs.job import Job
from shared.jobs.time_limits import TimeLimits
from shared.storage.blob_store import BlobStore
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

LIMITS = TimeLimits(soft=300)
POLL = 0.2


async def make(
    permitted: ReportPermit,
    cause: Envelope,
    transactions: UnitOfWorkFactory,
    store: BlobStore,
    patience: float,
    seconds: Histogram,
    limits: TimeLimits = LIMITS,
) -> None:
    """Make the report of a permit. Raises LeaseLost if it has ended or another worker has it."""
    async with jobs.run_job(transactions, permitted.task_id, cause, limits, outcome.record_failed) as job:
        report = await _begin(job, patience)
        with seconds.labels(report["kind"]).time():
            await _make(job, report, cause, transactions, store)


async def _make(
    job: Job, report: dict[str, Any], cause: Envelope, transactions: UnitOfWorkFactory, store: BlobStore
) -> None:
    """Draw, store and record a report whose facts are there, or name the equal one that exists."""
    async with job.commit() as tx:
        await outcome.check_replaced(tx, report)
        if (other := await outcome.equal_report(tx, report)) is not None:
            await job.succeed(tx, result=_result(report, same_as=other))
            return
    async with transactions.begin(cause) as tx:
        erasures = await count_erasures(tx, report["school_id"])
    if report["kind"] == "grade_progress":
        files, warnings = await store_bundle(partial(_report_progress, job), transactions, store, report)
    else:
        async with transactions.begin(cause) as tx:
            content = await read_content(tx, report)
        files, warnings = await store_files(store, report, content)
    async with job.commit() as tx:
        await outcome.record_ready(tx, report, files, TEMPLATE, erasures)
        await job.succeed(tx, result=_result(report, warnings=warnings))


async def _report_progress(job: Job, done: int, total: int) -> None:
    async with job.commit() as tx:
        await job.report_progress(tx, done, total)


async def _begin(job: Job, patience: float) -> dict[str, Any]:
    """Wait until the facts that the requester had seen are there; raises Reject after `patience` seconds."""
    until = time.monotonic() + patience
    while True:
        async with job.commit() as tx:
            report = await outcome.begin(tx, await outcome.select_report(tx, job.task.task_id))
        if report is not None:
            return report
        if time.monotonic() > until:
            raise Reject(f"facts that the request is based on did not arrive within {patience:.0f} s; try again later")
        await asyncio.sleep(POLL)


def _result(report: dict[str, Any], same_as: UUID | None = None, warnings: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "warnings": list(warnings),
        "report_id": str(report["report_id"]),
        "formats": report["formats"],
        "same_as": str(same_as) if same_as else None,
    }


async def cancel(event: TaskCancelRequested, tx: UnitOfWork) -> None:
    """Stop a report that has not ended."""
    await jobs.cancel(event, tx, frozenset({REPORT_TASK}), outcome.record_failed)


async def resume(transactions: UnitOfWorkFactory) -> None:
    """Permit again the reports that have no worker."""
    await jobs.resume(transactions, lambda task: ReportPermit(task_id=task), REPORTS_LANE, frozenset({REPORT_TASK}))
