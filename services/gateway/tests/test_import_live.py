"""A roster over HTTP, imported by the worker, told as a task through the log."""

import asyncio
import threading

import pytest

from gateway.roster_import import job
from gateway.roster_import.oneroster import read
from shared.errors import LeaseLost
from shared.jobs.time_limits import TimeLimits
from shared.testing.fixtures import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

FINAL = {"succeeded", "failed"}
QUICK = TimeLimits(lease=2.0, beat=0.2)
DIRECTORY = "SELECT sourced_id, directory_version, version FROM school ORDER BY 1"
PEOPLE = "SELECT sourced_id, version, digest FROM person ORDER BY 1"


async def imported(live, content):
    """The task of an upload, once it has ended."""
    accepted = await live.ask("POST", "/v1/imports/oneroster", content=content)
    assert (accepted.status_code, accepted.json()["state"]) == (202, "accepted")

    async def look():
        return (await live.ask("GET", accepted.headers["location"])).json()

    return await eventually(look, lambda task: task["state"] in FINAL)


async def test_a_roster_is_imported_and_a_repeat_changes_nothing(live, roster, person):
    people = [person(f"g{n}", "north") for n in range(20)]
    people += [person(f"s{n}", "north", "student", f"g{n}", "07") for n in range(20)]
    content = roster(["north"], people)
    # when
    task = await imported(live, content)
    # then
    assert (task["state"], task["kind"], task["progress"]) == (
        "succeeded",
        "import.oneroster",
        {"done": 60, "total": 60},
    )
    counts = {"schools": 1, "calendars": 0, "classes": 0, "people": 40, "students": 20, "enrolments": 0}
    counts |= {"ended": 0, "unchanged": 0, "rejected": 0, "values_named": 0}
    assert task["result"] == counts
    directory, rows = await live.rows(DIRECTORY), await live.rows(PEOPLE)
    # when
    again = await imported(live, content)
    # then: nothing was told, so no school's version moved
    assert again["result"] == counts | {"schools": 0, "people": 0, "students": 0, "unchanged": 40}
    assert (await live.rows(DIRECTORY), await live.rows(PEOPLE)) == (directory, rows)


async def test_rejected_rows_are_listed_by_file_line_column_and_reason(live, roster, person):
    people = [person("t1", "south", "teacher"), person("t2", "south", "wizard"), person("t3", "nowhere", "teacher")]
    people += [person("t4", "south", "teacher", email="not an address"), person("t5", "south", "teacher")]
    # when
    task = await imported(live, roster(["south"], people))
    # then
    counted = {name: task["result"][name] for name in ("people", "rejected", "values_named")}
    assert counted == {"people": 3, "rejected": 2, "values_named": 1}
    path = f"/v1/imports/{task['id']}/rejected"
    page = (await live.ask("GET", path)).json()
    assert page["next"] is None
    found = [(item["file"], item["line"], item["column"]) for item in page["items"]]
    assert found == [
        ("users.csv", 3, "role"),
        ("users.csv", 4, "orgSourcedIds"),
        ("users.csv", 5, "email"),
    ]
    assert all(item["reason"] for item in page["items"])
    # and: page by page it is the same
    first = (await live.ask("GET", path, params={"limit": 2})).json()
    rest = (await live.ask("GET", path, params={"limit": 2, "after": first["next"]})).json()
    assert first["items"] + rest["items"] == page["items"]


@pytest.mark.parametrize("content", [b"no zip at all", b"PK\x05\x06" + b"\0" * 18], ids=["no zip", "empty zip"])
async def test_seed_09_what_is_no_roster_fails_with_the_reason(live, content):
    task = await imported(live, content)
    assert task["state"] == "failed"
    assert task["error"]
    assert task["result"] is None
    assert await live.one("SELECT count(*) FROM import_part WHERE task_id = %s", (task["id"],)) == 0


async def test_an_import_belongs_to_the_group(live, roster, person):
    task = await imported(live, roster(["west"], [person("w1", "west")]))
    (school,) = (await live.ask("GET", "/v1/schools", params={"sourced_id": "west"})).json()["items"]
    for role in ("school_admin", "staff", "teacher"):
        answer = await live.ask("GET", f"/v1/tasks/{task['id']}", role, school["id"])
        assert answer.status_code == 404


@pytest.fixture
def slow():
    """Reads a roster once `slow.go` is set; `slow.begun` is set when a worker waits for that."""

    class Slow:
        begun, go = threading.Event(), threading.Event()

        def __call__(self, *arguments, **options):
            self.begun.set()
            assert self.go.wait(30)
            return read(*arguments, **options)

    reader = Slow()
    yield reader
    reader.go.set()


@pytest.mark.parametrize("begun", [False, True])
async def test_an_import_is_cancelled_before_and_while_it_runs(live, roster, slow, begun):
    # given
    task = await live.open_import(roster([f"cancelled-{begun}"], []))
    async with live.service.transactions.begin() as tx:
        query = "INSERT INTO task (task_id, kind, state) VALUES (%s, 'import.oneroster', 'accepted')"
        await tx.execute(query, (task,))
    work = asyncio.create_task(live.run_import(task, limits=QUICK, read=slow)) if begun else None
    if begun:
        assert await asyncio.to_thread(slow.begun.wait, 10)
    # when
    assert (await live.ask("POST", f"/v1/tasks/{task}/cancel")).status_code == 202

    # then
    async def state():
        return (await live.ask("GET", f"/v1/tasks/{task}")).json()["state"]

    await eventually(state, lambda found: found == "cancelled")
    if work is not None:
        await asyncio.wait_for(work, 5)
    with pytest.raises(LeaseLost):
        await live.run_import(task)
    assert await live.one("SELECT count(*) FROM import_part WHERE task_id = %s", (task,)) == 0
    assert await live.one("SELECT count(*) FROM school WHERE sourced_id = %s", (f"cancelled-{begun}",)) == 0
    assert (await live.ask("POST", f"/v1/tasks/{task}/cancel")).status_code == 409


async def test_a_roster_that_takes_longer_to_read_than_a_lease_is_read_all_the_same(live, roster, person, slow):
    # given
    content = roster(["patience"], [person("patience-1", "patience")])
    task = await live.open_import(content)
    work = asyncio.create_task(live.run_import(task, limits=QUICK, read=slow))
    assert await asyncio.to_thread(slow.begun.wait, 10)
    # when: it is still being read when its lease would be over, and others look for what has no worker
    for _ in range(4):
        await asyncio.sleep(QUICK.lease / 2)  # the time is the subject
        await job.resume_imports(live.service.transactions)
        with pytest.raises(LeaseLost):
            await live.run_import(task)
    slow.go.set()
    await asyncio.wait_for(work, 10)
    # then
    assert await live.one("SELECT state FROM task_track WHERE task_id = %s", (task,)) == "succeeded"
    assert await live.one("SELECT attempts FROM task_lease WHERE task_id = %s", (task,)) == 1
    assert await live.one("SELECT count(*) FROM person WHERE sourced_id = 'patience-1'") == 1
