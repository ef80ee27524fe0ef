"""Find the items of a receipt: rows with words and an amount, above the first total."""

from dataclasses import dataclass
from decimal import Decimal

from files.domain.finding import Field
from files.extraction.amounts import Mark, find_amounts
from files.extraction.dates import find_dates
from files.extraction.fields import decimal_text, field_at
from files.extraction.folding import trim
from files.extraction.layout import Cell, Row
from files.extraction.receipts.money import Money

MIN_LETTERS = 3
MAX_QUANTITY = 999


@dataclass(frozen=True, slots=True)
class Item:
    """One item; `fields` as a row of the finding."""

    amount: Decimal
    fields: dict[str, Field]


def find_items(rows: list[Row], money: list[Money], mark: Mark | None) -> list[Item]:
    """Return the items between the receipt's head and its first labelled amount."""
    by_row: dict[int, list[Money]] = {}
    for amount in money:
        by_row.setdefault(amount.row, []).append(amount)
    items: list[Item] = []
    for number in sorted(by_row):
        amounts = by_row[number]
        if amounts[0].kind is not None:
            if items and amounts[0].kind not in ("discount", "charge", "count", "card", "tendered"):
                break
            continue
        description = _description(rows, number, by_row)
        if description is not None:
            items.append(_item(rows[number], description, amounts, mark))
    return items


def _description(rows: list[Row], number: int, by_row: dict[int, list[Money]]) -> Cell | None:
    """Return the words of the item, which stand before its amounts or alone in the row above."""
    row, first = rows[number], by_row[number][0]
    if find_dates(row.text):
        return None
    before = row.text[: first.amount.start]
    if _letters(before) >= MIN_LETTERS:
        return row.whole.part(0, len(before.rstrip()))
    above = rows[number - 1] if number else None
    if above is None or number - 1 in by_row or above.page != row.page or _letters(above.text) < MIN_LETTERS:
        return None
    return above.whole


def _item(row: Row, description: Cell, amounts: list[Money], mark: Mark | None) -> Item:
    last = amounts[-1]
    confidence = 0.9 if not last.amount.ambiguous else 0.5
    fields = {
        "description": field_at(trim(description.text), description, 0.85),
        "amount": field_at(decimal_text(last.value), last.cell, confidence),
    }
    quantity = _quantity(row, amounts, mark)
    if quantity is not None:
        unit = last.value / quantity
        fields["quantity"] = field_at(str(quantity.normalize()), row.whole, 0.8)
        price = next((m for m in amounts[:-1] if abs(m.value - unit) < Decimal("0.01")), None)
        if price is not None:
            fields["unit_price"] = field_at(decimal_text(price.value), price.cell, confidence)
    return Item(last.value, fields)


def _quantity(row: Row, amounts: list[Money], mark: Mark | None) -> Decimal | None:
    """Return the number in the row that, times another amount of the row, is the item's amount."""
    last = amounts[-1].value
    prices = [money.value for money in amounts[:-1] if money.value] or [last]
    for number in find_amounts(row.text, mark):
        if 0 < number.value <= MAX_QUANTITY and any(
            abs(number.value * price - last) < Decimal("0.01") for price in prices
        ):
            return number.value
    return None


def _letters(text: str) -> int:
    return sum(character.isalpha() for character in text)
