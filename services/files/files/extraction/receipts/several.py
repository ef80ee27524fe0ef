"""Notice that one file holds several receipts: a second head with a total of its own."""

import re
from decimal import Decimal

from files.extraction.amounts import Mark
from files.extraction.folding import fold
from files.extraction.labels import find_labelled
from files.extraction.layout import Row
from files.extraction.receipts.money import TOTALS, Money, find_money
from files.extraction.receipts.names import clean_name, has_suffix

TITLE = re.compile(
    r"^(?:tax |cash |official |sales |fee |payment )?(?:receipt|invoice|bill)$"
    r"|^(?:rechnung|quittung|facture|recu|factura|recibo|fattura|ricevuta|factuur)$"
)


def holds_several(rows: list[Row], mark: Mark | None) -> bool:
    """Return whether two parts of a document each have a head (merchant, number) and a total of their own."""
    totals = [money for money in find_money(rows, mark) if money.kind in TOTALS]
    if len({money.value for money in totals}) < 2:  # noqa: PLR2004
        return False
    first_total = totals[0].row
    starts = [number for number, row in enumerate(rows) if number > first_total and _is_head(row, rows[:first_total])]
    return any(_differs(totals, start) and _own_numbers(rows, start) for start in starts)


def _is_head(row: Row, before: list[Row]) -> bool:
    folded = fold(row.text)
    if TITLE.match(folded):
        return True
    name = fold(clean_name(row.text))
    return has_suffix(row.text) and all(name != fold(clean_name(other.text)) for other in before)


def _differs(totals: list[Money], start: int) -> bool:
    before: set[Decimal] = {money.value for money in totals if money.row < start}
    after: set[Decimal] = {money.value for money in totals if money.row > start}
    return bool(before and after) and not after & before


def _own_numbers(rows: list[Row], start: int) -> bool:
    """Return whether both parts carry a reference of their own."""
    first = {hit.text for hit in find_labelled(rows[:start], "reference") if re.search(r"\d", hit.text)}
    second = {hit.text for hit in find_labelled(rows[start:], "reference") if re.search(r"\d", hit.text)}
    return bool(second) and bool(first) and not first & second
