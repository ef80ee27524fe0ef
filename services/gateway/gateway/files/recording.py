"""Reactions to the file service: what a file says is recorded once; deleted files count no more."""

from uuid import UUID, uuid5

from pydantic import ValidationError

from gateway.problems import Problem
from gateway.records import records
from gateway.records.kinds import KINDS, stored
from gateway.records.records import Entry
from shared.errors import Reject
from shared.events import FileConfirmed, FileDeleted, FileProcessed, FileRestored
from shared.events.files import RecordFound
from shared.transactions.unit_of_work import UnitOfWork

FACTS = {kind.name: kind.facts for kind in KINDS}

# Remember that a file was deleted or restored; an older fact changes nothing.
UPDATE_DELETED = """
UPDATE upload SET deleted_at = %(deleted_at)s, version = %(version)s
WHERE file_id = %(file)s AND version < %(version)s
"""


async def record_processed(event: FileProcessed, tx: UnitOfWork) -> None:
    """Record what a file says with enough confidence, in the name of its uploader."""
    await _record(tx, event, event.uploaded_by)


async def record_confirmed(event: FileConfirmed, tx: UnitOfWork) -> None:
    """Record what a person has confirmed."""
    await _record(tx, event, event.confirmed_by)


async def mark_deleted(event: FileDeleted, tx: UnitOfWork) -> None:
    """Count a deleted file as no duplicate and as no space any more."""
    tx.write(UPDATE_DELETED, {"file": event.file_id, "version": event.version, "deleted_at": event.deleted_at})


async def mark_restored(event: FileRestored, tx: UnitOfWork) -> None:
    """Count a restored file again."""
    tx.write(UPDATE_DELETED, {"file": event.file_id, "version": event.version, "deleted_at": None})


async def _record(tx: UnitOfWork, event: FileProcessed | FileConfirmed, by: UUID | None) -> None:
    """Write the records of a file. Their ids follow from the file, so that a repeat writes nothing."""
    for kind in dict.fromkeys(found.kind for found in event.records):
        entries = [
            _entry(event.file_id, position, found) for position, found in enumerate(event.records) if found.kind == kind
        ]
        try:
            await records.add_missing(tx, kind, event.school_id, by, entries)
        except Problem as problem:
            raise Reject(f"the records of file {event.file_id} are refused: {problem.detail}") from problem


def _entry(file: UUID, position: int, found: RecordFound) -> Entry:
    try:
        facts = FACTS[found.kind].model_validate(found.facts)
    except ValidationError as problem:
        wrong = ", ".join(".".join(map(str, error["loc"])) for error in problem.errors())
        raise Reject(f"record {position} of file {file} has wrong facts: {wrong}") from problem
    record = uuid5(file, f"{found.kind}/{position}")
    return Entry(record, found.student_id, facts.day, facts.sought, stored(facts))
