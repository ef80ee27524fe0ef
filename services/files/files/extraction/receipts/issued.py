"""Choose the date of a receipt among all dates on it."""

import re
from dataclasses import dataclass

from files.extraction.dates import FoundDate, Order, find_dates
from files.extraction.folding import fold_label
from files.extraction.labels import labels
from files.extraction.layout import Cell, Row

TIME = re.compile(
    r"(?<!\d)(?:[01]?\d|2[0-3]):[0-5]\d|^[\s,/-]*(?:[01]?\d|2[0-3])\.[0-5]\d(?:[.:][0-5]\d|\s*(?:uhr|h\b|[ap]\.?m\b)|$)",
    re.IGNORECASE,
)
"""A time behind a date. With a point it is an amount, unless it stands alone or says that it is none."""
CLOSE = 1.0


@dataclass(frozen=True, slots=True)
class Dated:
    """A date with its place and how sure it is that the document is of that day."""

    date: FoundDate
    cell: Cell
    row: int
    score: float


@dataclass(frozen=True, slots=True)
class ChosenDate:
    """The date of a document."""

    date: FoundDate
    cell: Cell
    confidence: float


def choose_date(rows: list[Row], order: Order | None, name: str = "date") -> ChosenDate | None:
    """Return the date that its label, a time beside it, or its being the only one makes the document's."""
    order = order or _order_of_other_dates(rows)
    dated = [found for number in range(len(rows)) for found in _in_row(rows, number, order, name)]
    if not dated:
        return None
    ranked = sorted(dated, key=lambda found: (-found.score, found.row))
    best = ranked[0]
    rivals = [found for found in ranked if found.date.value != best.date.value and best.score - found.score < CLOSE]
    again = sum(found.date.value == best.date.value for found in ranked) > 1
    confidence = 0.96 if best.score >= 3 or again else 0.92 if best.score >= 1 else 0.88  # noqa: PLR2004
    if rivals:
        confidence = 0.85 if again and best.score >= 1 else 0.7
    if best.score < 0:
        confidence = 0.55
    if best.date.ambiguous:
        confidence = min(confidence, 0.55)
    return ChosenDate(best.date, best.cell, confidence)


def _order_of_other_dates(rows: list[Row]) -> Order | None:
    """Return the order that a date with a day above 12 shows: documents write all dates the same way."""
    for row in rows:
        for match in re.finditer(r"(?<!\d)(\d{1,2})[/.-](\d{1,2})[/.-](?:19|20)?\d\d(?!\d)", row.text):
            first, second = int(match[1]), int(match[2])
            if first > 12 >= second >= 1 and first <= 31:  # noqa: PLR2004
                return "DMY"
            if second > 12 >= first >= 1 and second <= 31:  # noqa: PLR2004
                return "MDY"
    return None


def _in_row(rows: list[Row], number: int, order: Order | None, name: str) -> list[Dated]:
    row = rows[number]
    dates = find_dates(row.text, order)
    found = []
    for date in dates:
        label = fold_label(row.text[max(0, date.start - 40) : date.start])
        above = "" if label or not number else _label_above(rows, number, row.whole.part(date.start, date.end))
        score = _label_score(label or above, name) + (1.5 if TIME.search(row.text[date.end : date.end + 14]) else 0)
        if len(dates) > 1:
            score -= 1.5
        found.append(Dated(date, row.whole.part(date.start, date.end), number, score))
    return found


def _label_above(rows: list[Row], number: int, cell: Cell) -> str:
    """Return the label of the column that the date stands in. A date above has its own; a list of dates has none."""
    below = rows[number + 1 : number + 2]
    if any(find_dates(other.text) for row in below for other in row.cells if _shares_column(other, cell)):
        return ""
    for row in reversed(rows[max(0, number - 2) : number]):
        for other in row.cells:
            if _shares_column(other, cell):
                return "" if find_dates(row.text) else fold_label(other.text)
    return ""


def _shares_column(one: Cell, other: Cell) -> bool:
    return min(one.box.x1, other.box.x1) > max(one.box.x0, other.box.x0)


def _label_score(label: str, name: str) -> float:
    """Return a score for the nearest label in front of a date: the longest known one that ends it."""
    own = _longest(label, labels("fields", name))
    other = _longest(label, labels("fields", "other_date"))
    if other and other >= own:
        return -2.0
    return 3.0 if own else 0.0


def _longest(label: str, names: tuple[str, ...]) -> int:
    last_words = " ".join(label.split()[-4:])
    return max((len(name) for name in names if f" {name} " in f" {last_words} "), default=0)
