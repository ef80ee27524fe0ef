"""Reads one file as a job. Its commit applies the outcome only if the file still waits for this reading."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from prometheus_client import Histogram

from files.directory.school_hints import hints_of
from files.permits import LANE, TaskPermit
from files.processing import blobs, outcomes
from files.processing.progress import PageProgress
from files.processing.reader import Reader
from files.reading.result import Reading
from shared.errors import LeaseLost, Retry
from shared.events import Envelope, FileRefused
from shared.jobs import job as jobs
from shared.jobs.job import Job, Task
from shared.jobs.time_limits import TimeLimits
from shared.storage.blob_store import BlobStore
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

KIND = "file.process"
"""The kind of the task that reads a file; the gateway opens it with the upload."""

# Select the file that a task reads.
SELECT_FILE = "SELECT * FROM file WHERE task_id = %(task)s"
# Find the directory versions of a school that are still missing for what an upload may name.
SELECT_DIRECTORY_GAP = """
SELECT coalesce((SELECT versions::text FROM directory_seen WHERE school_id = %(school)s), 'none') AS seen
WHERE %(version)s > 0 AND NOT EXISTS (
    SELECT FROM directory_seen WHERE school_id = %(school)s AND versions @> int8range(1, %(version)s, '[]'))
"""
# A reading ended without an outcome: it was cancelled, or failed for good.
MARK_NOT_READ = """
UPDATE file SET state = 'refused', code = 'not_read', version = version + 1, changed_at = clock_timestamp(),
    message = 'Reading was cancelled or failed; its task says why. Ask to reprocess the file.'
WHERE task_id = %(task)s AND state = 'stored'
RETURNING file_id, school_id, version, changed_at
"""


async def start(tx: UnitOfWork, task_id: UUID, school_id: UUID) -> bool:
    """Let a worker read a file; False if its task was cancelled before."""
    if not await jobs.start(tx, Task(task_id, school_id, KIND)):
        return False
    tx.permit(TaskPermit(task_id=task_id), LANE)
    return True


async def process(
    task_id: UUID,
    cause: Envelope,
    transactions: UnitOfWorkFactory,
    store: BlobStore,
    read: Reader,
    threshold: float,
    limits: TimeLimits,
    seconds: Histogram,
) -> None:
    """Read the file of a task. Raises LeaseLost if the task has ended or another worker has it."""
    async with jobs.run_job(transactions, task_id, cause, limits, mark_not_read) as job:
        async with transactions.begin(cause) as tx:
            file = await _claimed(tx, task_id)
            hints = await hints_of(tx, file["school_id"], file["uploaded_at"].date())
        with seconds.labels(file["kind"]).time(), TemporaryDirectory(prefix="schoolconnect-file-") as made:
            folder = Path(made)
            original, out = folder / "original", folder / "out"
            out.mkdir()
            await blobs.fetch(store, blobs.original_key(file["school_id"], file["file_id"]), original, file["size"])
            progress = PageProgress(job)
            async with progress.publish():
                reading = await read(
                    original, name=file["name"], kind=file["kind"], hints=hints, out=out, on_progress=progress
                )
            await _keep_thumbnails(store, file, reading, out)
            await _commit(job, reading, threshold)


async def mark_not_read(tx: UnitOfWork, task_id: UUID) -> None:
    """Refuse a file whose reading has ended without an outcome, in the commit of that end."""
    row = await tx.row(MARK_NOT_READ, {"task": task_id})
    if row is not None:
        tx.emit(
            FileRefused(
                file_id=row["file_id"],
                school_id=row["school_id"],
                version=row["version"],
                task_id=task_id,
                code="not_read",
                refused_at=row["changed_at"],
            )
        )


async def _claimed(tx: UnitOfWork, task_id: UUID) -> Mapping[str, Any]:
    file = await tx.row(SELECT_FILE, {"task": task_id})
    if file is None:
        raise LeaseLost(f"task {task_id} reads no file any more")
    values = {"school": file["school_id"], "version": file["directory_version"]}
    if (gap := await tx.row(SELECT_DIRECTORY_GAP, values)) is not None:
        raise Retry(f"the directory is needed up to version {values['version']}; applied are {gap['seen']}")
    return file


async def _keep_thumbnails(store: BlobStore, file: Mapping[str, Any], reading: Reading, out: Path) -> None:
    for width, name in reading.thumbnails.items():
        await blobs.keep(store, blobs.thumbnail_key(file["school_id"], file["file_id"], width), out / name)


async def _commit(job: Job, reading: Reading, threshold: float) -> None:
    async with job.commit() as tx:
        ended = await outcomes.apply(tx, job.task.task_id, reading, threshold)
        if ended.error is not None:
            await job.fail(tx, ended.error)
        else:
            pages = max(1, reading.pages)
            await job.succeed(tx, result=ended.result, done=pages, total=pages)
