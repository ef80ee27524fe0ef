"""Uploads that break off: nothing of them counts, and nothing is left."""

import pytest
from uuid_utils.compat import uuid7

from gateway.files import orphans
from gateway.files.intake import Intake, original_key
from services.gateway.tests.files.uploads import UPLOADED, UPLOADS, content_of, keys, upload
from shared.errors import StorageFull

pytestmark = pytest.mark.asyncio(loop_scope="module")

LEASE_OVER = "UPDATE upload SET leased_until = '-infinity' WHERE school_id = %s RETURNING file_id"


class FullStore:
    async def put(self, key, content):
        async for _ in content:
            raise StorageFull("no room")


async def test_a_full_store_is_507_and_nothing_is_kept(gateway, store, school, provided):
    # given
    real = provided[Intake]
    provided[Intake] = Intake(gateway.service.transactions, FullStore(), lease=60, space=10**9)
    # when
    answer = await upload(gateway, school, key="again")
    # then
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert await gateway.rows(UPLOADED, (str(school),)) == []
    await orphans.remove_orphans(gateway.service.transactions, store)
    assert await gateway.rows(UPLOADS, (school,)) == []
    provided[Intake] = real
    assert (await upload(gateway, school, key="again")).status_code == 202


async def test_orphans_are_removed_after_their_lease_and_nothing_else(gateway, store, school):
    # given: one stored, one whose sender is gone, one on its way
    await upload(gateway, school)
    columns = "(file_id, school_id, kind, leased_until, size, sha256, task_id)"
    gone, going = uuid7(), uuid7()
    async with gateway.service.transactions.begin() as tx:
        for file, until in ((gone, "-infinity"), (going, "2999-01-01")):
            await tx.execute(
                f"INSERT INTO upload {columns} VALUES (%s, %s, 'other', %s, 3, 'x', %s)",
                (file, school, until, uuid7()),
            )

    async def parts():
        yield b"abc"

    for file in (gone, going):
        await store.put(original_key(school, file), parts())
    # when
    await orphans.remove_orphans(gateway.service.transactions, store)
    # then
    rows = await gateway.rows(UPLOADS, (school,))
    assert sorted(row["state"] for row in rows) == ["receiving", "stored"]
    assert await content_of(store, school, going) == b"abc"
    assert len(await keys(store, school)) == 2


async def test_what_took_too_long_to_store_does_not_count(gateway, store, school, provided):
    # given
    class SlowStore:
        async def put(self, key, content):
            await gateway.rows(LEASE_OVER, (school,))
            return await store.put(key, content)

    provided[Intake] = Intake(gateway.service.transactions, SlowStore(), lease=60, space=10**9)
    answer = await upload(gateway, school)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert await gateway.rows(UPLOADED, (str(school),)) == []
    await orphans.remove_orphans(gateway.service.transactions, store)
    assert await keys(store, school) == []
