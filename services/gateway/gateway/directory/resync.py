"""Publish the whole directory again, for a projection whose history is no longer in the log."""

from uuid import UUID

import structlog

from gateway.directory import publish
from shared.transactions.unit_of_work import UnitOfWork, UnitOfWorkFactory

log = structlog.get_logger()

CHUNK = 1_000
# All of them, in the order of every other writer: states are read after this, so that none is older than its position.
LOCK_SCHOOLS = "SELECT school_id FROM school ORDER BY school_id FOR NO KEY UPDATE"
# Select all schools.
SELECT_SCHOOLS = "SELECT school_id FROM school ORDER BY school_id"
# Select a school if it has a calendar.
SELECT_CALENDAR = "SELECT school_id FROM calendar WHERE school_id = %(school)s"
# Select all people who belong or belonged to a school.
SELECT_MEMBERS = "SELECT DISTINCT person_id FROM membership WHERE school_id = %(school)s ORDER BY person_id"
# Select all students of a school.
SELECT_STUDENTS = "SELECT student_id FROM student WHERE school_id = %(school)s ORDER BY student_id"
# Select people who never belonged to a school, by id.
SELECT_UNATTACHED = """
SELECT person_id FROM person p
WHERE NOT EXISTS (SELECT FROM membership m WHERE m.person_id = p.person_id)
  AND (%(after)s::uuid IS NULL OR person_id > %(after)s)
ORDER BY person_id LIMIT %(limit)s
"""


async def resync_directory(transactions: UnitOfWorkFactory) -> int:
    """Commit once per school, with all its states, then for people without a school; return the number of events."""
    async with transactions.begin() as tx:
        schools = [row["school_id"] for row in await tx.rows(SELECT_SCHOOLS)]
    published = 0
    for school in schools:
        async with transactions.begin() as tx:
            await _school(tx, school)
            published += len(tx.outgoing)
        log.info("directory.published_again", school_id=str(school), events=published)
    after: UUID | None = None
    while True:
        async with transactions.begin() as tx:
            people = [row["person_id"] for row in await tx.rows(SELECT_UNATTACHED, {"after": after, "limit": CHUNK})]
            await publish.emit_states(tx, people=people)
            published += len(people)
        if len(people) < CHUNK:
            return published
        after = people[-1]


async def _school(tx: UnitOfWork, school: UUID) -> None:
    await tx.execute(LOCK_SCHOOLS)
    values = {"school": school}
    await publish.emit_states(
        tx,
        schools=[school],
        calendars=[row["school_id"] for row in await tx.rows(SELECT_CALENDAR, values)],
        people=[row["person_id"] for row in await tx.rows(SELECT_MEMBERS, values)],
        students=[(school, row["student_id"]) for row in await tx.rows(SELECT_STUDENTS, values)],
        whole=school,
    )
