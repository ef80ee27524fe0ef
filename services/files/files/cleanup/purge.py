"""Purges files that were deleted long enough ago: first it marks them, then their blobs go, then their rows.

Each step can fail or be killed and is repeated by the next run: a marked file cannot be restored, a blob that is gone
is no error, and a row goes only after its blobs.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import structlog

from files.permits import LANE, TaskPermit
from files.processing.blobs import folder_key
from shared.errors import StorageUnavailable
from shared.events import Envelope, FilesCleaned, FilesCleanupDue
from shared.jobs import job as jobs
from shared.jobs.job import Job, Task
from shared.jobs.time_limits import TimeLimits
from shared.storage.blob_store import BlobStore
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

log = structlog.get_logger()

KIND = "files.clean"
LIMITS = TimeLimits(again=True)
"""A run that takes too long is continued, because it commits file by file."""
AT_ONCE = 100

# Mark files whose time is over, and find those that an earlier run has marked. Each run looks at a file once.
MARK_PURGING = """
UPDATE file SET purging_at = coalesce(purging_at, clock_timestamp()), version = version + 1
WHERE file_id IN (
    SELECT file_id FROM file
    WHERE deleted_at < clock_timestamp() - make_interval(days => %(days)s) AND file_id > %(after)s
    ORDER BY file_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
RETURNING file_id, school_id
"""
# Remove a file whose blobs are gone, with its readings.
DELETE_FILE = "DELETE FROM file WHERE file_id = %(file)s AND purging_at IS NOT NULL"
# Remove deletions whose uploads never arrived.
DELETE_TOMBSTONES = "DELETE FROM tombstone WHERE deleted_at < clock_timestamp() - make_interval(days => %(days)s)"
SELECT_NOW = "SELECT clock_timestamp() AS now"

FIRST = UUID(int=0)


async def start(event: FilesCleanupDue, tx: UnitOfWork) -> None:
    """Let a worker purge; the same run comes once, however often its event does."""
    if await jobs.start(tx, Task(event.task_id, None, KIND)):
        tx.permit(TaskPermit(task_id=event.task_id), LANE)


async def purge(
    task_id: UUID,
    cause: Envelope,
    transactions: UnitOfWorkFactory,
    store: BlobStore,
    days: int,
    limits: TimeLimits = LIMITS,
) -> None:
    """Purge all files that were deleted more than `days` days ago. A file that fails is left to the next run."""
    async with jobs.run_job(transactions, task_id, cause, limits) as job:
        purged = failed = 0
        after = FIRST
        while files := await _mark(job, days, after):
            for file in files:
                done = await _purge(job, store, file)
                purged, failed = purged + done, failed + (not done)
            after = files[-1]["file_id"]
            async with job.commit() as tx:
                await job.report_progress(tx, purged, purged + failed)
        async with job.commit() as tx:
            await tx.execute(DELETE_TOMBSTONES, {"days": days})
            now = await tx.row(SELECT_NOW)
            assert now is not None
            tx.emit(FilesCleaned(run_id=task_id, purged=purged, failed=failed, cleaned_at=now["now"]))
            await job.succeed(tx, result={"purged": purged, "failed": failed}, done=purged, total=purged + failed)


async def _mark(job: Job, days: int, after: UUID) -> list[Mapping[str, Any]]:
    async with job.commit() as tx:
        found = await tx.rows(MARK_PURGING, {"days": days, "after": after, "limit": AT_ONCE})
    return sorted(found, key=lambda row: row["file_id"])


async def _purge(job: Job, store: BlobStore, file: Mapping[str, Any]) -> bool:
    try:
        async for blob in store.list(folder_key(file["school_id"], file["file_id"])):
            await store.delete(blob.key)
    except StorageUnavailable as problem:
        log.warning("file.not_purged", file_id=str(file["file_id"]), error=str(problem))
        return False
    async with job.commit() as tx:
        await tx.execute(DELETE_FILE, {"file": file["file_id"]})
    return True
