"""Places for blobs in trouble: full, away, killed."""

import asyncio
import datetime as dt
import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest
from object_stores import BUCKET, CREDENTIALS, google_server, s3_server

from shared.errors import InfrastructureDown, StorageUnavailable
from shared.storage import google_bucket
from shared.storage.locations import open_store
from shared.testing.fixtures import eventually

CHILD = Path(__file__).with_name("storage_child.py")
KEY = "files/8f14e45f/original"
SERVERS = {
    "s3": (s3_server, "s3://{}?region=us-east-1&endpoint={}"),
    "google": (google_server, "gs://{}?endpoint={}"),
}


async def pieces(*parts):
    for part in parts:
        yield part


async def problems_of(store):
    """Use the store in each way; returns what was raised."""
    return await asyncio.gather(
        store.put(KEY, pieces(b"little")),
        store.put(KEY, pieces(*[bytes(2**20)] * 20)),
        store.delete(KEY),
        anext(store.list("files")),
        return_exceptions=True,
    )


@pytest.fixture(params=SERVERS)
def server(request, monkeypatch):
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return SERVERS[request.param]


async def test_a_store_that_is_away_is_an_outage_of_the_infrastructure(server):
    # given
    run, address = server
    with run() as url:
        store = open_store(address.format(BUCKET, url))
        await store.put(KEY, pieces(b"x"))
        blob = await store.open(KEY)
    # when
    problems = await problems_of(store)
    problems += await asyncio.gather(store.open(KEY), anext(blob.chunks()), return_exceptions=True)
    # then
    assert [type(problem) for problem in problems] == [StorageUnavailable] * 6
    assert issubclass(StorageUnavailable, InfrastructureDown)


async def test_an_upload_to_google_that_failed_is_not_tried_again_when_its_memory_is_freed():
    # given: a server that ends each connection
    asked = []

    async def refuse(_, writer):
        asked.append(1)
        writer.close()

    def write(url):
        try:
            with google_bucket.connect(BUCKET, "", url).writer(KEY) as file:
                file.write(b"little")
        except google_bucket.ERRORS:
            return len(asked)
        return None

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as refusing:
        port = refusing.sockets[0].getsockname()[1]
        # when
        tried = await asyncio.to_thread(write, f"http://127.0.0.1:{port}")
        await asyncio.to_thread(gc.collect)
        # then
        assert len(asked) == tried > 0


async def test_a_bucket_that_does_not_exist_is_named(server):
    run, address = server
    with run() as url:
        problems = await problems_of(open_store(address.format("not-there", url)))
    little, large, _, listed = problems  # the emulator of Google does not say what is missing when it deletes
    assert [type(problem) for problem in (little, large, listed)] == [StorageUnavailable] * 3
    assert all("not-there" in str(problem) for problem in (little, large, listed))


@pytest.mark.parametrize("mebibytes", [2, 20])
async def test_a_full_disk_leaves_nothing_and_keeps_what_was_there(tmp_path, mebibytes):
    # given
    store = open_store(tmp_path.as_uri())
    await store.put(KEY, pieces(b"older"))
    # when
    said = await _child(tmp_path, KEY, mebibytes, 2**20)
    # then
    assert said == f"StorageFull: the folder {tmp_path} is full: free some space or raise its quota"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / KEY]
    assert [chunk async for chunk in (await store.open(KEY)).chunks()] == [b"older"]


async def test_a_killed_upload_is_no_blob_and_what_it_left_is_removed_once_it_is_old(tmp_path):
    # given
    child = await asyncio.create_subprocess_exec(*_command(KEY, 10_000, 0), env=_environment(tmp_path))

    async def files():
        return [path for path in tmp_path.rglob("*") if path.is_file()]

    left = await eventually(files, lambda found: found)
    # when
    child.kill()
    await child.wait()
    # then
    store = open_store(tmp_path.as_uri())
    assert [info async for info in store.list("")] == []
    written = dt.datetime.fromtimestamp(left[0].stat().st_mtime, dt.UTC)
    assert await store.remove_unfinished(written - dt.timedelta(seconds=1)) == 0
    assert await store.remove_unfinished(written + dt.timedelta(seconds=1)) == 1
    assert await files() == []


async def test_what_an_upload_in_progress_writes_is_no_blob_and_disturbs_none(tmp_path):
    # given: another process has left its half of the same blob
    (tmp_path / "files/8f14e45f").mkdir(parents=True)
    half = tmp_path / f"{KEY}#1"
    half.write_bytes(b"half")
    # when
    await open_store(tmp_path.as_uri()).put(KEY, pieces(b"whole"))
    # then
    assert [info.size async for info in open_store(tmp_path.as_uri()).list("")] == [5]
    assert half.read_bytes() == b"half"


def _command(*arguments):
    return (sys.executable, str(CHILD), *map(str, arguments))


def _environment(folder):
    return os.environ | {"STORAGE_URL": folder.as_uri()}


async def _child(folder, *arguments):
    child = await asyncio.create_subprocess_exec(
        *_command(*arguments), env=_environment(folder), stdout=subprocess.PIPE
    )
    said, _ = await child.communicate()
    assert child.returncode == 0
    return said.decode()
