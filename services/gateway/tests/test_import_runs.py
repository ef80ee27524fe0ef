"""Imports beside their own failure and beside other writers: the same rows, and versions without a gap."""

import asyncio

import pytest

from gateway.roster_import import importer
from shared.errors import LeaseLost

pytestmark = pytest.mark.asyncio(loop_scope="module")

LEASE_OVER = "UPDATE import_job SET leased_until = '-infinity' WHERE task_id = %s RETURNING task_id"
STOLEN = """
UPDATE import_job SET lease = gen_random_uuid(), leased_until = '-infinity' WHERE task_id = %s RETURNING task_id
"""
STATE = """
SELECT p.sourced_id, p.given_name, p.active, p.version, m.role, m.grade, c.address,
       (SELECT array_agg(g.sourced_id ORDER BY 1) FROM guardianship JOIN person g ON g.person_id = guardian_id
         WHERE student_id = p.person_id) AS guardians
FROM person p JOIN membership m USING (person_id) JOIN school s USING (school_id) LEFT JOIN contact c USING (person_id)
WHERE s.sourced_id = %s ORDER BY 1
"""
FACTS = """
SELECT count(*) AS people, count(DISTINCT data::jsonb ->> 'person_id') AS different FROM outbox
WHERE routing_key = 'person.changed' AND data::jsonb -> 'memberships' @> jsonb_build_array(jsonb_build_object(
    'school_id', (SELECT school_id FROM school WHERE sourced_id = %s)))
"""
POSITIONS = """
SELECT s.directory_version AS version, (
    SELECT array_agg(value::bigint ORDER BY value::bigint) FROM outbox o, jsonb_each_text(o.data::jsonb -> 'positions')
    WHERE key = s.school_id::text) AS told
FROM school s WHERE s.sourced_id = ANY(%s)
"""
TRACK = "SELECT state FROM task_track WHERE task_id = %s"


@pytest.fixture
def families(roster, person):
    """A roster of one school with 30 families, whose names start alike."""

    def make(school, given="Ada"):
        rows = []
        for number in range(30):
            child, guardian = f"{school}-s{number:02}", f"{school}-g{number:02}"
            rows.append(person(child, school, "student", guardian, "07", givenName=given))
            rows.append(person(guardian, school, givenName=given))
        return roster([school], rows)

    return make


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(importer, "CHUNK", 7)


def renamed(rows, old, new):
    """What another school's rows would be under this name."""
    swap = {"sourced_id", "address"}
    return [
        {k: v.replace(old, new) if k in swap and v else v for k, v in row.items() if k != "guardians"}
        | {"guardians": [g.replace(old, new) for g in row["guardians"] or []]}
        for row in rows
    ]


@pytest.mark.parametrize("after", [1, 5, 9, 12])
async def test_promise_01_an_import_that_dies_between_chunks_is_finished_by_the_next_worker(
    gateway, families, small_chunks, monkeypatch, after
):
    # given
    died, calm = f"died-{after}", f"calm-{after}"
    await gateway.run_import(await gateway.open_import(families(calm)))
    task = await gateway.open_import(families(died))
    told = importer.Import._tell
    chunks = 0

    async def tell(job, tx, rows):
        nonlocal chunks
        chunks += 1
        if chunks == after:
            raise asyncio.CancelledError
        await told(job, tx, rows)

    monkeypatch.setattr(importer.Import, "_tell", tell)
    with pytest.raises(asyncio.CancelledError):
        await gateway.run_import(task)
    # when: others leave it alone while the lease lasts, and take it up when it is over
    await gateway.run_import(task)
    assert chunks == after
    await gateway.rows(LEASE_OVER, (task,))
    await gateway.run_import(task)
    # then
    assert await gateway.one(TRACK, (task,)) == "succeeded"
    assert renamed(await gateway.rows(STATE, (died,)), died, calm) == renamed(
        await gateway.rows(STATE, (calm,)), calm, calm
    )
    assert await gateway.rows(FACTS, (died,)) == [{"people": 60, "different": 60}]


