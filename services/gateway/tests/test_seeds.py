"""Defects of the document that the project started from, each as the right behaviour; more stand where they belong."""

import asyncio
import subprocess
import sys
from uuid import uuid4

import psycopg
import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVICES = ("gateway", "notifier", "files", "reports", "scheduler")
ALONE = "import sys, {name}.main; print(*sorted(set({all!r}) & {{m.partition('.')[0] for m in sys.modules}}))"
FACTS = "SELECT count(*) FROM outbox WHERE data::jsonb ->> 'notification_id' = %s"


async def send(gateway, school, **changes):
    body = {"type": "general", "title": "Closed", "body": "Snow", "audience": {"school": True}} | changes
    headers = {"Idempotency-Key": uuid4().hex}
    return await gateway.ask("POST", "/v1/notifications", "staff", school, uuid4(), headers, json=body)


@pytest.mark.parametrize("name", SERVICES)
async def test_seed_01_a_service_starts_without_any_other(name):
    code = ALONE.format(name=name, all=SERVICES)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=subprocess.PIPE)
    printed, _ = await process.communicate()
    assert printed.decode().split() == [name]


async def test_seed_02_a_bulk_to_named_people_is_committed_with_its_event(gateway):
    # given
    school = await gateway.add_school()
    people = [str(await gateway.add_person(school)) for _ in range(5)]
    # when
    answer = await send(gateway, school, audience={"people": people})
    # then
    assert answer.status_code == 202
    assert await gateway.one(FACTS, (answer.json()["notification_id"],)) == 1


async def test_seed_03_a_task_is_listed_and_found_by_its_id(gateway):
    school = await gateway.add_school()
    task = (await send(gateway, school)).json()["task_id"]
    listed = await gateway.ask("GET", "/v1/tasks", "school_admin", school)
    found = await gateway.ask("GET", f"/v1/tasks/{task}", "school_admin", school)
    assert [item["id"] for item in listed.json()["items"]] == [task]
    assert (found.status_code, found.json()["state"]) == (200, "accepted")


async def test_seed_17_nothing_is_published_that_was_not_committed(gateway):
    # given: the task's row cannot be written
    school = await gateway.add_school()
    before = await gateway.one("SELECT count(*) FROM outbox")
    async with await psycopg.AsyncConnection.connect(gateway.backing.admin_url, autocommit=True) as owner:
        await owner.execute(
            "ALTER TABLE gateway.task ADD CONSTRAINT refuse CHECK (kind <> 'notification.send') NOT VALID"
        )
        try:
            # when
            answer = await send(gateway, school)
        finally:
            await owner.execute("ALTER TABLE gateway.task DROP CONSTRAINT refuse")
    # then
    assert answer.status_code == 500
    assert await gateway.one("SELECT count(*) FROM outbox") == before
    assert (await send(gateway, school)).status_code == 202
