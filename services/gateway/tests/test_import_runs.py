"""Imports beside their own failure and beside other writers: the same rows, and versions without a gap."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from gateway.roster_import import job
from gateway.roster_import.endings import Bound
from shared.errors import LeaseLost

pytestmark = pytest.mark.asyncio(loop_scope="module")

LEASE_OVER = "UPDATE task_lease SET leased_until = '-infinity' WHERE task_id = %s RETURNING task_id"
STOLEN = """
UPDATE task_lease SET lease = gen_random_uuid(), leased_until = '-infinity' WHERE task_id = %s RETURNING task_id
"""
# The version before kept leases in the job's own row: opened, claimed, run out; its hold and its claim.
LEASE_BEFORE = "'0190b0b0-0000-7000-8000-000000000000'"
BEFORE_OPEN = "UPDATE import_job SET leased_until = '-infinity' WHERE task_id = %s RETURNING task_id"
BEFORE_HELD = f"""
UPDATE import_job SET lease = {LEASE_BEFORE}, leased_until = clock_timestamp() + interval '30 seconds'
WHERE task_id = %s RETURNING task_id
"""
BEFORE_OVER = "UPDATE import_job SET leased_until = clock_timestamp() WHERE task_id = %s RETURNING task_id"
BEFORE_HOLD = f"""
UPDATE import_job SET leased_until = clock_timestamp() + interval '30 seconds'
WHERE task_id = %s AND lease = {LEASE_BEFORE} AND finished_at IS NULL RETURNING task_id
"""
BEFORE_CLAIM = """
UPDATE import_job SET lease = gen_random_uuid()
WHERE task_id = %s AND finished_at IS NULL AND leased_until < clock_timestamp() RETURNING task_id
"""
PERMITS = """
SELECT count(*) FROM outbox
WHERE headers::jsonb ->> 'ce-type' = 'gateway.import' AND data::jsonb ->> 'task_id' = %s
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


def renamed(rows, old, new):
    """What another school's rows would be under this name."""
    swap = {"sourced_id", "address"}
    return [
        {k: v.replace(old, new) if k in swap and v else v for k, v in row.items() if k != "guardians"}
        | {"guardians": [g.replace(old, new) for g in row["guardians"] or []]}
        for row in rows
    ]


class Died(BaseException):
    """A worker that is killed says nothing more."""


class Watched:
    """Transactions of one worker; something happens to it when it begins its `nth`."""

    def __init__(self, transactions, nth, happens):
        self._transactions, self._left, self._happens = transactions, nth, happens

    @asynccontextmanager
    async def begin(self, cause=None):
        self._left -= 1
        if self._left == 0:
            await self._happens()
        async with self._transactions.begin(cause) as tx:
            yield tx


# Claim, upload, what is known, who would end, schools; then nine chunks of people and five of students.
@pytest.mark.parametrize("nth", [6, 10, 14, 17, 21])
async def test_promise_01_an_import_that_dies_between_chunks_is_finished_by_the_next_worker(gateway, families, nth):
    # given
    died, calm = f"died-{nth}", f"calm-{nth}"
    await gateway.run_import(await gateway.open_import(families(calm)), chunk=7)
    task = await gateway.open_import(families(died))

    async def die():
        raise Died

    with pytest.raises(Died):
        await gateway.run_import(task, Watched(gateway.service.transactions, nth, die), chunk=7)
    # when: others leave it alone while the lease lasts, and take it up when it is over
    with pytest.raises(LeaseLost):
        await gateway.run_import(task)
    await gateway.rows(LEASE_OVER, (task,))
    await gateway.run_import(task, chunk=7)
    # then
    assert await gateway.one(TRACK, (task,)) == "succeeded"
    assert renamed(await gateway.rows(STATE, (died,)), died, calm) == renamed(
        await gateway.rows(STATE, (calm,)), calm, calm
    )
    assert await gateway.rows(FACTS, (died,)) == [{"people": 60, "different": 60}]


