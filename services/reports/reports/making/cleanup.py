"""Removal of reports after their time, and of what failed attempts left in the store.

Blobs go first, rows after them: after a crash in between they are deleted again, and no blob is without a row.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from reports.making.files import delete_files
from reports.permits import CLEANUP_LANE, CleanupPermit
from shared.events import Envelope, ReportsCleaned, ReportsCleanupDue
from shared.jobs.task_status import has_ended, track
from shared.storage.blob_store import BlobStore
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

KIND = "reports.cleanup"
KEPT = dt.timedelta(days=365)
BATCH = 100

# Find reports that have been kept long enough. A report whose files others share goes with the last of them.
SELECT_OLD = """
SELECT report_id, school_id, formats, same_as FROM report r
WHERE requested_at < %(before)s AND state <> 'waiting'
  AND NOT EXISTS (SELECT FROM report o WHERE o.same_as = r.report_id)
ORDER BY requested_at LIMIT %(limit)s
"""
DELETE_FILES = "DELETE FROM report_file WHERE report_id = ANY(%(reports)s)"
DELETE_REPORTS = "DELETE FROM report WHERE report_id = ANY(%(reports)s)"
# Find reports of students who were erased; one that is being made goes once it has ended.
SELECT_ABOUT_ERASED = """
SELECT report_id, school_id, formats, same_as FROM report r
WHERE student_id IS NOT NULL AND state <> 'waiting'
  AND EXISTS (SELECT FROM person_fact p WHERE p.person_id = r.student_id AND p.erased)
LIMIT %(limit)s
"""
# Find failed reports of which a file may be left.
SELECT_UNCLEAN = """
SELECT report_id, school_id, formats FROM report WHERE state IN ('failed', 'cancelled') AND NOT clean LIMIT %(limit)s
"""
MARK_CLEAN = "UPDATE report SET clean = true WHERE report_id = ANY(%(reports)s)"


async def permit_cleanup(event: ReportsCleanupDue, tx: UnitOfWork) -> None:
    """Permit the removal of old reports, outside this transaction."""
    await track(tx, event.task_id, school_id=None, kind=KIND, state="queued")
    tx.permit(CleanupPermit(task_id=event.task_id, before=event.due_at - KEPT), CLEANUP_LANE)


async def clean(permitted: CleanupPermit, cause: Envelope, transactions: UnitOfWorkFactory, store: BlobStore) -> None:
    """Remove reports that were requested too long ago, with their files; a second permit finds nothing to do."""
    removed = 0
    while True:
        async with transactions.begin(cause) as tx:
            if await has_ended(tx, permitted.task_id):
                return
            old = await tx.rows(SELECT_OLD, {"before": permitted.before, "limit": BATCH})
        await remove_reports(transactions, store, old, cause)
        removed += len(old)
        if not old:
            break
    async with transactions.begin(cause) as tx:
        task, now = permitted.task_id, dt.datetime.now(dt.UTC)
        await track(tx, task, school_id=None, kind=KIND, state="succeeded", result={"removed": removed})
        tx.emit(ReportsCleaned(task_id=task, removed=removed, cleaned_at=now))


async def clean_erased(transactions: UnitOfWorkFactory, store: BlobStore) -> None:
    """Remove the reports of students who were erased, with their files."""
    async with transactions.begin() as tx:
        about = await tx.rows(SELECT_ABOUT_ERASED, {"limit": BATCH})
    await remove_reports(transactions, store, about)


async def remove_reports(
    transactions: UnitOfWorkFactory,
    store: BlobStore,
    reports: Sequence[Mapping[str, Any]],
    cause: Envelope | None = None,
) -> None:
    """Delete the blobs of reports, then their rows."""
    for report in reports:
        if report["same_as"] is None:
            await delete_files(store, report)
    if reports:
        async with transactions.begin(cause) as tx:
            ids = {"reports": [report["report_id"] for report in reports]}
            await tx.execute(DELETE_FILES, ids)
            await tx.execute(DELETE_REPORTS, ids)


async def clean_failed(transactions: UnitOfWorkFactory, store: BlobStore) -> None:
    """Delete what attempts at failed reports have stored."""
    async with transactions.begin() as tx:
        unclean = await tx.rows(SELECT_UNCLEAN, {"limit": BATCH})
    for report in unclean:
        await delete_files(store, report)
    if unclean:
        async with transactions.begin() as tx:
            await tx.execute(MARK_CLEAN, {"reports": [report["report_id"] for report in unclean]})
