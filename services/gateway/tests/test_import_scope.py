"""An upload speaks for its own schools: nobody elsewhere is ended, nobody who moved stays behind."""

import asyncio
from uuid import uuid4

import pytest

from gateway.main import build
from gateway.permits import ImportPermit
from gateway.roster_import import job
from gateway.settings import Settings
from shared.events import Envelope
from shared.testing.fixtures import Backing, fresh_database, write_keys

ACTIVE = """
SELECT p.sourced_id, o.sourced_id AS school FROM membership m JOIN person p USING (person_id)
JOIN school o USING (school_id) WHERE p.active AND (m.ends IS NULL OR m.ends > current_date) ORDER BY 1, 2
"""
STUDENTS = """
SELECT p.sourced_id, o.sourced_id AS school FROM student s JOIN person p ON p.person_id = s.student_id
JOIN school o USING (school_id) WHERE s.active ORDER BY 1, 2
"""
GUARDIANS = """
SELECT p.sourced_id, relationship, rank, custody FROM guardianship g JOIN person p ON p.person_id = g.guardian_id
ORDER BY rank
"""
TOLD = """
SELECT array_agg((data::jsonb) ORDER BY (data::jsonb) ->> 'version') FROM outbox WHERE routing_key = 'student.changed'
"""
POSITIONS = """
SELECT o.directory_version AS version,
    (SELECT array_agg(value::bigint ORDER BY value::bigint) FROM outbox b, jsonb_each_text((b.data::jsonb)->'positions')
      WHERE key = o.school_id::text) AS told
FROM school o
"""


@pytest.fixture
async def gateway(tmp_path):
    write_keys(tmp_path)
    with fresh_database(["gateway"]) as url:
        environment = Backing(url, "amqp://127.0.0.1:1/", tmp_path).environment("gateway")
        service = build(Settings(**{name.lower(): value for name, value in environment.items()}))
        await service.database.open()
        try:
            yield service.transactions
        finally:
            await service.database.close()


async def imported(transactions, content):
    task = uuid4()
    async with transactions.begin() as tx:
        # as the release before committed its uploads: with the job's own row
        await tx.execute("INSERT INTO import_job (task_id, content) VALUES (%s, %s)", (task, content))
    await job.resume_imports(transactions)
    permit = ImportPermit(task_id=task)
    await job.run(permit, Envelope.of_work(permit.name, permit.subject, "test"), transactions)
    async with transactions.begin() as tx:
        return (await tx.row("SELECT state FROM task_track WHERE task_id = %s", (task,)))["state"]


async def found(transactions, query):
    async with transactions.begin() as tx:
        return [tuple(row.values()) for row in await tx.rows(query)]


async def test_a_new_school_ends_no_membership_of_another_school(gateway, roster, person):
    # given
    assert await imported(gateway, roster(["north"], [person("ada", "north"), person("bo", "north")])) == "succeeded"
    # when
    assert await imported(gateway, roster(["south"], [person("cy", "south")])) == "succeeded"
    # then
    assert await found(gateway, ACTIVE) == [("ada", "north"), ("bo", "north"), ("cy", "south")]


async def test_who_is_missing_from_a_complete_roster_is_ended_and_can_come_back(gateway, roster, person):
    everybody = roster(["north"], [person("ada", "north"), person("bo", "north", "student", "ada", "07")])
    await imported(gateway, everybody)
    # when
    await imported(gateway, roster(["north"], [person("ada", "north")]))
    # then
    assert await found(gateway, ACTIVE) == [("ada", "north")]
    assert await found(gateway, STUDENTS) == []
    # when
    await imported(gateway, everybody)
    # then
    assert await found(gateway, ACTIVE) == [("ada", "north"), ("bo", "north")]
    assert await found(gateway, STUDENTS) == [("bo", "north")]


async def test_a_new_guardian_names_children_who_are_here_already(gateway, roster, person):
    """The student's own row has not changed, so that changes do not bring it."""
    # given
    await imported(gateway, roster(["north"], [person("ada", "north"), person("bo", "north", "student", "ada", "07")]))
    content = roster([], [person("cy", "north", "relative", "bo")], mode="delta")
    # when
    assert await imported(gateway, content) == "succeeded"
    assert await imported(gateway, content) == "succeeded"
    # then
    assert await found(gateway, GUARDIANS) == [("ada", "guardian", 1, True), ("cy", "relative", 2, False)]
    ((told,),) = await found(gateway, TOLD)
    assert [len(event["guardians"]) for event in told] == [1, 2]


async def test_a_student_who_moves_is_no_student_of_the_old_school(gateway, roster, person):
    schools = ["north", "south"]
    await imported(gateway, roster(schools, [person("ada", "north"), person("bo", "north", "student", "ada", "07")]))
    # when
    await imported(gateway, roster(schools, [person("ada", "north"), person("bo", "south", "student", "ada", "07")]))
    # then
    assert await found(gateway, STUDENTS) == [("bo", "south")]


async def test_a_repeat_emits_nothing(gateway, roster, person):
    content = roster(["north"], [person("ada", "north"), person("bo", "north", "student", "ada", "07")])
    await imported(gateway, content)
    query = "SELECT count(*) FROM outbox WHERE exchange <> '' AND routing_key <> 'task.changed'"
    before = await found(gateway, query)
    await imported(gateway, content)
    assert await found(gateway, query) == before


async def test_directory_versions_have_no_gap_under_concurrent_writers(gateway, roster, person):
    names = [f"person-{n}" for n in range(60)]
    uploads = [roster([f"school-{s}"], [person(f"{n}-{s}", f"school-{s}") for n in names]) for s in range(3)]
    # when
    assert await asyncio.gather(*(imported(gateway, each) for each in uploads)) == ["succeeded"] * 3
    # then
    for version, told in await found(gateway, POSITIONS):
        assert told == list(range(1, version + 1))


async def test_what_cannot_be_read_fails_with_the_reason(gateway):
    assert await imported(gateway, b"no zip at all") == "failed"
