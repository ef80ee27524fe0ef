"""Take the fields of an attached electronic invoice, and compare them with what the page says."""

from decimal import Decimal

from rapidfuzz import fuzz

from files.domain.document import Document
from files.domain.finding import Field, Finding
from files.extraction.amounts import decimal_mark, find_amounts
from files.extraction.dates import find_dates
from files.extraction.fields import decimal_text
from files.extraction.folding import fold
from files.extraction.layout import Cell, Row, rows_of
from files.extraction.receipts.einvoice import EInvoice, Line

SAME_NAME = 70


def finding_of(invoice: EInvoice, document: Document) -> Finding:
    """Return the invoice's fields with confidence 1. Page and invoice that differ are a reason for a review."""
    rows = rows_of(document)
    paid = invoice.payable or invoice.total
    amount = -abs(paid) if invoice.is_credit_note else paid
    places = {
        "amount": _place_of_amount(rows, paid),
        "total": _place_of_amount(rows, invoice.total),
        "payable": _place_of_amount(rows, invoice.payable),
        "date": _place_of_date(rows, invoice),
        "merchant": _place_of_name(rows, invoice.seller),
    }
    values = {
        "amount": decimal_text(amount),
        "total": decimal_text(invoice.total),
        "payable": decimal_text(invoice.payable),
        "date": invoice.date.isoformat(),
        "merchant": invoice.seller,
        "currency": invoice.currency,
        "reference": invoice.number,
        "payer": invoice.buyer,
    }
    fields = {name: _field(value, places.get(name)) for name, value in values.items() if value}
    reasons = ["attachment_mismatch"] if any(places[name] is None for name in ("total", "date", "merchant")) else []
    if invoice.is_credit_note or invoice.total < 0:
        fields["refund"] = Field("true", 1.0)
        reasons.append("refund")
    return Finding("payment_receipt", fields, tuple(_row(line) for line in invoice.lines), tuple(reasons))


def _field(value: str, place: Cell | None) -> Field:
    return Field(value, 1.0) if place is None else Field(value, 1.0, place.page, place.box, place.text)


def _row(line: Line) -> dict[str, Field]:
    row = {"description": Field(line.description, 1.0), "amount": Field(decimal_text(line.amount), 1.0)}
    if line.quantity is not None:
        row["quantity"] = Field(line.quantity, 1.0)
    if line.unit_price is not None:
        row["unit_price"] = Field(line.unit_price, 1.0)
    return row


def _place_of_amount(rows: list[Row], value: Decimal) -> Cell | None:
    """Return the last place of an amount: a total stands below its parts."""
    mark = decimal_mark(row.text for row in rows)
    for row in reversed(rows):
        for amount in reversed(find_amounts(row.text, mark)):
            if abs(amount.value) == abs(value):
                return row.whole.part(amount.start, amount.end)
    return None


def _place_of_date(rows: list[Row], invoice: EInvoice) -> Cell | None:
    for row in rows:
        for order in ("DMY", "MDY"):
            for date in find_dates(row.text, order):
                if date.value == invoice.date:
                    return row.whole.part(date.start, date.end)
    return None


def _place_of_name(rows: list[Row], name: str) -> Cell | None:
    for row in rows:
        for cell in (*row.cells, row.whole):
            if fuzz.partial_ratio(fold(name), fold(cell.text)) >= SAME_NAME and len(fold(cell.text)) * 2 > len(
                fold(name)
            ):
                return cell
    return None