async def test_an_import_that_is_in_other_hands_stops_and_writes_nothing_more(
    gateway, families, small_chunks, monkeypatch
):
    # given: another worker takes the job over while the first one is between its second and its third chunk
    task = await gateway.open_import(families("stolen"))
    hold, held = importer.Import._hold, 0

    async def robbed(job, tx):
        nonlocal held
        held += 1
        if held == 4:  # the schools and two chunks have been held before
            await gateway.rows(STOLEN, (task,))
        await hold(job, tx)

    monkeypatch.setattr(importer.Import, "_hold", robbed)
    # when
    with pytest.raises(LeaseLost):
        await gateway.run_import(task)
    # then
    assert held == 4
    assert await gateway.rows(FACTS, ("stolen",)) == [{"people": 14, "different": 14}]
    assert await gateway.one(TRACK, (task,)) == "running"
    # when
    await gateway.run_import(task)
    # then
    assert await gateway.rows(FACTS, ("stolen",)) == [{"people": 60, "different": 60}]
    assert await gateway.one(TRACK, (task,)) == "succeeded"


async def test_an_import_and_registrations_of_the_same_people_never_wait_in_a_circle(gateway, roster, person):
    # given
    names = [f"crowd-{number:03}" for number in range(300)]
    await gateway.run_import(await gateway.open_import(roster(["crowd"], [person(n, "crowd") for n in names])))
    names.reverse()
    tasks = [
        await gateway.open_import(roster(["crowd"], [person(n, "crowd", givenName=given) for n in names]))
        for given in ("Bo", "Cy", "Di")
    ]

    async def register(number):
        rows = [{"token": f"{n}-{number}", "platform": "web", "person": {"sourced_id": n}} for n in names]
        return await gateway.ask("POST", "/v1/devices:bulk", json={"devices": rows})

    # when
    answers = []
    for task in tasks:
        first, _, second = await asyncio.gather(
            register(len(answers)), gateway.run_import(task), register(-len(answers))
        )
        answers += [first.status_code, second.status_code]
    # then
    assert answers == [200] * 6


async def test_imports_of_new_people_of_one_school_never_wait_in_a_circle(gateway, roster, person):
    await gateway.run_import(await gateway.open_import(roster(["twins"], [person("twins-0", "twins")])))
    for turn in range(5):
        uploads = [roster(["twins"], [person(f"{turn}-{n}-{u}", "twins") for n in range(40)]) for u in range(3)]
        tasks = [await gateway.open_import(content) for content in uploads]
        await asyncio.gather(*map(gateway.run_import, tasks))
        assert [await gateway.one(TRACK, (task,)) for task in tasks] == ["succeeded"] * 3


async def test_directory_versions_have_no_gap_while_imports_and_devices_write_at_once(gateway, families, small_chunks):
    # given
    schools = ["east", "west"]
    for school in schools:
        await gateway.run_import(await gateway.open_import(families(school)))
    tasks = [await gateway.open_import(families(school, "Bo")) for school in schools]

    async def register(number):
        names = [f"{school}-{kind}{n:02}" for school in schools for n in range(30) for kind in "gs"]
        if number % 2:
            names.reverse()
        rows = [
            {"token": f"{name}-{number}", "platform": "web", "person": {"sourced_id": name}} for name in names[number:]
        ]
        return await gateway.ask("POST", "/v1/devices:bulk", json={"devices": rows})

    # when
    *answers, _, _ = await asyncio.gather(*map(register, range(6)), *map(gateway.run_import, tasks))
    # then
    assert [answer.status_code for answer in answers] == [200] * 6
    for task in tasks:
        assert await gateway.one(TRACK, (task,)) == "succeeded"
    found = await gateway.rows(POSITIONS, (schools,))
    assert len(found) == 2
    for row in found:
        assert row["told"] == list(range(1, row["version"] + 1))
