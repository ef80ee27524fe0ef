"""Decisions about a file. Each locks the row, checks it, and changes it with its event in the same commit."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import ValidationError
from uuid_utils.compat import uuid7

from files.domain.record_facts import MOST_RECORDS, Values, divided, records_of
from files.processing import job as processing
from files.review.schemas import Confirmation
from shared.events import FileConfirmed, FileDeleted, FileRestored
from shared.events.files import RecordFound
from shared.http.preconditions import DecisionRefused, check_version
from shared.jobs import lease as leases
from shared.jobs.task_status import has_ended, track
from shared.transactions.unit_of_work import UnitOfWork

# Lock a file of a school.
LOCK_FILE = "SELECT * FROM file WHERE file_id = %(file)s AND school_id = %(school)s FOR UPDATE"
# Read what the reading behind a file's state found.
SELECT_READING = "SELECT fields, rows FROM reading WHERE file_id = %(file)s AND revision = %(revision)s"
# Confirm a file.
CONFIRM_FILE = """
UPDATE file SET state = 'confirmed', records = %(records)s, student_id = %(student)s, reasons = '{}',
    confirmed_by = %(person)s, confirmed_at = clock_timestamp(), changed_at = clock_timestamp(), version = version + 1
WHERE file_id = %(file)s RETURNING version, changed_at
"""
# Delete a file; it can be restored until it is purged.
DELETE_FILE = """
UPDATE file SET deleted_at = clock_timestamp(), deleted_by = %(person)s, changed_at = clock_timestamp(),
    version = version + 1
WHERE file_id = %(file)s RETURNING version, changed_at
"""
# Leave a deletion for an upload that has not arrived yet; no row for a file of another school.
INSERT_TOMBSTONE = """
INSERT INTO tombstone AS t (file_id, school_id, deleted_by)
SELECT %(file)s, %(school)s, %(person)s WHERE NOT EXISTS (SELECT FROM file WHERE file_id = %(file)s)
ON CONFLICT (file_id) DO UPDATE SET school_id = t.school_id WHERE t.school_id = excluded.school_id
RETURNING file_id
"""
# Restore a file.
RESTORE_FILE = """
UPDATE file SET deleted_at = NULL, deleted_by = NULL, changed_at = clock_timestamp(), version = version + 1
WHERE file_id = %(file)s RETURNING version, changed_at
"""
# Let a file be read again, as another task. What was recorded or confirmed keeps its state.
READ_AGAIN = """
UPDATE file SET task_id = %(task)s, version = version + 1, changed_at = clock_timestamp(),
    state = CASE WHEN state IN ('processed', 'confirmed') THEN state ELSE 'stored' END
