"""What a document says: fields and rows, each with its confidence and place, and reasons for a review by a person."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Literal

from files.domain.document import Box

DocumentKind = Literal["transcript", "behavior_report", "payment_receipt", "other"]


@dataclass(frozen=True, slots=True)
class Hints:
    """What the school knows: it settles what a document leaves open.

    `country` (ISO 3166) settles the order of day and month, `currency` (ISO 4217) an amount without a currency,
    `languages` (BCP 47) the words to expect. A date far from `uploaded_on` is doubtful; for a
    file that was not uploaded it is None.
    """

    uploaded_on: dt.date | None
    country: str | None = None
    currency: str | None = None
    languages: tuple[str, ...] = ("en",)


@dataclass(frozen=True, slots=True)
class Field:
    """One value. Dates are ISO 8601, amounts decimal strings; `confidence` is 0 to 1, the place is a page and a box."""

    value: str
    confidence: float
    page: int | None = None
    box: Box | None = None
    text: str = ""
    """As it stands in the document."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one reader found. Names of fields by kind:

    - payment_receipt: payer, merchant, amount (what was paid), total, payable, currency, date, reference; rows are the
      items (description, quantity, unit_price, amount).
    - transcript: student, student_number, school, period, gpa, credits; rows are subjects (subject, grade, credits).
    - behavior_report: student, student_number, date, reporter, category, severity, action, description.

    `reasons` are the codes of what a person has to look at ("ambiguous_amount", "text_layer_mismatch",
    "several_documents", …); empty if nothing is doubtful.
    """

    kind: DocumentKind
    fields: dict[str, Field] = field(default_factory=dict)
    rows: tuple[dict[str, Field], ...] = ()
    reasons: tuple[str, ...] = ()
