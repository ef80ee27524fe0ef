"""Erasure: one commit deletes the key of a person and blanks their data in plain tables.

Data that was published before (log, queues, dead letters, copies of sealed fields) cannot be opened any more once
the processes have forgotten the key (`SubjectKeyStore`, 60 s); the event of the blank person does the rest.
"""

from uuid import UUID

from gateway.directory import people, publish
from gateway.directory.erased_ids import erased_mark
from shared.persistence.encryption import ERASE_KEY
from shared.transactions.unit_of_work import UnitOfWork

# The roster's id may identify the person. Its hash stays, so that the next roster does not bring the person back.
BLANK_PERSON = """
UPDATE person SET sourced_id = %(sourced_id)s, given_name = '', family_name = '', language = NULL, timezone = NULL,
    quiet_starts = NULL, quiet_ends = NULL, active = false, digest = NULL, erased_at = clock_timestamp()
WHERE person_id = %(person)s
"""
# Delete accounts, addresses and preferences of a person, and end their places at schools.
DELETE_OF_PERSON = (
    "DELETE FROM refresh_token WHERE person_id = %(person)s",
    "DELETE FROM invitation WHERE person_id = %(person)s",
    "DELETE FROM administrator WHERE person_id = %(person)s",
    "DELETE FROM account_name WHERE person_id = %(person)s",
    "DELETE FROM account WHERE person_id = %(person)s",
    "DELETE FROM contact WHERE person_id = %(person)s",
    "DELETE FROM device WHERE person_id = %(person)s",
    "DELETE FROM preference WHERE person_id = %(person)s",
    "UPDATE current_membership SET ends = school_today(school_id) WHERE person_id = %(person)s",
    "UPDATE enrolment SET ends = school_today(school_id), lapsed = true WHERE person_id = %(person)s AND NOT lapsed",
    "UPDATE guardianship SET relationship = 'guardian' WHERE guardian_id = %(person)s OR student_id = %(person)s",
)
# Records of a student are personal data of the student: the same fields that the event seals.
BLANK_RECORDS = """
UPDATE record SET facts = facts - %(personal)s::text[], version = version + 1, changed_at = clock_timestamp()
WHERE student_id = %(person)s
"""
# Facts that are on their way: the relay finds no key and sends them without the personal fields; here they go at once.
BLANK_OUTBOX = """
UPDATE outbox SET data = (data::jsonb - %(personal)s::text[])::text WHERE sealed_for = %(person)s
"""
# Make the person inactive as a student; returns their schools.
UPDATE_STUDENTS = """
UPDATE student SET active = false, digest = NULL, version = version + 1 WHERE student_id = %(person)s
RETURNING school_id, student_id
"""
# Select the sourcedId of a person.
SELECT_SOURCED_ID = "SELECT sourced_id FROM person WHERE person_id = %(person)s"


async def erase(tx: UnitOfWork, person: UUID, personal: list[str]) -> None:
    """Erase a person for good; `personal` names the fields that events seal. 404 for an unknown person."""
    await people.lock(tx, person, None)
    row = await tx.row(SELECT_SOURCED_ID, {"person": person})
    assert row is not None
    values = {
        "person": person,
        "personal": personal,
        "sourced_id": row["sourced_id"] and erased_mark(row["sourced_id"]),
    }
    await tx.execute(BLANK_PERSON, values)
    for statement in (*DELETE_OF_PERSON, BLANK_RECORDS, BLANK_OUTBOX):
        await tx.execute(statement, values)
    pupils = [(found["school_id"], found["student_id"]) for found in await tx.rows(UPDATE_STUDENTS, values)]
    await tx.execute(ERASE_KEY, {"subject": person})
    await publish.bump_people(tx, [person])
    await publish.emit_states(tx, people=[person], students=pupils)
