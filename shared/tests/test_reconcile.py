"""Blobs and the rows that name them."""

import datetime as dt

import pytest

from shared.storage.locations import open_store
from shared.storage.reconcile import Differences, compare

AT_ONCE = dt.timedelta(0)


async def content():
    yield b"blob"


@pytest.fixture
async def store(tmp_path):
    store = open_store(tmp_path.as_uri())
    for name in ("a", "b", "c"):
        await store.put(f"files/{name}", content())
    await store.put("reports/z", content())
    return store


def saying(*answers):
    """Rows that say one thing before, and another after."""
    left = iter(answers)

    async def rows():
        return {f"files/{name}" for name in next(left)}

    return rows


async def test_what_only_one_side_has_is_found(store):
    found = await compare(store, "files", saying("abx", "abx"), AT_ONCE)
    assert found == Differences(("files/c",), ("files/x",))
    assert found.violations == 2


async def test_equal_sides_have_no_difference(store):
    assert (await compare(store, "files/", saying("abc", "abc"), AT_ONCE)).violations == 0


async def test_what_changes_meanwhile_is_no_difference(store):
    # c gets its row, x is removed with its blob
    assert (await compare(store, "files", saying("abx", "abc"), AT_ONCE)).violations == 0


async def test_a_young_blob_may_still_get_its_row(store):
    assert (await compare(store, "files", saying("ab", "ab"))).violations == 0
