"""Find the number of a receipt or an invoice behind its label."""

import re

from files.domain.finding import Field
from files.extraction.dates import find_dates
from files.extraction.fields import field_at
from files.extraction.folding import fold_label
from files.extraction.labels import find_labelled, labels
from files.extraction.layout import Row

VALUE = re.compile(r"[A-Z]{0,6}[-/#.]?\d[A-Z0-9]*(?:[-/._][A-Z0-9]+)*|[A-Z][A-Z0-9-]*\d[A-Z0-9/-]*", re.IGNORECASE)
NUMBER_SIGN = re.compile(r"\b(?:no|nr|n|num|numero|number|#)[.:\s\u00ba\u00b0]*\s*(?P<value>\S+)", re.IGNORECASE)
SHORTEST = 2
MIN_LENGTH = 4
HEAD_ROWS = 12
NOT_A_REFERENCE = re.compile(
    r"\b(?:tel|phone|fax|gst|vat|tax id|reg|id|co|house|floor|lot|account|konto|iban|table|room|page)\b"
)


def find_reference(rows: list[Row]) -> Field | None:
    """Return the number behind "invoice number" and the like, else a number behind a plain "No." in the head."""
    for hit in find_labelled(rows, "reference"):
        value = _value(hit.text)
        if value is not None:
            start = max(0, hit.value.text.find(value))
            return field_at(value, hit.value.part(start, start + len(value)), 0.9 * hit.strength)
    for row in rows[:HEAD_ROWS]:
        for match in NUMBER_SIGN.finditer(row.text):
            before = fold_label(row.text[: match.start()])
            value = _value(match["value"])
            if value is not None and len(value) >= MIN_LENGTH and not NOT_A_REFERENCE.search(before[-20:]):
                sure = any(before.endswith(label) for label in labels("fields", "reference"))
                return field_at(value, row.whole.part(*match.span("value")), 0.85 if sure else 0.6)
    return None


def _value(text: str) -> str | None:
    """Return the first word that is a number of a document, skipping "No." and "#"."""
    if find_dates(text):
        return None
    words = [word.strip(".:#,;()") for word in text.split()[:3]]
    return next((word for word in words if len(word) >= SHORTEST and VALUE.fullmatch(word)), None)
