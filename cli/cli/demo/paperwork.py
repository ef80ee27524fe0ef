"""The scenes with documents: a receipt, a behaviour report and a transcript become records, one with a person's help.

Each checks what was recorded against the facts that the document was made from.
"""

import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from cli.demo import paper_actions, school
from cli.demo.client import DemoFailed
from cli.demo.documents.maker import make_document, photograph
from cli.demo.office_actions import Office

HARBOR = school.SCHOOLS[1]
ENGLISH = {"language": "en", "country": "US"}
SUBJECTS = {"Mathematics": "A", "Languages": "B+", "Music": "A", "Geography": "C+"}
GRADE = "09"

Key = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Pupil:
    """A student of the demo school, as documents name them."""

    id: str
    name: str


def receipt(office: Office, key: Key) -> None:
    """Upload the receipt of a payment; it is clear enough to be recorded at once."""
    place, pupil = _pupil(office)
    facts = receipt_facts(pupil.name, _today())
    document = make_document("payment_receipt", facts, "receipt_invoice")
    file = paper_actions.upload(office, place, pupil.id, "payment_receipt", "receipt.pdf", document, key())
    paper_actions.expect_state(office, file, "processed")
    (payment,) = paper_actions.records(office, place, "payments", pupil.id, file, 1)
    _compare(payment, {"status": "received", "currency": "USD", "paid_on": facts["date"]})
    sums = {name: Decimal(payment[name] or 0) for name in ("amount", "discount")}
    if sums != {name: Decimal(facts[name]) for name in sums}:
        raise DemoFailed(
            f"the payment has {sums}, the receipt {facts['amount']} after a discount of {facts['discount']}"
        )


def behavior_report(office: Office, key: Key) -> None:
    """Upload the photograph of a report without category and severity; a person has to add both."""
    place, pupil = _pupil(office)
    facts = report_facts(pupil.name, _today())
    picture = photograph(make_document("behavior_report", facts, "behavior_form"))
    file = paper_actions.upload(office, place, pupil.id, "behavior_report", "report.jpg", picture, key())
    found = paper_actions.expect_state(office, file, "needs_review")
    paper_actions.confirm(office, found, {"category": "disruption", "severity": "low"})
    paper_actions.expect_state(office, file, "confirmed")
    (incident,) = paper_actions.records(office, place, "behavior-reports", pupil.id, file, 1)
    _compare(incident, {"category": "disruption", "severity": "minor", "happened_on": facts["date"]})


def transcript(office: Office, key: Key) -> None:
    """Upload a transcript; each of its rows becomes a grade."""
    place, pupil = _pupil(office)
    facts = transcript_facts(pupil.name, _today())
    document = make_document("transcript", facts, "transcript_ruled")
    file = paper_actions.upload(office, place, pupil.id, "transcript", "transcript.pdf", document, key())
    paper_actions.expect_state(office, file, "processed")
    grades = paper_actions.records(office, place, "grades", pupil.id, file, len(SUBJECTS))
    if (found := {each["course"]: each["grade"] for each in grades}) != SUBJECTS:
        raise DemoFailed(f"the grades are {found} instead of {SUBJECTS}")


def receipt_facts(student: str, day: dt.date) -> dict[str, Any]:
    """Make the facts of a receipt; each has its own reference, so that it does not look like an earlier one."""
    item = {"description": "School trip to the made-up museum", "quantity": "1"}
    return ENGLISH | {
        "merchant": HARBOR.name,
        "address": "1 Example Pier, office@example.org",
        "payer": "The made-up parents",
        "student": student,
        "date": day.isoformat(),
        "reference": f"R-{uuid.uuid4().hex[:8].upper()}",
        "currency": "USD",
        "amount": "42.50",
        "discount": "2.50",
        "tax": "0",
        "paid_by": "Card",
        "items": [item | {"unit_price": "45.00", "amount": "45.00"}],
    }


def report_facts(student: str, day: dt.date) -> dict[str, Any]:
    """Make the facts of a behaviour report whose form was not filled in completely."""
    return ENGLISH | {
        "school": HARBOR.name,
        "student": student,
        "student_number": _number(),
        "class": "9a",
        "date": day.isoformat(),
        "reporter": "A made-up teacher",
        "description": "See the attached note.",
        "action": "Talk with the family",
    }


def transcript_facts(student: str, day: dt.date) -> dict[str, Any]:
    """Make the facts of a transcript."""
    return ENGLISH | {
        "school": HARBOR.name,
        "student": student,
        "student_number": _number(),
        "period": f"First term {day.year}",
        "class": "9a",
        "date": day.isoformat(),
        "rows": [{"subject": subject, "grade": grade} for subject, grade in SUBJECTS.items()],
    }


def _number() -> str:
    """Return a number that no document had before: a second demo on the same day would upload the same bytes again."""
    return f"D-{uuid.uuid4().int % 1_000_000:06d}"


def _pupil(office: Office) -> tuple[str, Pupil]:
    place = office.school(HARBOR.sourced_id)
    asked: dict[str, Any] = {"school": place, "grade": GRADE, "limit": 1}
    (found,) = office.call("GET", "/v1/students", params=asked).json()["items"]
    return place, Pupil(str(found["id"]), f"{found['given_name']} {found['family_name']}")


def _compare(found: Mapping[str, Any], expected: Mapping[str, str]) -> None:
    wrong = {name: found[name] for name, value in expected.items() if found[name] != value}
    if wrong:
        raise DemoFailed(f"the record says {wrong}, the document {dict(expected)}")


def _today() -> dt.date:
    return dt.datetime.now(ZoneInfo(HARBOR.timezone)).date()
