"""Make the fields of a finding from places in a document."""

from decimal import Decimal

from files.domain.finding import Field
from files.extraction.layout import Cell

SURE_READING = 0.85
"""A word that the reader is less sure of lowers the confidence of its field."""


def field_at(value: str, cell: Cell, confidence: float) -> Field:
    """Return a field with its place. A value cannot be surer than the reader was of its words."""
    if cell.confidence < SURE_READING:
        confidence = min(confidence, cell.confidence)
    return Field(value, round(confidence, 3), cell.page, cell.box, cell.text)


def decimal_text(value: Decimal) -> str:
    """Return an amount as a decimal string with at least two decimals."""
    places = max(2, -int(value.as_tuple().exponent))
    trimmed = value.quantize(Decimal(1).scaleb(-places))
    while places > 2 and str(trimmed).endswith("0"):  # noqa: PLR2004
        places -= 1
        trimmed = trimmed.quantize(Decimal(1).scaleb(-places))
    return str(trimmed)
