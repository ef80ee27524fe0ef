"""Counts blobs without a file and files without a blob, for an invariant; each must be 0.

A round compares one school, so that its work and its memory are bounded; the next round takes the next school. Nothing
is removed: a person decides.
"""

import datetime as dt
from collections.abc import Set as AbstractSet
from uuid import UUID

import structlog

from files.processing.blobs import original_key, thumbnail_key
from shared.errors import StorageUnavailable
from shared.storage.blob_store import BlobStore
from shared.storage.keys import blob_key
from shared.storage.reconcile import compare
from shared.telemetry import Metrics
from shared.transactions.unit_of_work import UnitOfWorkFactory

log = structlog.get_logger()

INVARIANT = "file_blob_differs"
SETTLED = dt.timedelta(hours=1)
"""An upload reaches this service by its event; a blob may be older than its row by that long."""
SHOWN = 5
FIRST = UUID(int=0)
# Find the school that follows another one.
SELECT_NEXT_SCHOOL = "SELECT school_id FROM school WHERE school_id > %(after)s ORDER BY school_id LIMIT 1"
# Select the files of a school whose blobs are not being removed.
SELECT_FILES = "SELECT file_id, thumbnails FROM file WHERE school_id = %(school)s AND purging_at IS NULL"


class OrphanCounter:
    """Counts the differences of one school after the other, and exports the sum of the last count of each."""

    def __init__(self, store: BlobStore, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self._found: dict[UUID, int] = {}
        self._after = FIRST

    async def count(self, transactions: UnitOfWorkFactory) -> int:
        """Compare the next school; returns the sum. While the store is unavailable, the last numbers stay."""
        async with transactions.begin() as tx:
            row = await tx.row(SELECT_NEXT_SCHOOL, {"after": self._after})
        if row is None:
            self._after = FIRST
        else:
            self._after = row["school_id"]
            try:
                self._found[self._after] = await self._differences(transactions, self._after)
            except StorageUnavailable as problem:
                log.warning("invariants.interrupted", invariant=INVARIANT, error=str(problem))
        violations = sum(self._found.values())
        self._metrics.violations.labels(INVARIANT).set(violations)
        return violations

    async def _differences(self, transactions: UnitOfWorkFactory, school: UUID) -> int:
        async def rows() -> AbstractSet[str]:
            async with transactions.begin() as tx:
                files = await tx.rows(SELECT_FILES, {"school": school})
            originals = {original_key(school, row["file_id"]) for row in files}
            return originals | {
                thumbnail_key(school, row["file_id"], width) for row in files for width in row["thumbnails"]
            }

        found = await compare(self._store, blob_key("files", school), rows, SETTLED)
        if found.violations:
            log.error(
                "invariant.violated",
                invariant=INVARIANT,
                violations=found.violations,
                blobs_without_row=found.blobs_without_row[:SHOWN],
                rows_without_blob=found.rows_without_blob[:SHOWN],
            )
        return found.violations


async def count_orphans(transactions: UnitOfWorkFactory, counter: OrphanCounter) -> None:
    """Let the counter compare one more school."""
    await counter.count(transactions)
