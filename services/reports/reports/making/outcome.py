"""Outcomes of reports: an equal one is reused, a new one is recorded with its files, a failed one is marked."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from reports.domain.names import name_of
from reports.domain.period import named
from reports.facts.position import count_missing, newest_position
from shared.errors import Reject, Retry
from shared.events import ReportFailed, ReportReady
from shared.transactions.unit_of_work import UnitOfWork

# Select the report of a task.
SELECT_REPORT = "SELECT * FROM report WHERE task_id = %(task)s"
# Find the report that another one replaces.
SELECT_REPLACED = """
SELECT FROM report r JOIN report o ON o.report_id = r.replaces
WHERE r.report_id = %(report)s AND o.school_id = r.school_id AND o.kind = r.kind AND o.starts = r.starts
  AND o.ends = r.ends AND o.student_id IS NOT DISTINCT FROM r.student_id
  AND o.grade IS NOT DISTINCT FROM r.grade AND o.state = 'ready'
  AND (o.smallest_count IS NULL) = (r.smallest_count IS NULL)
"""
# Let one of several equal requests look at a time.
LOCK_IDENTITY = "SELECT pg_advisory_xact_lock(hashtextextended(%(identity)s, 0))"
# Fix the offsets that the report is made as of.
FIX_POSITION = """
UPDATE report SET directory_offset = %(directory)s, records_offset = %(records)s, work_offset = %(work)s
WHERE report_id = %(report)s RETURNING *
"""
# Find an equal report: same subject, period, language, formats and offsets.
SELECT_EQUAL = """
SELECT o.report_id, o.state FROM report o JOIN report r ON r.report_id = %(report)s
WHERE o.school_id = r.school_id AND o.report_id <> r.report_id AND o.kind = r.kind AND o.starts = r.starts
  AND o.ends = r.ends AND o.student_id IS NOT DISTINCT FROM r.student_id AND o.grade IS NOT DISTINCT FROM r.grade
  AND o.language = r.language AND o.smallest_count IS NOT DISTINCT FROM r.smallest_count
  AND o.formats = r.formats AND o.same_as IS NULL AND o.state IN ('waiting', 'ready')
  AND (o.directory_offset, o.records_offset, o.work_offset) = (r.directory_offset, r.records_offset, r.work_offset)
ORDER BY o.report_id LIMIT 1
"""
# Let a report be the same as another one.
MARK_SAME = """
UPDATE report r SET state = 'ready', same_as = o.report_id, ready_at = o.ready_at, template = o.template
FROM report o WHERE r.report_id = %(report)s AND o.report_id = %(other)s
"""
# Record that a report is ready.
MARK_READY = """
UPDATE report SET state = 'ready', ready_at = clock_timestamp(), template = %(template)s, erased = %(erased)s
WHERE report_id = %(report)s RETURNING ready_at
"""
INSERT_FILE = """
INSERT INTO report_file (report_id, school_id, format, blob, media_type, size, sha256)
VALUES (%(report)s, %(school)s, %(format)s, %(blob)s, %(media_type)s, %(size)s, %(sha256)s)
"""
# Mark a report whose task has ended without files.
MARK_FAILED = """
UPDATE report r SET state = CASE WHEN EXISTS (
        SELECT FROM task_lease l WHERE l.task_id = r.task_id AND l.cancel_requested_at IS NOT NULL)
    THEN 'cancelled' ELSE 'failed' END
WHERE task_id = %(task)s AND state = 'waiting' RETURNING report_id, school_id, state, clock_timestamp() AS failed_at
"""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that is in the store of blobs."""

    format: str
    blob: str
    media_type: str
    size: int
    sha256: str


async def check_replaced(tx: UnitOfWork, report: dict[str, Any]) -> None:
    """Raise Reject if the report that this one is to replace is none of the same subject and period."""
    if report["replaces"] is not None and await tx.row(SELECT_REPLACED, {"report": report["report_id"]}) is None:
        raise Reject("`replaces` names no report of the same kind, student or grade, and period")


async def select_report(tx: UnitOfWork, task: UUID) -> dict[str, Any]:
    """Return the row of a task's report."""
    row = await tx.row(SELECT_REPORT, {"task": task})
    assert row is not None
    return row


async def begin(tx: UnitOfWork, report: dict[str, Any]) -> dict[str, Any] | None:
    """Fix what the report is made as of, once; None while facts are missing that its requester had seen."""
    if report["directory_offset"] is not None:
        return report
    awaited = {UUID(record): version for record, version in report["awaits"].items()}
    if await count_missing(tx, report["school_id"], report["directory_version"], awaited):
        return None
    # One at a time, so that of two equal reports one sees the other.
    names = ("school_id", "kind", "student_id", "grade", "starts", "ends", "language", "smallest_count")
    await tx.execute(LOCK_IDENTITY, {"identity": "/".join(str(report[name]) for name in names)})
    position = await newest_position(tx, report["school_id"])
    offsets = {"directory": position.directory, "records": position.records, "work": position.work}
    return await tx.row(FIX_POSITION, offsets | {"report": report["report_id"]})


async def equal_report(tx: UnitOfWork, report: dict[str, Any]) -> UUID | None:
    """Return an equal report that is ready, and note it; raises Retry while it is being made."""
    if report["forced"]:
        return None
    other = await tx.row(SELECT_EQUAL, {"report": report["report_id"]})
    if other is None:
        return None
    if other["state"] == "waiting":
        if other["report_id"] > report["report_id"]:
            return None  # the older of two equal ones is made
        raise Retry("an equal report is being made")
    await tx.execute(MARK_SAME, {"report": report["report_id"], "other": other["report_id"]})
    found: UUID = other["report_id"]
    return found


async def record_ready(
    tx: UnitOfWork, report: dict[str, Any], files: Sequence[StoredFile], template: str, erased: int
) -> None:
    """Record a report and its files, and say that it is ready. `erased`: the erasures that it was drawn after."""
    ready = await tx.row(MARK_READY, {"report": report["report_id"], "template": template, "erased": erased})
    assert ready is not None
    for file in files:
        values = {name: getattr(file, name) for name in StoredFile.__slots__}
        await tx.execute(INSERT_FILE, values | {"report": report["report_id"], "school": report["school_id"]})
    tx.emit(_ready(report, ready["ready_at"]))


def _ready(report: dict[str, Any], at: dt.datetime) -> ReportReady:
    language = report["language"]
    return ReportReady(
        report_id=report["report_id"],
        school_id=report["school_id"],
        task_id=report["task_id"],
        name=name_of(report["kind"], language),
        period=named(report["starts"], report["ends"], language).name,
        student_id=report["student_id"],
        requested_by=report["requested_by"],
        directory_version=report["directory_version"],
        ready_at=at,
    )


async def record_failed(tx: UnitOfWork, task: UUID) -> None:
    """Mark a report whose task ends without files, and say so; no effect on one that is ready."""
    row = await tx.row(MARK_FAILED, {"task": task})
    if row is not None:
        tx.emit(
            ReportFailed(
                report_id=row["report_id"],
                school_id=row["school_id"],
                task_id=task,
                cancelled=row["state"] == "cancelled",
                failed_at=row["failed_at"],
            )
        )
