"""The facts of records, as the gateway takes them: what passes here is never refused there (a test compares the two).

A document, or the person who confirms it, gives the values as text.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from shared.events.files import FileKind, RecordFound

ONE_LINE = r"^[^\x00-\x1f\x7f]*$"
FIRST_YEAR = 1900

SEVERITIES = {"low": "minor", "medium": "minor", "high": "major"}
"""The records' severity for the one that a report says."""
PRAISE = "positive"
"""The category of good behaviour."""

MOST_RECORDS = 1000
"""Records of one file: no transcript has more grades."""


def _without_exponent(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal(1)) if amount == amount.to_integral_value() else amount.normalize()


def _recent(day: dt.date) -> dt.date:
    if day.year < FIRST_YEAR:
        msg = f"is before {FIRST_YEAR}"
        raise ValueError(msg)
    return day


Amount = Annotated[Decimal, Field(gt=0, max_digits=12, decimal_places=3), AfterValidator(_without_exponent)]
Day = Annotated[dt.date, AfterValidator(_recent)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255, pattern=ONE_LINE)]
Code = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=ONE_LINE)]
Prose = Annotated[str, StringConstraints(max_length=5000, pattern=r"^[^\x00]*$")]
GradeText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20, pattern=ONE_LINE)]


class Payment(BaseModel):
    """What a receipt says: money that was received, or went back. `discount` was deducted before."""

    model_config = ConfigDict(frozen=True)

    status: Literal["received", "refunded"] = "received"
    amount: Amount
    discount: Amount | None = None
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    paid_on: Day
    purpose: Prose = ""
    reference: Code | None = None
    file_part: Annotated[int, Field(ge=2, le=20)] | None = None


class Incident(BaseModel):
    """What a behaviour report says."""

    model_config = ConfigDict(frozen=True)

    happened_on: Day
    category: Name
    severity: Literal["praise", "minor", "major"] = "minor"
    description: Prose = ""


class Grade(BaseModel):
    """One row of a transcript."""

    model_config = ConfigDict(frozen=True)

    course: Name
    term: Name | None = None
    given_on: Day
    grade: GradeText


Values = Mapping[str, str | None]


def records_of(
    kind: FileKind, student: UUID, file: UUID, values: Values, rows: Sequence[Values], uploaded_on: dt.date
) -> tuple[RecordFound, ...]:
    """Return the records that a document says of a student; raises pydantic's ValidationError for a wrong value."""
    match kind:
        case "payment_receipt":
            return (_found("payment", student, file, payment_of(values)),)
        case "behavior_report":
            return (_found("behavior", student, file, incident_of(values)),)
        case "transcript":
            return tuple(_found("grade", student, file, grade_of(values, row, uploaded_on)) for row in rows)
        case "other":
            return ()


def divided(shares: Sequence[tuple[UUID, str]], file: UUID, values: Values) -> tuple[RecordFound, ...]:
    """Return the payments of siblings who share a receipt. Its discount is in none: no receipt says whose it was.

    Raises pydantic's ValidationError for a wrong value, ValueError if the shares do not come to the amount or name a
    student twice.
    """
    if len({student for student, _ in shares}) < len(shares):
        msg = "name each student once"
        raise ValueError(msg)
    whole = payment_of(values)
    parts = [payment_of({**values, "amount": amount, "discount": None}) for _, amount in shares]
    total = sum(part.amount for part in parts)
    if total != whole.amount:
        msg = f"come to {total}, the receipt to {whole.amount}"
        raise ValueError(msg)
    numbered = [part.model_copy(update={"file_part": number}) for number, part in enumerate(parts[1:], start=2)]
    return tuple(
        _found("payment", student, file, part) for (student, _), part in zip(shares, (parts[0], *numbered), strict=True)
    )


def payment_of(values: Values) -> Payment:
    """Read a payment; a negative amount is a refund."""
    amount = values.get("amount") or ""
    purpose = ", ".join(filter(None, (values.get("merchant"), values.get("purpose"))))
    return Payment.model_validate(
        {
            "status": "refunded" if amount.startswith("-") or values.get("refund") else "received",
            "amount": amount.removeprefix("-"),
            "discount": (values.get("discount") or "").removeprefix("-") or None,
            "currency": values.get("currency"),
            "paid_on": values.get("date"),
            "purpose": purpose,
            "reference": values.get("reference") or None,
        }
    )


def incident_of(values: Values) -> Incident:
    """Read an incident; without a severity it is minor."""
    severity = values.get("severity") or "low"
    text = "\n".join(
        filter(None, (values.get("description"), _labelled("Action", values), _labelled("Reporter", values)))
    )
    return Incident.model_validate(
        {
            "happened_on": values.get("date"),
            "category": values.get("category"),
            "severity": "praise" if values.get("category") == PRAISE else SEVERITIES.get(severity, severity),
            "description": text,
        }
    )


def grade_of(values: Values, row: Values, uploaded_on: dt.date) -> Grade:
    """Read one grade; a transcript without a date counts from the day of its upload."""
    return Grade.model_validate(
        {
            "course": row.get("subject"),
            "term": values.get("period") or None,
            "given_on": values.get("date") or uploaded_on.isoformat(),
            "grade": row.get("grade"),
        }
    )


def _labelled(label: str, values: Values) -> str | None:
    value = values.get(label.lower())
    return f"{label}: {value}" if value else None


def _found(kind: Literal["payment", "behavior", "grade"], student: UUID, file: UUID, facts: BaseModel) -> RecordFound:
    found: dict[str, Any] = facts.model_dump(mode="json") | {"file_id": str(file)}
    return RecordFound(kind=kind, student_id=student, facts=found)
