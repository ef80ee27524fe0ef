"""Files are purged by the day of their deletion; blobs and rows may fail in any order."""

import datetime as dt
from uuid import uuid4

import pytest
from uuid_utils.compat import uuid7

from files.cleanup import purge
from files.permits import TaskPermit
from files.processing import blobs
from services.files.tests.conftest import receipt
from shared.errors import StorageUnavailable
from shared.events import Envelope, FilesCleanupDue

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADA = ("Ada", "Demo-Fir 0001")
DAYS_AGO = "UPDATE file SET deleted_at = clock_timestamp() - make_interval(days => %s) WHERE file_id = %s RETURNING 1"
OF_FILE = "SELECT count(*) AS n FROM {} WHERE file_id = %s"
CLEANED = "SELECT data::jsonb AS data FROM outbox WHERE routing_key = 'files.cleaned' AND data::jsonb->>'run_id' = %s"


class BrokenStore:
    """Fails for some files; other calls reach the real store."""

    def __init__(self, store, *broken):
        self._store = store
        self._broken = broken

    def list(self, prefix):
        if any(str(file) in prefix for file in self._broken):
            raise StorageUnavailable("away")
        return self._store.list(prefix)

    async def delete(self, key):
        await self._store.delete(key)


async def deleted(files, school, ada, days, **changes):
    event = await files.read(school, receipt(reference=uuid4().hex), student_id=ada, **changes)
    await files.ask("DELETE", f"/{event.file_id}", school)
    await files.rows(DAYS_AGO, (days, event.file_id))
    return event.file_id


async def run(files, store=None):
    """Run a cleanup; returns its task."""
    due = FilesCleanupDue(schedule_id=uuid7(), task_id=uuid7(), due_at=dt.datetime.now(dt.UTC))
    async with files.service.transactions.begin() as tx:
        await purge.start(due, tx)
    cause = Envelope.of_work(TaskPermit.name, str(due.task_id), "files")
    await purge.purge(due.task_id, cause, files.service.transactions, store or files.store, 30)
    return await files.task(due.task_id)


async def left(files, school, file):
    """What is left of a file: rows, readings, blobs."""
    rows = [(await files.rows(OF_FILE.format(table), (file,)))[0]["n"] for table in ("file", "reading")]
    return (*rows, len([each async for each in files.store.list(blobs.folder_key(school, file))]))


async def test_seed_26_only_what_was_deleted_long_ago_is_purged_and_the_task_says_how_many(files):
    # given: an old file deleted yesterday stays, a young one deleted long ago goes
    school, ada = await files.school(ADA)
    long_ago = await deleted(files, school, ada, 31)
    yesterday = await deleted(files, school, ada, 1, uploaded_at=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    there = (await files.read(school, receipt(reference="there"), student_id=ada)).file_id
    # when
    task = await run(files)
    # then
    assert (task["state"], task["result"]) == ("succeeded", {"purged": 1, "failed": 0})
    assert await left(files, school, long_ago) == (0, 0, 0)
    assert await left(files, school, yesterday) == (1, 1, 1)
    assert await left(files, school, there) == (1, 1, 1)
    (cleaned,) = await files.rows(CLEANED, (task["task_id"],))
    assert (cleaned["data"]["purged"], cleaned["data"]["failed"]) == (1, 0)


async def test_seed_26_a_blob_that_cannot_be_removed_stops_no_other_file_and_is_tried_again(files):
    school, ada = await files.school(ADA)
    broken, other = [await deleted(files, school, ada, 40) for _ in range(2)]
    task = await run(files, BrokenStore(files.store, broken))
    assert task["result"] == {"purged": 1, "failed": 1}
    assert await left(files, school, broken) == (1, 1, 1)
    assert await left(files, school, other) == (0, 0, 0)
    answer = await files.ask("POST", f"/{broken}/restore", school)
    assert (answer.status_code, answer.json()["detail"]["state"]) == (409, "purging")
    assert (await run(files))["result"] == {"purged": 1, "failed": 0}
    assert await left(files, school, broken) == (0, 0, 0)


async def test_a_row_whose_blobs_are_gone_is_purged(files):
    school, ada = await files.school(ADA)
    file = await deleted(files, school, ada, 31)
    await files.store.delete(blobs.original_key(school, file))
    assert (await run(files))["result"] == {"purged": 1, "failed": 0}
    assert await left(files, school, file) == (0, 0, 0)
