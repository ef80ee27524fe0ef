"""Erasure of people: files about a student, and what a guardian uploaded, go with their readings and blobs at once.

The gateway empties the records itself. A file that staff uploaded about another person stays. Each step can fail or be
killed and is repeated by the next sweep: a row goes only after its blobs.
"""

import structlog

from files.processing.blobs import folder_key
from files.review.decisions import Target, delete
from shared.errors import StorageUnavailable
from shared.storage.blob_store import BlobStore
from shared.transactions.unit_of_work import UnitOfWorkFactory

log = structlog.get_logger()

AT_ONCE = 100
# Find files about erased people that no other sweep works on.
LOCK_ABOUT_ERASED = """
SELECT f.file_id, f.school_id FROM file f
WHERE EXISTS (SELECT FROM person p WHERE p.erased
                AND (p.person_id IN (f.student_id, f.named_student_id)
                     OR f.uploader_role = 'guardian' AND p.person_id = f.uploaded_by))
ORDER BY f.file_id LIMIT %(limit)s FOR UPDATE OF f SKIP LOCKED
"""
# From now on a file cannot be restored.
MARK_PURGING = """
UPDATE file SET purging_at = coalesce(purging_at, clock_timestamp()), version = version + 1
WHERE file_id = ANY(%(files)s) AND purging_at IS NULL
"""
# Remove a file whose blobs are gone, with its readings.
DELETE_FILE = "DELETE FROM file WHERE file_id = %(file)s AND purging_at IS NOT NULL"


async def erase_files(transactions: UnitOfWorkFactory, store: BlobStore) -> None:
    """Remove some files about people who were erased."""
    async with transactions.begin() as tx:
        found = await tx.rows(LOCK_ABOUT_ERASED, {"limit": AT_ONCE})
        for row in found:
            await delete(tx, Target(row["file_id"], row["school_id"], None, None))
        await tx.execute(MARK_PURGING, {"files": [row["file_id"] for row in found]})
    for row in found:
        try:
            async for blob in store.list(folder_key(row["school_id"], row["file_id"])):
                await store.delete(blob.key)
        except StorageUnavailable as problem:
            log.warning("file.not_erased", file_id=str(row["file_id"]), error=str(problem))
            continue
        async with transactions.begin() as tx:
            await tx.execute(DELETE_FILE, {"file": row["file_id"]})
        log.info("file.erased", file_id=str(row["file_id"]))
