"""Downloads by link, over HTTP."""

import datetime as dt
from uuid import uuid4

import pytest

from gateway.downloads.links import address
from shared.http.download_links import Download, DownloadLinks
from shared.persistence.encryption import read_master_key
from shared.storage.blob_store import CHUNK
from shared.storage.keys import blob_key
from shared.storage.locations import open_store

CONTENT = bytes(range(256)) * 4


@pytest.fixture
def links(backing):
    return DownloadLinks(read_master_key(backing.keys / "vault.key"), dt.timedelta(minutes=5))


@pytest.fixture
def store(backing):
    return open_store(backing.environment("gateway")["STORAGE_URL"])


async def pieces(*parts):
    for part in parts:
        yield part


@pytest.fixture
async def blob(store):
    key = blob_key("files", uuid4(), "original")
    await store.put(key, pieces(CONTENT))
    return key


def of(key, name="receipt.pdf", media_type="application/pdf"):
    return Download(key=key, name=name, media_type=media_type, school=uuid4())


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_link_downloads_a_blob_and_nothing_is_shown_run_or_kept(gateway, links, blob):
    # when
    answer = await gateway.client.get(address(links, of(blob, "Zeugnis Müller.html", "text/html")))
    # then
    assert (answer.status_code, answer.content) == (200, CONTENT)
    headers = answer.headers
    assert headers["content-type"] == "text/html"
    assert headers["content-length"] == "1024"
    assert headers["content-disposition"] == (
        "attachment; filename=\"Zeugnis M_ller.html\"; filename*=UTF-8''Zeugnis%20M%C3%BCller.html"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["cache-control"] == "private, no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["accept-ranges"] == "bytes"


async def test_a_download_goes_on_where_it_was_interrupted(gateway, links, blob):
    url = address(links, of(blob))
    etag = (await gateway.client.get(url)).headers["etag"]
    # when
    answer = await gateway.client.get(url, headers={"Range": "bytes=1000-", "If-Range": etag})
    # then
    assert (answer.status_code, answer.content) == (206, CONTENT[1000:])
    assert answer.headers["content-range"] == "bytes 1000-1023/1024"
    assert answer.headers["content-length"] == "24"
    # and a blob that has changed since is sent from its beginning
    answer = await gateway.client.get(url, headers={"Range": "bytes=1000-", "If-Range": '"other"'})
    assert (answer.status_code, answer.content) == (200, CONTENT)


async def test_a_range_behind_the_end_is_a_problem_that_says_the_size(gateway, links, blob):
    answer = await gateway.client.get(address(links, of(blob)), headers={"Range": "bytes=1024-"})
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == "bytes */1024"


async def test_a_blob_of_many_parts_is_downloaded_whole(gateway, links, store):
    key, content = blob_key("files", uuid4(), "original"), CONTENT * (3 * CHUNK // 1024) + b"end"
    await store.put(key, pieces(content))
    answer = await gateway.client.get(address(links, of(key)))
    assert answer.content == content


async def test_an_empty_blob_is_downloaded(gateway, links, store):
    key = blob_key("files", uuid4(), "original")
    await store.put(key, pieces())
    answer = await gateway.client.get(address(links, of(key)), headers={"Range": "bytes=0-"})
    assert answer.status_code == 416
    answer = await gateway.client.get(address(links, of(key)))
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")


async def test_a_link_that_has_ended_was_altered_or_has_lost_its_blob_is_a_problem(
    gateway, backing, links, store, blob
):
    ended = DownloadLinks(read_master_key(backing.keys / "vault.key"), dt.timedelta(seconds=-1))
    url = address(links, of(blob))
    deleted = blob_key("files", uuid4(), "original")
    expected = {
        address(ended, of(blob)): (410, "link_expired"),
        url[:-20] + ("A" if url[-20] != "A" else "B") + url[-19:]: (404, "link_unknown"),
        url[: len(url) // 2]: (404, "link_unknown"),
        "/v1/blobs/nothing": (404, "link_unknown"),
        "/v1/blobs/" + "A" * 4_500: (404, "link_unknown"),
        address(links, of(deleted)): (404, "not_found"),
    }
    for address_, problem in expected.items():
        answer = await gateway.client.get(address_)
        assert (answer.status_code, answer.json()["code"]) == problem, address_
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_store_that_is_away_is_a_problem_with_a_time_to_try_again(backing, serve, links, blob):
    async with serve(backing, storage_url="gs://blobs?endpoint=http://127.0.0.1:1") as gateway:
        answer = await gateway.client.get(address(links, of(blob)))
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "unavailable", "2")


async def test_downloads_are_limited_apart_from_sign_ins(backing, serve, links, blob):
    async with serve(backing, rate_address=0.01, burst_address=1, rate_link=0.01, burst_link=2) as gateway:
        answers = [await gateway.client.get(address(links, of(blob))) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert (await gateway.client.post("/v1/sessions/refresh", json={"refresh_token": "x"})).status_code == 401