async def test_an_import_that_is_in_other_hands_stops_and_writes_nothing_more(gateway, families):
    # given: another worker takes the job over while the first one is between its second and its third chunk
    task = await gateway.open_import(families("stolen"))

    async def robbed():
        await gateway.rows(STOLEN, (task,))

    # when
    with pytest.raises(LeaseLost):
        await gateway.run_import(task, Watched(gateway.service.transactions, 8, robbed), chunk=7)
    # then
    assert await gateway.rows(FACTS, ("stolen",)) == [{"people": 14, "different": 14}]
    assert await gateway.one(TRACK, (task,)) == "running"
    # when
    await gateway.run_import(task, chunk=7)
    # then
    assert await gateway.rows(FACTS, ("stolen",)) == [{"people": 60, "different": 60}]
    assert await gateway.one(TRACK, (task,)) == "succeeded"


async def test_a_worker_that_stops_gives_its_import_to_the_next_at_once(gateway, families):
    # given: what a service that is stopped does to what it still works on
    task = await gateway.open_import(families("stopped"))

    async def stop():
        raise asyncio.CancelledError

    for _ in range(5):
        with pytest.raises(asyncio.CancelledError):
            await gateway.run_import(task, Watched(gateway.service.transactions, 10, stop), chunk=7)
    # when
    await gateway.run_import(task, chunk=7)
    # then: no attempt was counted
    assert await gateway.one(TRACK, (task,)) == "succeeded"
    assert await gateway.one("SELECT attempts FROM task_lease WHERE task_id = %s", (task,)) == 1


async def test_an_import_that_fails_four_times_is_given_up_and_its_upload_dropped(gateway, families):
    # given
    task = await gateway.open_import(families("broken"))

    def read(*_, **__):
        raise ValueError

    # when
    states = []
    for _ in range(4):
        await gateway.rows(LEASE_OVER, (task,))
        await gateway.run_import(task, read=read)
        states.append(await gateway.one(TRACK, (task,)))
    # then
    assert states == ["retrying", "retrying", "retrying", "failed"]
    assert await gateway.rows("SELECT FROM import_part WHERE task_id = %s", (task,)) == []


@pytest.mark.parametrize("held", [False, True])
async def test_promise_13_an_import_that_the_version_before_accepted_is_finished(gateway, families, held):
    # given: its rows, in the hands of one of its workers or not
    school = f"older-{held}"
    task = await gateway.open_import(families(school))
    await gateway.rows("DELETE FROM task_lease WHERE task_id = %s RETURNING task_id", (task,))
    await gateway.rows("DELETE FROM task_track WHERE task_id = %s RETURNING task_id", (task,))
    await gateway.rows(BEFORE_HELD if held else BEFORE_OPEN, (task,))
    # when
    await job.resume_imports(gateway.service.transactions)
    # then: it is left to that worker for as long as it says that it is at work
    permits = await gateway.one(PERMITS, (str(task),))
    assert permits == (0 if held else 1)
    if held:
        with pytest.raises(LeaseLost):
            await gateway.run_import(task)
        await gateway.rows(BEFORE_OVER, (task,))
        await job.resume_imports(gateway.service.transactions)
        assert await gateway.one(PERMITS, (str(task),)) == 1
    await gateway.run_import(task)
    assert await gateway.one(TRACK, (task,)) == "succeeded"
    # and that worker can neither commit any more nor claim it again
    assert await gateway.rows(BEFORE_HOLD, (task,)) == await gateway.rows(BEFORE_CLAIM, (task,)) == []


async def test_promise_13_the_version_before_does_not_claim_an_import_of_this_one(gateway, families):
    task = await gateway.open_import(families("newer"))
    assert await gateway.rows(BEFORE_CLAIM, (task,)) == []


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
        await asyncio.gather(*(gateway.run_import(task, bound=Bound(share=1)) for task in tasks))
        assert [await gateway.one(TRACK, (task,)) for task in tasks] == ["succeeded"] * 3


async def test_directory_versions_have_no_gap_while_imports_and_devices_write_at_once(gateway, families):
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
    imports = (gateway.run_import(task, chunk=7) for task in tasks)
    *answers, _, _ = await asyncio.gather(*map(register, range(6)), *imports)
    # then
    assert [answer.status_code for answer in answers] == [200] * 6
    for task in tasks:
        assert await gateway.one(TRACK, (task,)) == "succeeded"
    found = await gateway.rows(POSITIONS, (schools,))
    assert len(found) == 2
    for row in found:
        assert row["told"] == list(range(1, row["version"] + 1))
