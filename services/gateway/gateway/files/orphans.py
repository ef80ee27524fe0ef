"""Removes uploads that were never stored as a whole: their blob first, then their row.

It takes only rows whose lease has expired, and marks them in a commit of its own before a blob is touched: from then on
their sender cannot mark them as stored. A kill in between is repeated by the next run.
"""

import datetime as dt
from uuid import UUID

import structlog

from gateway.files.intake import original_key
from shared.errors import StorageUnavailable
from shared.storage.blob_store import BlobStore
from shared.transactions.unit_of_work import UnitOfWorkFactory

log = structlog.get_logger()

AT_ONCE = 100
UNFINISHED_AFTER = dt.timedelta(days=1)
# Mark uploads whose sender is gone; returns those and earlier ones that are not removed yet. The pause keeps other
# replicas away meanwhile.
MARK_ORPHANS = """
UPDATE upload SET state = 'abandoned', leased_until = clock_timestamp() + interval '60 seconds'
WHERE file_id IN (
    SELECT file_id FROM upload WHERE state <> 'stored' AND leased_until < statement_timestamp()
    ORDER BY leased_until LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
RETURNING file_id, school_id
"""
# Remove the row of an upload whose blob is gone.
DELETE_ORPHAN = "DELETE FROM upload WHERE file_id = %(file)s AND state = 'abandoned'"
# Forget uploads whose files were purged: a deleted file is kept for 30 days by default.
DELETE_PURGED = "DELETE FROM upload WHERE deleted_at < clock_timestamp() - make_interval(days => %(days)s)"
KEPT_DAYS = 400


async def forget_purged(rows: UnitOfWorkFactory) -> None:
    """Forget uploads that were deleted more than a year ago."""
    async with rows.begin() as tx:
        await tx.execute(DELETE_PURGED, {"days": KEPT_DAYS})


async def remove_orphans(rows: UnitOfWorkFactory, store: BlobStore) -> int:
    """Remove what is left of uploads that did not end; returns how many."""
    async with rows.begin() as tx:
        found: list[tuple[UUID, UUID]] = [
            (row["file_id"], row["school_id"]) for row in await tx.rows(MARK_ORPHANS, {"limit": AT_ONCE})
        ]
    removed = 0
    for file, school in found:
        try:
            await store.delete(original_key(school, file))
        except StorageUnavailable as problem:
            log.warning("upload.orphan_kept", file_id=str(file), error=str(problem))
            continue
        async with rows.begin() as tx:
            await tx.execute(DELETE_ORPHAN, {"file": file})
        removed += 1
    if removed:
        log.info("upload.orphans_removed", count=removed)
    return removed


async def remove_unfinished(_: UnitOfWorkFactory, store: BlobStore) -> int:
    """Remove what killed processes have left of blobs a day ago; no upload takes that long. Returns how many."""
    removed = await store.remove_unfinished(dt.datetime.now(dt.UTC) - UNFINISHED_AFTER)
    if removed:
        log.info("blob.unfinished_removed", count=removed)
    return removed
