"""Read receipts and invoices into fields."""

import datetime as dt
import re
from dataclasses import dataclass, replace

from babel import Locale, UnknownLocaleError

from files.domain.document import Document
from files.domain.finding import Field, Finding, Hints
from files.extraction.amounts import Mark, decimal_mark
from files.extraction.dates import is_doubtful, order_of_country, order_of_currency
from files.extraction.fields import decimal_text, field_at
from files.extraction.folding import fold
from files.extraction.labels import find_labelled, first_text, labels
from files.extraction.layout import Row, rows_of
from files.extraction.origin import Origin, origin_of
from files.extraction.people import students_in
from files.extraction.receipts.addressee import find_addressee
from files.extraction.receipts.attached import finding_of
from files.extraction.receipts.einvoice import UnreadableInvoiceError, read_einvoice
from files.extraction.receipts.issued import choose_date
from files.extraction.receipts.items import find_items
from files.extraction.receipts.merchant import find_merchant
from files.extraction.receipts.money import find_money
from files.extraction.receipts.reference import find_reference
from files.extraction.receipts.several import holds_several
from files.extraction.receipts.totals import Choice, Ledger, choose_total
from files.extraction.words import words

ROWS_OF_PAYER = 5
NOT_A_REFUND = re.compile(
    r"\b(?:no|not|non|policy|within|kein|keine|pas|only|without|exchange|condition|conditions|days|please|for)\b"
)
MAX_TITLE_WORDS = 4


@dataclass(slots=True)
class Parts:
    """What is collected while a receipt is read."""

    fields: dict[str, Field]
    reasons: list[str]


def read_receipt(document: Document, hints: Hints) -> Finding:
    """Return the fields of a receipt or an invoice: of the electronic invoice inside it, else of its page."""
    if not document.attachments:
        return _read_page(document, hints)
    try:
        found = finding_of(read_einvoice(document.attachments[0]), document)
    except UnreadableInvoiceError:
        page = _read_page(document, hints)
        return replace(page, reasons=(*page.reasons, "attachment_unreadable"))
    date = dt.date.fromisoformat(found.fields["date"].value)
    doubts = ("doubtful_date",) if is_doubtful(date, hints.uploaded_on) else ()
    return replace(found, reasons=(*found.reasons, *doubts))


def _read_page(document: Document, hints: Hints) -> Finding:
    rows = rows_of(document)
    origin = origin_of(rows, hints)
    parts = Parts({}, [])
    mark = decimal_mark(row.text for row in rows) or _mark_of_school(hints)
    items = _read_amounts(rows, mark, origin, parts)
    _read_date(rows, origin, hints, parts)
    _read_names(rows, parts)
    if holds_several(rows, mark):
        parts.reasons.append("several_documents")
    return Finding("payment_receipt", parts.fields, tuple(items), tuple(dict.fromkeys(parts.reasons)))


def _mark_of_school(hints: Hints) -> Mark | None:
    """Return the decimal mark of the school's country, from CLDR."""
    if hints.country is None:
        return None
    try:
        symbols = Locale.parse(f"und_{hints.country.upper()}").number_symbols["latn"]
    except (UnknownLocaleError, ValueError):
        return None
    return "," if symbols["decimal"] == "," else "."


def _read_amounts(rows: list[Row], mark: Mark | None, origin: Origin, parts: Parts) -> list[dict[str, Field]]:
    money = find_money(rows, mark)
    items = find_items(rows, money, mark)
    ledger = Ledger(money, [item.amount for item in items])
    chosen = choose_total(ledger)
    if chosen is not None:
        _put_amounts(ledger, chosen, parts)
        refund = _is_refund(rows, chosen)
        if refund:
            parts.fields["refund"] = Field("true", 0.95)
            parts.reasons.append("refund")
        if items and chosen.checks == 0 and len(items) > 1:
            parts.reasons.append("sum_mismatch")
    if origin.currency is not None:
        sure = origin.currency_confidence
        parts.fields["currency"] = (
            Field(origin.currency, sure) if chosen is None else field_at(origin.currency, chosen.money.cell, sure)
        )
    return [item.fields for item in items]


def _put_amounts(ledger: Ledger, chosen: Choice, parts: Parts) -> None:
    amount = chosen.money
    if amount.amount.ambiguous:
        parts.reasons.append("ambiguous_amount")
    field = field_at(decimal_text(amount.value), amount.cell, chosen.confidence)
    parts.fields["amount"] = field
    before = ledger.before(amount.value)
    parts.fields["total"] = (
        field if before is None else field_at(decimal_text(before.value), before.cell, chosen.confidence)
    )
    discount = ledger.discount(amount.value)
    if discount is not None:
        parts.fields["discount"] = field_at(decimal_text(abs(discount.value)), discount.cell, chosen.confidence)
    payable = ledger.of("payable")
    parts.fields["payable"] = (
        field_at(decimal_text(payable[-1].value), payable[-1].cell, chosen.confidence) if payable else field
    )


def _is_refund(rows: list[Row], chosen: Choice) -> bool:
    """Return whether money went back: a negative total, a total of a refund, or a title that says so."""
    if chosen.money.value < 0 or chosen.money.kind == "refund":
        return True
    names = labels("totals", "refund")
    for row in rows:
        folded = fold(row.text)
        words = folded.split()
        if (
            len(words) <= MAX_TITLE_WORDS
            and not NOT_A_REFUND.search(folded)
            and any(f" {name} " in f" {folded} " for name in names)
        ):
            return True
    return False


def _read_date(rows: list[Row], origin: Origin, hints: Hints, parts: Parts) -> None:
    order = order_of_country(hints.country) or order_of_country(origin.country) or order_of_currency(origin.currency)
    chosen = choose_date(rows, order)
    if chosen is None:
        return
    parts.fields["date"] = field_at(chosen.date.value.isoformat(), chosen.cell, chosen.confidence)
    if chosen.date.ambiguous:
        parts.reasons.append("ambiguous_date")
    if is_doubtful(chosen.date.value, hints.uploaded_on):
        parts.reasons.append("doubtful_date")


def _is_payer(text: str) -> bool:
    """Return whether a text can name who paid: no number, and no means of payment."""
    return not any(character.isdigit() for character in text) and fold(text) not in words("means")


def _read_names(rows: list[Row], parts: Parts) -> None:
    payer = first_text(hit for hit in find_labelled(rows, "payer") if _is_payer(hit.text))
    payer_rows: set[int] = set()
    if payer is not None:
        parts.fields["payer"] = field_at(payer.text, payer.value, 0.9 * payer.strength)
        payer_rows = set(range(payer.row, payer.row + ROWS_OF_PAYER))
    merchant = find_merchant(rows, payer_rows)
    if merchant is not None:
        parts.fields["merchant"] = field_at(merchant.name, merchant.cell, merchant.confidence)
        if payer is None and (addressee := find_addressee(rows, merchant.row)) is not None:
            parts.fields["payer"] = addressee
    reference = find_reference(rows)
    if reference is not None:
        parts.fields["reference"] = reference
    students = students_in(rows)
    for number, student in enumerate(students):
        parts.fields["student" if number == 0 else f"student_{number + 1}"] = student
    if len(students) > 1:
        parts.reasons.append("several_students")
