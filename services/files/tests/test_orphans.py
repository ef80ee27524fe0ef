"""An invariant counts blobs without a file and files without a blob, one school a round."""

import datetime as dt
from uuid import uuid4

import pytest
from uuid_utils.compat import uuid7

from files.cleanup import orphans
from files.processing import blobs
from services.files.tests.conftest import receipt
from services.files.tests.test_purge import ADA

pytestmark = pytest.mark.asyncio(loop_scope="module")

METRIC = "schoolconnect_invariant_violations"


async def content():
    yield b"nothing"


async def whole_round(counter, files):
    """Count until each school was compared."""
    schools = await files.rows("SELECT count(*) AS n FROM school")
    for _ in range(schools[0]["n"] + 1):
        violations = await counter.count(files.service.transactions)
    return violations


async def test_orphans_of_both_sides_are_counted_and_exported(files, monkeypatch):
    monkeypatch.setattr(orphans, "SETTLED", dt.timedelta())
    counter = orphans.OrphanCounter(files.store, files.service.metrics)
    school, ada = await files.school(ADA)
    event = await files.read(school, receipt(reference=uuid4().hex), student_id=ada)
    before = await whole_round(counter, files)

    await files.store.put(blobs.original_key(school, uuid7()), content())
    await files.store.delete(blobs.original_key(school, event.file_id))

    assert await whole_round(counter, files) == before + 2
    exported = files.service.metrics.registry.get_sample_value(METRIC, {"invariant": orphans.INVARIANT})
    assert exported == before + 2


async def test_blob_that_waits_for_its_event_is_no_orphan(files):
    counter = orphans.OrphanCounter(files.store, files.service.metrics)
    school, _ = await files.school(ADA)
    before = await whole_round(counter, files)

    await files.store.put(blobs.original_key(school, uuid7()), content())

    assert await whole_round(counter, files) == before
