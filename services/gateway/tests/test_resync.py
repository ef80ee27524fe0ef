"""The directory told anew: whole, at the versions that there are, in positions without a gap."""

from uuid import UUID

import pytest

from gateway.directory import resync

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOLD = "SELECT routing_key AS topic, data::jsonb AS fact FROM outbox WHERE position > %s ORDER BY position"
END = "SELECT coalesce(max(position), 0) FROM outbox"


async def test_promise_12_an_owner_publishes_its_whole_directory_again(gateway):
    # given
    schools = [await gateway.add_school() for _ in range(2)]
    people = [await gateway.add_person(school) for school in schools for _ in range(3)]
    both = people[0]
    async with gateway.service.transactions.begin() as tx:
        await tx.execute(
            "INSERT INTO membership (person_id, school_id, role) VALUES (%s, %s, 'guardian')", (both, schools[1])
        )
        await tx.execute("INSERT INTO student (school_id, student_id) VALUES (%s, %s)", (schools[0], people[1]))
        await tx.execute("UPDATE person SET version = 7 WHERE person_id = %s", (both,))
    nobody = await gateway.add_person(await gateway.add_school())
    await gateway.rows("DELETE FROM membership WHERE person_id = %s RETURNING 1", (nobody,))
    before = await gateway.one(END)
    # when
    told = await resync.resync_directory(gateway.service.transactions)
    # then
    facts = await gateway.rows(TOLD, (before,))
    assert told == len(facts)
    mine = {str(school) for school in schools}
    positions = {name: [] for name in mine}
    spans = {}
    for row in facts:
        for school, position in row["fact"]["positions"].items():
            if school in mine:
                positions[school].append(position)
        spans |= {school: span for school, span in row["fact"]["resync"].items() if school in mine}
    for school in mine:
        version = await gateway.one("SELECT directory_version FROM school WHERE school_id = %s", (UUID(school),))
        assert sorted(positions[school]) == list(range(1, version + 1))
        first, last = spans[school]
        assert 1 <= first <= last <= version
    seen = {row["fact"]["person_id"]: row["fact"]["version"] for row in facts if row["topic"] == "person.changed"}
    assert {str(person) for person in people} | {str(nobody)} <= seen.keys()
    assert seen[str(both)] == 7
    assert sum(row["topic"] == "student.changed" and row["fact"]["school_id"] in mine for row in facts) == 1
