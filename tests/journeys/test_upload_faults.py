"""Uploads through a gateway that is killed, and through one whose disk is full: nothing lost, nothing half done."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from cli.operations import tokens
from cli.operations.service_names import NAMES
from cli.testing.system import System
from shared.storage.locations import open_store
from shared.storage.reconcile import compare
from shared.testing.fixtures import Backing, eventually, fresh_database, fresh_vhost, write_keys

# Each starts a gateway, some twice.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

LEASE = "3"
ATTEMPTS = 5
LARGEST = 4_000_000
UPLOADS = "SELECT state, school_id::text AS school, file_id::text AS file FROM gateway.upload"
EVENTS = "SELECT count(*) AS n FROM gateway.outbox WHERE routing_key = 'file.uploaded'"
INSERT_SCHOOL = """
INSERT INTO gateway.school (school_id, sourced_id, name, timezone) VALUES (%s, %s, 'Demo', 'UTC') RETURNING school_id
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uploads")
    write_keys(folder / "keys")
    with fresh_database(NAMES) as database, fresh_vhost() as amqp:
        found = System(Backing(database, amqp, folder / "keys"), folder, forks=True)
        try:
            await found.start_fakes()
            await found.declare()
            await found.start("gateway")
            yield found
        finally:
            await found.stop()


def add_school(system):
    school = uuid4()
    system.rows(INSERT_SCHOOL, school, str(school))
    return school


@pytest_asyncio.fixture(loop_scope="module")
async def school(system):
    """A school, and a gateway that runs, whatever the test before has done to it."""
    if "gateway" not in system.fleet.running:
        await system.start("gateway")
    return add_school(system)


async def upload(system, school, content, key=None):
    token = tokens.make(system.backing.keys / "signing.pem", "staff", str(school))
    headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as client:
        return await client.post(
            "/v1/files", headers=headers, data={"kind": "other"}, files={"file": ("notes.txt", content, "text/plain")}
        )


async def violations(system, school):
    """Blobs without a row, and rows without a blob."""

    async def rows():
        found = await asyncio.to_thread(system.rows, UPLOADS)
        return {f"files/{row['school']}/{row['file']}/original" for row in found if row["school"] == str(school)}

    store = open_store(system.environment("gateway")["STORAGE_URL"])
    return await compare(store, f"files/{school}", rows)


async def states(system, school):
    found = await asyncio.to_thread(system.rows, UPLOADS)
    return [row["state"] for row in found if row["school"] == str(school)]


async def start_with_short_leases(system):
    """Start a gateway whose unfinished uploads are soon removed. Storing one may take half a lease: only here."""
    if "gateway" in system.fleet.running:
        await system.fleet.stop("gateway")
    usual = system.spec("gateway")
    await system.fleet.start(replace(usual, env={**usual.env, "UPLOAD_LEASE": LEASE}))


async def killed_while_it_stores(system, content, key):
    """Kill the gateway between the two commits of an upload; its school. An upload may be faster than the kill."""
    for _ in range(ATTEMPTS):
        await start_with_short_leases(system)
        school = add_school(system)
        sending = asyncio.create_task(upload(system, school, content, key))
        await eventually(lambda school=school: states(system, school), bool, within=60)
        system.kill("gateway")
        await asyncio.wait([sending])
        if await states(system, school) == ["receiving"]:
            with pytest.raises(httpx.TransportError):  # nothing was promised
                await sending
            return school
    pytest.fail(f"each of {ATTEMPTS} uploads was stored before the gateway was dead")


async def test_a_gateway_killed_while_it_stores_a_file_leaves_nothing_and_the_same_key_then_stores_it_once(
    system, school
):
    # given
    content, key = b"x" * 150_000_000, str(uuid4())
    # when
    school = await killed_while_it_stores(system, content, key)
    # then: what was begun is removed once its lease has expired
    await system.start("gateway")
    await eventually(lambda: states(system, school), lambda found: found == [], within=60)
    assert (await violations(system, school)).violations == 0
    # and the sender repeats the request
    answers = [await upload(system, school, content, key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    assert await states(system, school) == ["stored"]
    assert (await violations(system, school)).violations == 0


async def test_a_gateway_killed_while_it_receives_a_file_leaves_nothing(system, school):
    # given
    begun = asyncio.Event()

    class Slow(httpx.AsyncByteStream):
        async def __aiter__(self):
            yield b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n\r\n' + b"x" * 2_000_000
            begun.set()
            await asyncio.Event().wait()

    token = tokens.make(system.backing.keys / "signing.pem", "staff", str(school))
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "multipart/form-data; boundary=b"}
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as client:
        sending = asyncio.create_task(
            client.send(client.build_request("POST", "/v1/files", headers=headers, content=Slow()))
        )
        await begun.wait()
        # when
        system.kill("gateway")
        sending.cancel()
        await asyncio.wait([sending])
    await system.start("gateway")
    # then
    assert await states(system, school) == []
    assert (await violations(system, school)).violations == 0


async def test_a_full_disk_is_507_and_takes_files_again_once_there_is_room(system, school):
    # given: a gateway whose files have a largest size, the nearest to a full disk that needs no rights
    await system.fleet.stop("gateway")
    usual = system.spec("gateway")
    await system.fleet.start(replace(usual, argv=("prlimit", f"--fsize={LARGEST}", *usual.argv)))
    # when
    answer = await upload(system, school, b"x" * (2 * LARGEST))
    # then
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert await states(system, school) == []
    assert (await upload(system, school, b"x" * 1_000)).status_code == 202
    # and with room
    await system.fleet.stop("gateway")
    await system.start("gateway")
    assert (await upload(system, school, b"x" * (2 * LARGEST))).status_code == 202
    assert await states(system, school) == ["stored", "stored"]
    assert (await violations(system, school)).violations == 0
