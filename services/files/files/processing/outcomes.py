"""Applies what a reading found to its file: state, fields, records and events, in the commit of the reading's task."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from files.directory.matching import match_student
from files.domain.finding import Finding
from files.domain.outcome import Outcome, Uploaded, decide, fingerprint, values_of
from files.extraction import needs_review
from files.reading.result import Reading
from shared.errors import LeaseLost, TaskCancelled
from shared.events import FileNeedsReview, FileProcessed, FileRefused
from shared.transactions.unit_of_work import UnitOfWork

# Lock the file of a task: a decision of a person waits for this commit, or this commit for the decision.
LOCK_FILE = "SELECT * FROM file WHERE task_id = %(task)s FOR UPDATE"
# Keep what a reading found, beside earlier readings.
INSERT_READING = """
INSERT INTO reading (file_id, revision, school_id, media_type, fields, rows, notices)
SELECT %(file)s, 1 + coalesce(max(revision), 0), %(school)s, %(media_type)s, %(fields)s, %(rows)s, %(notices)s
FROM reading WHERE file_id = %(file)s
RETURNING revision
"""
# Refuse a file.
MARK_REFUSED = """
UPDATE file SET state = 'refused', code = %(code)s, message = %(message)s, reasons = '{}', version = version + 1,
    media_type = coalesce(%(media_type)s, media_type), pages = %(pages)s, thumbnails = %(thumbnails)s,
    changed_at = clock_timestamp()
WHERE file_id = %(file)s RETURNING version, changed_at
"""
# Show what a reading found as the file's.
MARK_READ = """
UPDATE file SET state = %(state)s, code = NULL, message = NULL, reasons = %(reasons)s, version = version + 1,
    media_type = coalesce(%(media_type)s, media_type), pages = %(pages)s, thumbnails = %(thumbnails)s,
    revision = %(revision)s, student_id = %(student)s, similar_to = %(similar)s, records = %(records)s,
    fingerprint = %(fingerprint)s,
    changed_at = clock_timestamp()
WHERE file_id = %(file)s RETURNING version, changed_at
"""
# Find an earlier receipt of the school that says the same.
SELECT_SIMILAR = """
SELECT file_id FROM file
WHERE school_id = %(school)s AND fingerprint = %(fingerprint)s AND file_id <> %(file)s AND deleted_at IS NULL
ORDER BY file_id LIMIT 1
"""
# Let receipts that say the same be decided one after the other: the second finds the first.
LOCK_FINGERPRINT = "SELECT pg_advisory_xact_lock(hashtextextended(%(school)s::text || %(fingerprint)s, 0))"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a task ends: with a result, or with an error in plain words."""

    result: dict[str, Any]
    error: str | None = None


async def apply(tx: UnitOfWork, task: UUID, reading: Reading, threshold: float) -> Ended:
    """Apply a reading. What was recorded or confirmed before stays: the reading is only kept beside it.

    Raises TaskCancelled if the file was deleted meanwhile, LeaseLost if a later reading has taken its place.
    """
    file = await tx.row(LOCK_FILE, {"task": task})
    if file is None:
        raise LeaseLost(f"task {task} reads no file any more")
    if file["deleted_at"] is not None:
        raise TaskCancelled("the file was deleted")
    if reading.verdict == "refused":
        return await _refuse(tx, file, reading)
    finding = reading.finding or Finding(file["kind"])
    revision = await _keep_reading(tx, file, reading, finding)
    if file["state"] != "stored":
        return Ended({"file_id": str(file["file_id"]), "state": file["state"], "revision": revision, "kept": True})
    return await _decide(tx, file, reading, finding, revision, threshold)


async def _refuse(tx: UnitOfWork, file: Mapping[str, Any], reading: Reading) -> Ended:
    code = reading.reason or "corrupt"
    error = f"{code}: {reading.message}"
    if file["state"] != "stored":
        return Ended({}, error)
    values = _read_values(file, reading) | {"code": code, "message": reading.message}
    row = await tx.row(MARK_REFUSED, values)
    assert row is not None
    tx.emit(
        FileRefused(**_common(file, row["version"]), task_id=file["task_id"], code=code, refused_at=row["changed_at"])
    )
    return Ended({}, error)


