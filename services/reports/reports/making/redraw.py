"""Draws stored reports again after a student of their school was erased: the same figures, as of the same offsets.

The facts have no names or texts of the student any more. A new file replaces the old one under its key. Two workers
that draw the same report store the same bytes, so that no lease is needed.
"""

from typing import Any
from uuid import UUID

import structlog

from reports.making.bundle import store_bundle
from reports.making.cleanup import remove_reports
from reports.making.content import read_content
from reports.making.files import store_files
from reports.making.outcome import StoredFile
from reports.pages.render import TEMPLATE
from shared.errors import Reject
from shared.storage.blob_store import BlobStore
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

log = structlog.get_logger()

# Find a report that may name a student who was erased after it was drawn.
SELECT_OUTDATED = """
SELECT r.*, e.erased + e.emptied AS erasures
FROM report r JOIN school_erasure e ON e.school_id = r.school_id AND e.erased + e.emptied > r.erased
WHERE r.state = 'ready' AND r.same_as IS NULL AND r.student_id IS NULL AND r.smallest_count IS NULL
ORDER BY random() LIMIT 1
"""
# Find how many erasures of a school a report that is read now has the facts of.
SELECT_ERASURES = "SELECT erased + emptied AS erasures FROM school_erasure WHERE school_id = %(school)s"
# Note which erasures the files of a report were drawn after.
MARK_DRAWN = """
UPDATE report SET erased = %(erasures)s, template = %(template)s
WHERE report_id = %(report)s AND state = 'ready' AND erased < %(erasures)s
"""
# Find a report and those that share its files.
SELECT_SAME = """
SELECT report_id, school_id, formats, same_as FROM report WHERE %(report)s IN (report_id, same_as)
"""
CHANGE_FILE = """
UPDATE report_file SET size = %(size)s, sha256 = %(sha256)s WHERE report_id = %(report)s AND format = %(format)s
"""


async def count_erasures(tx: UnitOfWork, school: UUID) -> int:
    """Return how many erasures of a school the facts that are read next have at least."""
    row = await tx.row(SELECT_ERASURES, {"school": school})
    return int(row["erasures"]) if row else 0


async def redraw(transactions: UnitOfWorkFactory, store: BlobStore) -> None:
    """Draw again what was drawn before an erasure, one report after the other."""
    while True:
        async with transactions.begin() as tx:
            report = await tx.row(SELECT_OUTDATED)
        if report is None:
            return
        try:
            files = await _store(transactions, store, report)
        except Reject:
            if report["kind"] != "grade_progress":
                raise
            await _remove(transactions, store, report)  # every student of the grade was erased
            continue
        async with transactions.begin() as tx:
            values = {"report": report["report_id"], "erasures": report["erasures"], "template": TEMPLATE}
            await tx.execute(MARK_DRAWN, values)
            for file in files:
                await tx.execute(CHANGE_FILE, values | {n: getattr(file, n) for n in ("format", "size", "sha256")})
        log.info("report.drawn_again", report_id=str(report["report_id"]), school_id=str(report["school_id"]))


async def _store(transactions: UnitOfWorkFactory, store: BlobStore, report: dict[str, Any]) -> list[StoredFile]:
    if report["kind"] == "grade_progress":
        return (await store_bundle(_no_progress, transactions, store, report))[0]
    async with transactions.begin() as tx:
        content = await read_content(tx, report)
    return (await store_files(store, report, content))[0]


async def _remove(transactions: UnitOfWorkFactory, store: BlobStore, report: dict[str, Any]) -> None:
    async with transactions.begin() as tx:
        same = await tx.rows(SELECT_SAME, {"report": report["report_id"]})
    await remove_reports(transactions, store, same)


async def _no_progress(_: int, __: int) -> None:
    """Say nothing: no task waits for it."""
