"""Find who issued a receipt: the firm or school in its head, above addresses, numbers and titles."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rapidfuzz import fuzz

from files.extraction.folding import fold
from files.extraction.labels import find_labelled
from files.extraction.layout import Cell, Row
from files.extraction.receipts.names import Surroundings, clean_name, has_suffix, is_name, score_name
from files.extraction.words import words

HEAD_ROWS = 14
JOIN_GAP = 2.5
"""Cells of a head are one name up to this gap in text heights: headlines are widely spaced."""
UNFINISHED = re.compile(r"(?:&|-|,|\b(?:and|y|und|et|of|the|de))$", re.IGNORECASE)
"""The end of a line that goes on in the next one."""
CONTINUED = re.compile(r"(?:&|and|und|et|y|e)\s+[A-Z]", re.IGNORECASE)
"""The beginning of a line that continues the one above."""
NUMBERED = re.compile(r"[#:]")
SAME_NAME = 75
ACCEPTED_SCORE = 5.0
MIN_SCORE = 0.0
CLOSE = 0.4
"""Two rows below one another differ by 0.45, for their place alone."""
FIRST = 4.0
"""The score of a name in the first row with nothing for it and nothing against it."""


@dataclass(frozen=True, slots=True)
class Merchant:
    """A name with its place and confidence."""

    name: str
    cell: Cell
    confidence: float
    row: int


def find_merchant(rows: list[Row], payer_rows: set[int]) -> Merchant | None:
    """Return the most plausible name in the head of the document."""
    ranked = rank_merchants(rows, payer_rows)
    if not ranked:
        return None
    score, best = ranked[0]
    rival = next(
        (points for points, other in ranked[1:] if fuzz.token_set_ratio(fold(other.name), fold(best.name)) < SAME_NAME),
        MIN_SCORE,
    )
    confidence = 0.93 if score >= ACCEPTED_SCORE else 0.84 if score >= 2.5 else 0.6  # noqa: PLR2004
    if score - rival < CLOSE or _is_below_another(ranked, best):
        confidence -= 0.2
    return Merchant(best.name, best.cell, confidence, best.row)


def _is_below_another(ranked: list[tuple[float, Merchant]], best: Merchant) -> bool:
    """Return whether another name without a flaw stands above the best one: a brand above its firm, or the reverse."""
    own = set(fold(best.name).split())
    return any(
        score >= FIRST and other.row == 0 and best.row > 0 and not own & set(fold(other.name).split())
        for score, other in ranked
    )


def rank_merchants(rows: list[Row], payer_rows: set[int]) -> list[tuple[float, Merchant]]:
    """Return the candidates with their scores, the best first."""
    page = Surroundings.of(rows, payer_rows)
    ranked = [
        (score_name(name, cell, number, page), Merchant(name, cell, 0.0, number))
        for number, cell in _candidates(rows)
        if is_name(name := clean_name(cell.text))
    ]
    ranked += [
        (4.0 * hit.strength + has_suffix(hit.text), Merchant(clean_name(hit.text), hit.value, 0.0, hit.row))
        for hit in find_labelled(rows, "merchant")
        if is_name(hit.text)
    ]
    return sorted((pair for pair in ranked if pair[0] > MIN_SCORE), key=lambda pair: -pair[0])


def _candidates(rows: list[Row]) -> Iterator[tuple[int, Cell]]:
    for number, row in enumerate(rows):
        head = number < HEAD_ROWS
        if not head and not has_suffix(row.text):
            continue
        for cell in _joined(row):
            yield number, _whole_name(rows, number, cell) if head else cell


def _joined(row: Row) -> Iterator[Cell]:
    """Yield the cells of a row, those with a small gap between as one."""
    group: list[Cell] = []
    for cell in row.cells:
        height = cell.box.y1 - cell.box.y0
        if group and (cell.box.x0 - group[-1].box.x1) > JOIN_GAP * height:
            yield Cell(tuple(token for part in group for token in part.tokens))
            group = []
        group.append(cell)
    yield Cell(tuple(token for part in group for token in part.tokens))


def _whole_name(rows: list[Row], number: int, cell: Cell) -> Cell:
    """Return the name with the row below if that goes on: "& BOOKS", "SDN BHD", "Markt GmbH", "WHOLESALE"."""
    if number + 1 >= len(rows) or has_suffix(cell.text) or not is_name(cell.text):
        return cell
    below = rows[number + 1]
    rest = fold(clean_name(below.text)).split()
    kinds = words("generic") | words("trade")
    is_kind = (
        bool(rest)
        and set(rest) <= kinds
        and NUMBERED.search(below.text) is None
        and (has_suffix(below.text) or not set(fold(cell.text).split()) & kinds)
    )
    goes_on = has_suffix(below.text) and UNFINISHED.search(cell.text) is not None
    if is_kind or (rest and goes_on) or CONTINUED.match(below.text):
        return Cell((*cell.tokens, *below.whole.tokens))
    return cell
