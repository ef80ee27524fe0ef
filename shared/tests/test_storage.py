"""The contract of places for blobs, the same for each of them."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from object_stores import BUCKET, CREDENTIALS, google_server, s3_client, s3_server

from shared.errors import BlobMissing, Refused
from shared.storage.keys import blob_key, check_key
from shared.storage.locations import open_store

PROBE = Path(__file__).with_name("storage_probe.py")
KEY = "files/8f14e45f/original"
MEBIBYTE = b"0123456789abcdef" * 65_536


@pytest.fixture(scope="module")
def s3_url():
    with s3_server() as url:
        yield url


@pytest.fixture(scope="module")
def google_url():
    with google_server() as url:
        yield url


@pytest.fixture(params=["folder", "s3", "google"])
def address(request, tmp_path, monkeypatch):
    """The STORAGE_URL of an empty store."""
    if request.param == "folder":
        return (tmp_path / "blobs").as_uri()
    if request.param == "google":
        return f"gs://{BUCKET}/{uuid4()}?endpoint={request.getfixturevalue('google_url')}"
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{uuid4()}?region=us-east-1&endpoint={request.getfixturevalue('s3_url')}"


@pytest.fixture
def store(address):
    return open_store(address)


async def pieces(*parts):
    for part in parts:
        yield part


async def stored(store, key=KEY, *parts):
    return await store.put(key, pieces(*(parts or (b"first ", b"second"))))


async def content(store, key=KEY, start=0, end=None):
    return b"".join([chunk async for chunk in (await store.open(key)).chunks(start, end)])


async def keys(store, prefix=""):
    return sorted([info.key async for info in store.list(prefix)])


async def test_a_blob_is_read_as_it_was_stored(store):
    assert await stored(store) == 12
    assert await content(store) == b"first second"
    assert (await store.open(KEY)).info.size == 12


async def test_an_empty_blob_is_a_blob(store):
    assert await stored(store, KEY, b"") == 0
    assert await content(store) == b""


async def test_a_blob_of_many_parts_is_whole(store):
    assert await store.put(KEY, pieces(*[MEBIBYTE] * 21, b"end")) == 21 * 2**20 + 3
    read = await content(store)
    assert read == MEBIBYTE * 21 + b"end"


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, 5, b"first"), (6, None, b"second"), (6, 99, b"second"), (12, None, b""), (99, None, b""), (3, 3, b"")],
)
async def test_a_range_is_read_alone(store, start, end, expected):
    await stored(store)
    assert await content(store, KEY, start, end) == expected


async def test_storing_again_replaces_a_blob(store):
    await stored(store)
    assert await stored(store, KEY, b"new") == 3
    assert await content(store) == b"new"


@pytest.mark.parametrize("parts", [[b"little"], [MEBIBYTE] * 20])
async def test_a_broken_stream_leaves_nothing_and_keeps_its_error(store, parts):
    # given
    class Hung(Exception):
        pass

    async def broken():
        for part in parts:
            yield part
        raise Hung

    # when
    with pytest.raises(Hung):
        await store.put(KEY, broken())
    # then
    assert await keys(store) == []
    with pytest.raises(BlobMissing):
        await store.open(KEY)


async def test_a_broken_stream_keeps_the_blob_that_was_there(store):
    await stored(store)

    async def broken():
        yield b"other"
        raise FileNotFoundError

    with pytest.raises(FileNotFoundError):
        await store.put(KEY, broken())
    assert await content(store) == b"first second"


async def test_a_cancelled_upload_leaves_nothing(store):
    # given
    begun, never = asyncio.Event(), asyncio.Event()

    async def endless():
        yield MEBIBYTE * 20
        begun.set()
        await never.wait()

    upload = asyncio.create_task(store.put(KEY, endless()))
    await begun.wait()
    # when
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    # then
    assert await keys(store) == []


async def test_a_deleted_blob_is_gone_and_deleting_again_is_no_error(store):
    await stored(store)
    await store.delete(KEY)
    await store.delete(KEY)
    assert await keys(store) == []
    with pytest.raises(BlobMissing):
        await store.open(KEY)


async def test_a_blob_deleted_while_it_is_read_is_missing(store):
    await stored(store)
    found = await store.open(KEY)
    await store.delete(KEY)
    with pytest.raises(BlobMissing):
        await anext(found.chunks())


async def test_blobs_are_listed_below_a_prefix_with_size_and_time(store):
    # given
    await stored(store, "files/a/original")
    await stored(store, "files/a/thumbnails/256.webp", b"w")
    await stored(store, "files/ab/original")
    await stored(store, "reports/a/report.pdf")
    # then
    assert await keys(store) == [
        "files/a/original",
        "files/a/thumbnails/256.webp",
        "files/ab/original",
        "reports/a/report.pdf",
    ]
    assert await keys(store, "files/a") == await keys(store, "files/a/")
    assert await keys(store, "files/a/") == ["files/a/original", "files/a/thumbnails/256.webp"]
    assert await keys(store, "none") == []
    info = await anext(store.list("reports"))
    assert info.size == 12
    assert info.modified.utcoffset().total_seconds() == 0


@pytest.mark.parametrize(
    "key",
    [
        *("", "/", "../x", "a/../b", "/etc/passwd", "a//b", "a/", ".hidden", "a/.hidden", "..", ".", "a b", "A", "é"),
        *("a\x00b", "a\nb", "a\\b", "a%2fb", "a?b", "a#1", "x" * 65, "a/b/c/d/e/f/g/h/i", "a..b", "files/a*"),
    ],
)
async def test_a_key_of_other_characters_is_refused_everywhere(store, key):
    for use in (lambda: stored(store, key), lambda: store.open(key), lambda: store.delete(key)):
        with pytest.raises(ValueError, match="no key of a blob"):
            await use()
    assert await keys(store) == []


def test_keys_are_made_of_words_and_ids():
    assert blob_key("files", "school-1", "report.pdf") == check_key("files/school-1/report.pdf")
    with pytest.raises(ValueError, match="no key of a blob"):
        blob_key("files", "Zeugnis Müller.pdf")


@pytest.mark.parametrize(
    "url",
    [
        *("", "blobs", "/blobs", "file://", "file:///", "file://host/blobs", "file:///blobs?x=1", "s3:///prefix"),
        *("s3://bucket?secret=1", "gs://", "gs://bucket?region=x", "https://example.org", "s3://bucket/Prefix x"),
    ],
)
def test_an_address_that_names_no_store_is_refused_with_examples(url):
    with pytest.raises(Refused, match="file:///var/lib"):
        open_store(url)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="cannot be made"):
        open_store((tmp_path / "file" / "blobs").as_uri())


async def test_two_stores_of_one_folder_share_their_blobs(tmp_path):
    await stored(open_store(tmp_path.as_uri()))
    assert await content(open_store(tmp_path.as_uri())) == b"first second"


async def test_a_folder_keeps_no_empty_folders(tmp_path):
    store = open_store(tmp_path.as_uri())
    await stored(store)
    await store.delete(KEY)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("break_off", ["error", "cancel"])
async def test_an_upload_that_breaks_off_leaves_no_parts_in_s3(s3_url, monkeypatch, break_off):
    # given
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    prefix = str(uuid4())
    store = open_store(f"s3://{BUCKET}/{prefix}?region=us-east-1&endpoint={s3_url}")
    sending, never = asyncio.Event(), asyncio.Event()

    async def breaking():
        yield MEBIBYTE * 20
        if break_off == "error":
            raise TimeoutError
        sending.set()
        await never.wait()

    # when
    upload = asyncio.create_task(store.put(KEY, breaking()))
    if break_off == "cancel":
        await sending.wait()
        upload.cancel()
    with pytest.raises((TimeoutError, asyncio.CancelledError)):
        await upload
    # then
    assert "Uploads" not in s3_client(s3_url).list_multipart_uploads(Bucket=BUCKET, Prefix=prefix)


def test_a_large_blob_takes_little_memory(address):
    grown = subprocess.run(
        [sys.executable, PROBE, "100"], env=os.environ | {"STORAGE_URL": address}, capture_output=True, check=True
    ).stdout
    assert float(grown) < 64
