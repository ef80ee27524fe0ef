"""What becomes of a file after a reading: recorded at once, or looked at by a person first."""

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from files.domain.finding import Field, Finding
from files.domain.record_facts import MOST_RECORDS, records_of
from shared.events.files import FileKind, RecordFound

FAMILY = frozenset({"guardian", "student"})


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What is known of a file before it is read."""

    file_id: UUID
    kind: FileKind
    student_id: UUID | None
    uploader_role: str | None
    uploaded_on: dt.date
    duplicate_of: UUID | None


@dataclass(frozen=True, slots=True)
class Match:
    """The student whom a document names. `reason` says why there is none, or why it is doubtful."""

    student_id: UUID | None = None
    confidence: float = 0.0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What follows from a reading. Without `reasons` the records are recorded."""

    student_id: UUID | None
    reasons: tuple[str, ...]
    records: tuple[RecordFound, ...]


def decide(uploaded: Uploaded, finding: Finding, match: Match, doubts: tuple[str, ...]) -> Outcome:
    """Decide whether a person has to look at a file. `doubts`: what is doubtful in the finding itself."""
    if uploaded.kind == "other":
        return Outcome(uploaded.student_id, (), ())
    student, reasons = _student(uploaded, match)
    of_the_name = {"missing_student", "unsure_student"} if uploaded.student_id is not None else set()
    reasons += [doubt for doubt in doubts if doubt not in of_the_name]
    if uploaded.uploader_role in FAMILY:
        reasons.append("uploaded_by_family")
    if uploaded.duplicate_of is not None:
        reasons.append("duplicate")
    records: tuple[RecordFound, ...] = ()
    if student is not None:
        try:
            records = records_of(
                uploaded.kind,
                student,
                uploaded.file_id,
                values_of(finding.fields),
                [values_of(row) for row in finding.rows],
                uploaded.uploaded_on,
            )
        except ValidationError as problem:
            wrong = [f"invalid_{error['loc'][0]}" for error in problem.errors()]
            reasons += wrong if not doubts else []  # what is missing is wrong as well
    if student is not None and not records and not reasons:
        reasons.append("nothing_found")
    if len(records) > MOST_RECORDS:
        reasons.append("too_many_rows")
    return Outcome(student, tuple(dict.fromkeys(reasons)), records)


def _student(uploaded: Uploaded, match: Match) -> tuple[UUID | None, list[str]]:
    """Prefer the student named at the upload; a document that names another one is doubtful."""
    named = uploaded.student_id
    if named is None:
        return match.student_id, [match.reason] if match.reason else []
    if match.student_id is not None and match.student_id != named:
        return named, ["student_mismatch"]
    return named, []


def values_of(fields: Mapping[str, Field]) -> dict[str, str | None]:
    """Return the values alone."""
    return {name: field.value for name, field in fields.items()}


def fingerprint(kind: FileKind, values: Mapping[str, str | None]) -> str | None:
    """Hash what makes two receipts the same: merchant, payer, reference, amount, currency and date."""
    if kind != "payment_receipt" or not (values.get("amount") and values.get("date")):
        return None
    names = ("merchant", "payer", "reference", "amount", "currency", "date")
    parts: list[Any] = [" ".join((values.get(name) or "").casefold().split()) for name in names]
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
