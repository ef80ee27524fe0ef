"""Writers of one row wait for each other while somebody else refers to it, as every insert of a referring row does."""

import asyncio

import psycopg
import pytest

from gateway.directory import publish, publish_bulk
from shared.testing.fixtures import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

WRITERS = 5
WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


async def reserve(tx, school, _):
    await publish.DirectoryPositions.reserve(tx, [[school]])


async def bump_a_person(tx, _, person):
    await publish.bump_people(tx, [person])


async def bump_a_student(tx, school, person):
    await publish.bump_students(tx, [(school, person)])


async def tell_thousands(tx, _, person):
    await publish_bulk.people(tx, [person])


@pytest.mark.parametrize(
    ("write", "table", "version"),
    [
        (reserve, "school WHERE school_id = %(school)s", "directory_version"),
        (tell_thousands, "school WHERE school_id = %(school)s", "directory_version"),
        (bump_a_person, "person WHERE person_id = %(person)s", "version"),
        (bump_a_student, "student WHERE student_id = %(person)s", "version"),
    ],
)
async def test_writers_of_a_row_wait_for_each_other_and_not_for_rows_that_refer_to_it(gateway, write, table, version):
    # given
    school = await gateway.add_school()
    person = await gateway.add_person(school, "student")
    ids = {"school": school, "person": person}
    transactions = gateway.service.transactions
    async with transactions.begin() as tx:
        await tx.execute("INSERT INTO student (school_id, student_id) VALUES (%(school)s, %(person)s)", ids)
    before = await gateway.one(f"SELECT {version} FROM {table}", ids)

    async def waiting():
        with psycopg.connect(gateway.backing.admin_url) as admin:  # who else runs is not shown to a service
            return admin.execute(WAITING).fetchone()[0]

    async def writer():
        async with transactions.begin() as tx:
            await write(tx, school, person)

    async with transactions.begin() as referring:
        await referring.execute(f"SELECT FROM {table} FOR KEY SHARE", ids)
        async with transactions.begin() as first:
            await write(first, school, person)
            # when
            others = [asyncio.create_task(writer()) for _ in range(WRITERS)]
            await eventually(waiting, lambda found: found == WRITERS)
        # then
        assert await asyncio.gather(*others) == [None] * WRITERS
    assert await gateway.one(f"SELECT {version} FROM {table}", ids) == before + 1 + WRITERS
