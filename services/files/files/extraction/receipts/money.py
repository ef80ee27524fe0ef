"""Find the amounts of a receipt and the label that each stands beside."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache, lru_cache
from typing import Literal, get_args

from files.extraction.amounts import Amount, Mark, find_amounts
from files.extraction.folding import fold_label, longest_label
from files.extraction.labels import labels
from files.extraction.layout import Cell, Row

Kind = Literal[
    "payable", "rounded_total", "grand_total", "total", "subtotal", "tax", "rounding", "discount", "charge", "paid",
    "tendered", "card", "change", "count", "refund",
]  # fmt: skip
TOTALS: tuple[Kind, ...] = ("payable", "rounded_total", "grand_total", "total")
CENTS = 2
ROWS_BELOW = 2
"""An amount is at most this many rows below its label."""

MIN_JOINED = 8
"""Labels with fewer letters may be a part of another word."""
MIN_CELLS = 2
FORM_FIELDS = ("date", "reference", "payer", "payment_method", "student", "student_number", "merchant")
"""What forms ask for beside the amount. Tables of items have other headers: "Description", "Qty"."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount with its place and the kind of its label; `last` if no other amount is right of it in its row."""

    amount: Amount
    cell: Cell
    row: int
    kind: Kind | None
    label: str
    last: bool

    @property
    def value(self) -> Decimal:
        """The amount's value with its sign."""
        return self.amount.value


@cache
def _kinds() -> dict[str, Kind]:
    """Return the kind of each label; of equal ones the kind that is named first."""
    return {label: kind for kind in reversed(get_args(Kind)) for label in labels("totals", kind)}


@cache
def _by_size() -> dict[int, frozenset[str]]:
    sizes = {label.count(" ") + 1 for label in _kinds()}
    return {size: frozenset(label for label in _kinds() if label.count(" ") + 1 == size) for size in sizes}


@lru_cache(maxsize=8192)
def kind_of(label: str) -> Kind | None:
    """Return the kind of amount that the longest known label in a folded text announces.

    In "5 articles total" a count stands before the label of the amount.
    """
    found = _longest(label)
    if found is None:
        return None
    kind, behind = _kinds()[found], label.partition(found)[2].strip()
    return kind if kind != "count" or not behind else kind_of(behind) or kind


def _longest(label: str) -> str | None:
    """Return the longest known label in a text, also where OCR has dropped spaces: "totalexclgst" is no total."""
    found = longest_label(label, _by_size())
    letters = label.replace(" ", "")
    joined = (name for length, names in _joined() if length <= len(letters) for name in names)
    glued = next((name for name in joined if name in (letters[: len(name)], letters[-len(name) :])), None)
    if glued is None or (found is not None and len(found.replace(" ", "")) >= len(glued)):
        return found
    return _spaced()[glued]


@cache
def _spaced() -> dict[str, str]:
    """Return the long labels by their letters."""
    return {letters: label for label in _kinds() if len(letters := label.replace(" ", "")) >= MIN_JOINED}


@cache
def _joined() -> list[tuple[int, list[str]]]:
    """Return the letters of long labels by their number, the longest first."""
    lengths = sorted({len(letters) for letters in _spaced()}, reverse=True)
    return [(length, [letters for letters in _spaced() if len(letters) == length]) for length in lengths]


def find_money(rows: list[Row], mark: Mark | None) -> list[Money]:
    """Return the amounts of all rows. A label without an amount takes the amounts of the row below."""
    amounts = [find_amounts(row.text, mark) for row in rows]
    with_cents = any(amount.decimals == CENTS for row in amounts for amount in row)
    found = [
        list(_in_row(number, row, [amount for amount in amounts[number] if _is_price(amount, with_cents=with_cents)]))
        for number, row in enumerate(rows)
    ]
    labelled = [money for number in range(len(rows)) for money in _labelled(rows, found, number)]
    has_total = any(money.kind in TOTALS for money in labelled)
    return labelled if has_total else [_balance_to_pay(money, labelled) for money in labelled]


def _balance_to_pay(money: Money, others: list[Money]) -> Money:
    """Return what a receipt without a total calls its balance as what was to be paid, if just that was paid."""
    paid = {abs(other.value) for other in others if other.kind in ("card", "paid", "tendered")}
    is_balance = money.kind == "change" and "balance" in money.label.split() and money.value in paid
    return replace(money, kind="payable") if is_balance and money.value > 0 else money


def _is_price(amount: Amount, *, with_cents: bool) -> bool:
    """Return whether a number is an amount: in a document with cents, numbers without are counts and sizes."""
    return not with_cents or amount.decimals >= CENTS or bool(amount.currency) or amount.ambiguous


def _in_row(number: int, row: Row, amounts: list[Amount]) -> Iterator[Money]:
    """Yield the amounts of a row. Words between two amounts label the second: "TOTAL 26.60 CASH 30.00"."""
    text, label, position = row.text, "", 0
    labelled = []
    for amount in amounts:
        between = fold_label(text[position : amount.start])
        own = position == 0 or (between != "" and kind_of(between) is not None)
        label = between if own else label
        labelled.append((amount, label, own))
        position = amount.end
    for place, (amount, name, _) in enumerate(labelled):
        last = place + 1 == len(labelled) or labelled[place + 1][2]
        cell = row.whole.part(amount.start, amount.end)
        yield Money(amount, cell, number, kind_of(name) if name else None, name, last)


def _labelled(rows: list[Row], found: list[list[Money]], number: int) -> Iterator[Money]:
    """Yield the amounts of a row. The label of a form's cell stands above its amount; a row without words of its own
    takes the label of the row above.
    """
    above = _label_above(rows, found, number)
    for money in found[number]:
        heading = _heading(rows, found, money)
        if heading is not None:
            yield Money(money.amount, money.cell, money.row, kind_of(heading), heading, money.last)
        elif money.label or above is None:
            yield money
        else:
            yield Money(money.amount, money.cell, money.row, kind_of(above), above, money.last)


def _heading(rows: list[Row], found: list[list[Money]], money: Money) -> str | None:
    """Return the label above an amount if the row above holds the labels of a form and not the headers of a table."""
    above = rows[money.row - 1] if money.row else None
    if above is None or above.page != money.cell.page or len(above.cells) < MIN_CELLS or found[money.row - 1]:
        return None
    over = [cell for cell in above.cells if _is_over(cell, money.cell)]
    label = fold_label(over[0].text) if over else ""
    others = [fold_label(cell.text) for cell in above.cells if cell not in over]
    return label if label in _kinds() and all(other in _labels_of_forms() for other in others) else None


@cache
def _labels_of_forms() -> frozenset[str]:
    return frozenset(label for name in FORM_FIELDS for label in labels("fields", name))


def _is_over(label: Cell, value: Cell) -> bool:
    return min(label.box.x1, value.box.x1) > max(label.box.x0, value.box.x0)


def _label_above(rows: list[Row], found: list[list[Money]], number: int) -> str | None:
    for back in range(1, ROWS_BELOW + 1):
        row = number - back
        if row < 0 or rows[row].page != rows[number].page or found[row]:
            return None
        label = fold_label(rows[row].text)
        if label and kind_of(label) is not None:
            return label
    return None
