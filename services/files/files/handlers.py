"""Handlers of events and permits."""

from uuid import UUID

from files.processing import job as processing
from files.review.decisions import deleted_event
from shared.events import FileUploaded, TaskCancelRequested
from shared.jobs import job as jobs
from shared.jobs.task_status import track
from shared.transactions.unit_of_work import UnitOfWork

# Register an upload.
INSERT_FILE = """
INSERT INTO file (file_id, school_id, kind, name, media_type, size, sha256, duplicate_of, student_id,
                  named_student_id, uploaded_by, uploader_role, uploaded_at, directory_version, task_id)
VALUES (%(file_id)s, %(school_id)s, %(kind)s, %(name)s, %(media_type)s, %(size)s, %(sha256)s, %(duplicate_of)s,
        %(student_id)s, %(student_id)s, %(uploaded_by)s, %(uploader_role)s, %(uploaded_at)s, %(directory_version)s,
        %(task_id)s)
ON CONFLICT DO NOTHING RETURNING file_id
"""
# Apply a deletion that arrived before the upload.
APPLY_TOMBSTONE = """
WITH met AS (DELETE FROM tombstone WHERE file_id = %(file_id)s RETURNING deleted_by, deleted_at)
UPDATE file f SET deleted_by = met.deleted_by, deleted_at = met.deleted_at, version = f.version + 1,
    state = 'refused', code = 'not_read', message = 'The file was deleted before it was read.'
FROM met WHERE f.file_id = %(file_id)s
RETURNING f.file_id AS file, f.school_id AS school, f.deleted_by AS person, f.version, f.deleted_at AS changed_at
"""


async def register(event: FileUploaded, tx: UnitOfWork) -> None:
    """Register an upload and let it be read; one that was deleted before it arrived is never read."""
    if await tx.row(INSERT_FILE, event.model_dump()) is None:
        return
    deleted = await tx.row(APPLY_TOMBSTONE, {"file_id": event.file_id})
    if deleted is not None:
        tx.emit(deleted_event(deleted, deleted))
        await _end(tx, event.task_id, event.school_id)
    elif not await processing.start(tx, event.task_id, event.school_id):
        await processing.mark_not_read(tx, event.task_id)


async def _end(tx: UnitOfWork, task: UUID, school: UUID) -> None:
    await track(tx, task, school_id=school, kind=processing.KIND, state="cancelled")


async def cancel(event: TaskCancelRequested, tx: UnitOfWork) -> None:
    """Stop a reading that has not ended, also in the middle of a scan. Other kinds belong to other services."""
    await jobs.cancel(event, tx, frozenset({processing.KIND}), processing.mark_not_read)