async def _keep_reading(tx: UnitOfWork, file: Mapping[str, Any], reading: Reading, finding: Finding) -> int:
    values = {
        "file": file["file_id"],
        "school": file["school_id"],
        "media_type": reading.media_type or file["media_type"],
        "fields": Jsonb({name: asdict(field) for name, field in finding.fields.items()}),
        "rows": Jsonb([{name: asdict(field) for name, field in row.items()} for row in finding.rows]),
        "notices": list(reading.notices),
    }
    row = await tx.row(INSERT_READING, values)
    assert row is not None
    revision: int = row["revision"]
    return revision


async def _decide(
    tx: UnitOfWork, file: Mapping[str, Any], reading: Reading, finding: Finding, revision: int, threshold: float
) -> Ended:
    match = await match_student(tx, file["school_id"], finding)
    doubts = needs_review(finding, file["kind"], threshold)
    outcome = decide(_uploaded(file), finding, match, doubts)
    same = fingerprint(file["kind"], values_of(finding.fields))
    similar = await _similar(tx, file, same)
    reasons = list(outcome.reasons)
    if similar is not None and file["duplicate_of"] is None:
        reasons.append("possible_duplicate")
    state = "needs_review" if reasons else "processed"
    recorded = [record.model_dump(mode="json") for record in outcome.records] if not reasons else None
    values = _read_values(file, reading) | {
        "state": state,
        "reasons": reasons,
        "revision": revision,
        "student": outcome.student_id,
        "similar": similar,
        "records": Jsonb(recorded) if recorded is not None else None,
        "fingerprint": same,
    }
    row = await tx.row(MARK_READ, values)
    assert row is not None
    _announce(tx, file, outcome, reasons, row | {"revision": revision})
    result = {
        "file_id": str(file["file_id"]),
        "state": state,
        "revision": revision,
        "reasons": reasons,
        "records": len(recorded or ()),
    }
    return Ended(result)


def _announce(
    tx: UnitOfWork, file: Mapping[str, Any], outcome: Outcome, reasons: list[str], row: Mapping[str, Any]
) -> None:
    common = _common(file, row["version"]) | {"task_id": file["task_id"], "kind": file["kind"]}
    if reasons:
        tx.emit(FileNeedsReview(**common, reasons=tuple(reasons), read_at=row["changed_at"]))
        return
    tx.emit(
        FileProcessed(
            **common,
            revision=row["revision"],
            records=outcome.records,
            uploaded_by=file["uploaded_by"],
            processed_at=row["changed_at"],
        )
    )


async def _similar(tx: UnitOfWork, file: Mapping[str, Any], same: str | None) -> UUID | None:
    if same is None:
        return None
    values = {"school": file["school_id"], "file": file["file_id"], "fingerprint": same}
    await tx.execute(LOCK_FINGERPRINT, values)
    row = await tx.row(SELECT_SIMILAR, values)
    return row["file_id"] if row else None


def _uploaded(file: Mapping[str, Any]) -> Uploaded:
    return Uploaded(
        file_id=file["file_id"],
        kind=file["kind"],
        student_id=file["named_student_id"],
        uploader_role=file["uploader_role"],
        uploaded_on=file["uploaded_at"].date(),
        duplicate_of=file["duplicate_of"],
    )


def _read_values(file: Mapping[str, Any], reading: Reading) -> dict[str, Any]:
    return {
        "file": file["file_id"],
        "media_type": reading.media_type or None,
        "pages": reading.pages or None,
        "thumbnails": list(reading.thumbnails),
    }


def _common(file: Mapping[str, Any], version: int) -> dict[str, Any]:
    return {"file_id": file["file_id"], "school_id": file["school_id"], "version": version}