WHERE file_id = %(file)s RETURNING version, changed_at
"""


@dataclass(frozen=True, slots=True)
class Target:
    """The file of a decision, in a school; `expected` is the version that the person has seen, if they named one."""

    file: UUID
    school: UUID
    person: UUID | None
    expected: int | None

    @property
    def values(self) -> dict[str, Any]:
        return {"file": self.file, "school": self.school, "person": self.person}


async def confirm(tx: UnitOfWork, target: Target, wish: Confirmation) -> None:
    """Confirm what a file says, with corrections. 404; 409 `conflict` or `too_late`; 412; 422 for a wrong value."""
    row = await _lock(tx, target)
    _check_present(row)
    if row["state"] in ("processed", "confirmed"):
        raise DecisionRefused(
            409, "too_late", "The file was recorded already. Correct its records.", state=row["state"]
        )
    if row["state"] != "needs_review":
        raise DecisionRefused(409, "conflict", "Only a file that needs a review is confirmed.", state=row["state"])
    check_version(target.expected, row["version"])
    _check_duplicate(row, wish)
    if wish.splits and row["kind"] != "payment_receipt":
        raise _invalid([(("splits",), "wrong_kind", "only a receipt is divided")])
    student = wish.splits[0].student_id if wish.splits else wish.student_id or row["student_id"]
    if student is None and row["kind"] != "other":
        raise _invalid([(("student_id",), "missing", "name the student: the document does not")])
    records = await _records(tx, row, wish, student)
    written = [record.model_dump(mode="json") for record in records]
    changed = await tx.row(CONFIRM_FILE, target.values | {"records": Jsonb(written), "student": student})
    assert changed is not None
    tx.emit(
        FileConfirmed(
            file_id=target.file,
            school_id=target.school,
            version=changed["version"],
            kind=row["kind"],
            revision=row["revision"],
            records=records,
            confirmed_by=target.person,
            confirmed_at=changed["changed_at"],
        )
    )


async def delete(tx: UnitOfWork, target: Target) -> bool:
    """Delete a file; a repeat changes nothing. False if the upload has not arrived: it will be stored as deleted."""
    row = await tx.row(LOCK_FILE, target.values)
    if row is None:
        if await tx.row(INSERT_TOMBSTONE, target.values) is None:
            raise DecisionRefused(404, "not_found")
        return False
    if row["deleted_at"] is not None:
        return True
    check_version(target.expected, row["version"])
    changed = await tx.row(DELETE_FILE, target.values)
    assert changed is not None
    tx.emit(deleted_event(target.values, changed))
    # Reading is stopped; a worker that has begun notices it at its next renewal, or at its commit.
    if row["state"] == "stored" and await leases.cancel(tx, row["task_id"]):
        await processing.mark_not_read(tx, row["task_id"])
        await track(tx, row["task_id"], school_id=target.school, kind=processing.KIND, state="cancelled")
    return True


async def restore(tx: UnitOfWork, target: Target) -> None:
    """Restore a deleted file until it is purged. 404; 409 `too_late` once purging has begun; 412."""
    row = await _lock(tx, target)
    if row["deleted_at"] is None:
        return
    if row["purging_at"] is not None:
        raise DecisionRefused(409, "too_late", "The file is being purged.", state="purging")
    check_version(target.expected, row["version"])
    changed = await tx.row(RESTORE_FILE, target.values)
    assert changed is not None
    tx.emit(
        FileRestored(
            file_id=target.file,
            school_id=target.school,
            version=changed["version"],
            restored_by=target.person,
            restored_at=changed["changed_at"],
        )
    )
    if row["state"] == "stored" or row["code"] == "not_read":
        await _read_again(tx, target)


async def reprocess(tx: UnitOfWork, target: Target) -> None:
    """Read a file again. What was recorded or confirmed stays: its new reading is only kept beside. 404, 409, 412."""
    row = await _lock(tx, target)
    _check_present(row)
    check_version(target.expected, row["version"])
    if not await has_ended(tx, row["task_id"]):
        raise DecisionRefused(409, "conflict", "The file is being read.", state=row["state"])
    await _read_again(tx, target)


async def _read_again(tx: UnitOfWork, target: Target) -> None:
    task = uuid7()
    await tx.execute(READ_AGAIN, target.values | {"task": task})
    await processing.start(tx, task, target.school)


async def _lock(tx: UnitOfWork, target: Target) -> Mapping[str, Any]:
    row = await tx.row(LOCK_FILE, target.values)
    if row is None:
        raise DecisionRefused(404, "not_found")
    return row


def _check_present(row: Mapping[str, Any]) -> None:
    if row["deleted_at"] is not None:
        raise DecisionRefused(409, "conflict", "The file is deleted. Restore it first.", state="deleted")


def _check_duplicate(row: Mapping[str, Any], wish: Confirmation) -> None:
    """Refuse a document that was uploaded before, unless the person says that it is another one."""
    earlier = row["duplicate_of"] or row["similar_to"]
    if earlier is not None and not wish.another_one:
        raise DecisionRefused(
            409,
            "conflict",
            "Another file seems to be the same document. Confirm with `another_one`, or delete this file.",
            file_id=str(earlier),
        )


async def _records(
    tx: UnitOfWork, row: Mapping[str, Any], wish: Confirmation, student: UUID | None
) -> tuple[RecordFound, ...]:
    if student is None:
        return ()
    found = await tx.row(SELECT_READING, {"file": row["file_id"], "revision": row["revision"]})
    read: Mapping[str, Any] = found or {"fields": {}, "rows": []}
    values: dict[str, str | None] = {name: field["value"] for name, field in read["fields"].items()}
    values |= wish.fields
    rows: list[Values] = (
        [{name: field["value"] for name, field in each.items()} for each in read["rows"]]
        if wish.rows is None
        else list(wish.rows)
    )
    day = row["uploaded_at"].date()
    try:
        if wish.splits:
            return divided([(each.student_id, each.amount) for each in wish.splits], row["file_id"], values)
        records = records_of(row["kind"], student, row["file_id"], values, rows, day)
    except ValidationError as problem:
        raise _wrong_values(problem) from None
    except ValueError as problem:
        raise _invalid([(("splits",), "sum", str(problem))]) from None
    if not records and row["kind"] != "other":
        raise _invalid([(("rows",), "missing", "give at least one row: the document has none")])
    if len(records) > MOST_RECORDS:
        raise _invalid([(("rows",), "too_long", f"has more than {MOST_RECORDS} rows")])
    return records


def _wrong_values(problem: ValidationError) -> DecisionRefused:
    errors = [
        (("fields", *map(str, error["loc"])), error["type"], error["msg"].removeprefix("Value error, "))
        for error in problem.errors()
    ]
    return _invalid(errors)


def _invalid(errors: list[tuple[tuple[str, ...], str, str]]) -> DecisionRefused:
    listed = [{"loc": ["body", *loc], "code": code, "message": message} for loc, code, message in errors]
    return DecisionRefused(422, "invalid", "Values are missing or wrong.", errors=listed)


def deleted_event(values: Mapping[str, Any], changed: Mapping[str, Any]) -> FileDeleted:
    """Make the event of a deletion."""
    at: dt.datetime = changed["changed_at"]
    return FileDeleted(
        file_id=values["file"],
        school_id=values["school"],
        version=changed["version"],
        deleted_by=values["person"],
        deleted_at=at,
    )
