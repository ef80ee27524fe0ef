"""Requests of reports become rows and tasks, in the commit of their events."""

from uuid import uuid5

from psycopg.types.json import Jsonb

from reports.domain.period import month_of
from reports.permits import REPORTS_LANE, ReportPermit
from shared.events import ReportFailed, ReportRequested, ReportsMonthlyDue
from shared.events.reports import REPORT_TASK
from shared.jobs import job as jobs
from shared.jobs.job import Task
from shared.transactions.unit_of_work import UnitOfWork

# Store a request, unless it is known.
INSERT_REPORT = """
INSERT INTO report (report_id, school_id, kind, student_id, grade, starts, ends, formats, language, task_id,
                    requested_by, requested_at, replaces, reason, forced, directory_version, awaits, smallest_count)
VALUES (%(report)s, %(school)s, %(kind)s, %(student)s, %(grade)s, %(starts)s, %(ends)s, %(formats)s, %(language)s,
        %(task)s, %(by)s, %(at)s, %(replaces)s, %(reason)s, %(forced)s, %(version)s, %(awaits)s,
        %(smallest_count)s)
ON CONFLICT DO NOTHING RETURNING report_id
"""
# Note that a report was cancelled before its request arrived.
CANCEL_UNBEGUN = "UPDATE report SET state = 'cancelled', clean = true WHERE report_id = %(report)s"
# Find the language of a school.
SELECT_LANGUAGE = """
SELECT language FROM school_fact WHERE school_id = %(school)s ORDER BY version DESC LIMIT 1
"""
LANGUAGES = frozenset({"en", "de", "fr", "ar"})


async def request(event: ReportRequested, tx: UnitOfWork, smallest_count: int) -> None:
    """Open the task of a report and permit its work; a repeat changes nothing.

    A version to share keeps the smallest count that it shows, so that each attempt makes the same.
    """
    assert event.task_id is not None
    values = {
        "report": event.report_id,
        "school": event.school_id,
        "kind": event.kind,
        "student": event.student_id,
        "grade": event.grade,
        "starts": event.starts,
        "ends": event.ends,
        "formats": sorted(set(event.formats)),
        "language": event.language,
        "task": event.task_id,
        "by": event.requested_by,
        "at": event.requested_at,
        "replaces": event.replaces,
        "reason": event.reason,
        "forced": event.force,
        "version": event.directory_version,
        "smallest_count": smallest_count if event.to_share else None,
        "awaits": Jsonb({str(record): version for record, version in event.records.items()}),
    }
    if await tx.row(INSERT_REPORT, values) is None:
        return
    if await jobs.start(tx, Task(event.task_id, event.school_id, REPORT_TASK)):
        tx.permit(ReportPermit(task_id=event.task_id), REPORTS_LANE)
        return
    await tx.execute(CANCEL_UNBEGUN, values)
    tx.emit(
        ReportFailed(
            report_id=event.report_id,
            school_id=event.school_id,
            task_id=event.task_id,
            cancelled=True,
            failed_at=event.requested_at,
        )
    )


async def request_monthly(event: ReportsMonthlyDue, tx: UnitOfWork, smallest_count: int) -> None:
    """Request the report of a school's month that has ended, in its language; each run makes one report."""
    if event.school_id is None:
        return
    row = await tx.row(SELECT_LANGUAGE, {"school": event.school_id})
    language = row["language"].partition("-")[0] if row else "en"
    starts, ends = month_of(event.month)
    due = ReportRequested(
        report_id=uuid5(event.task_id, "report"),
        task_id=event.task_id,
        school_id=event.school_id,
        kind="monthly",
        starts=starts,
        ends=ends,
        language=language if language in LANGUAGES else "en",
        requested_at=event.due_at,
    )
    await request(due, tx, smallest_count)
