"""Find what stands beside or below a printed label, whatever the form looks like."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

from files.extraction.folding import fold_label, most_alike, trim
from files.extraction.layout import SAME_EDGE, Cell, Row

BELOW = 3.5
"""A value is at most this many line heights below its label."""
FAR = 0.25
"""A cell that is further to the right, as a share of the page, more likely belongs to another column."""
MAX_LABEL_WORDS = 6
TIGHT = 1.2
"""A value that is closer than this to its label, in text heights, is a part of the same entry of a form."""
BELOW_IN_A_ROW_OF_LABELS, TIGHTLY_BELOW, LOOSELY_BELOW = 0.92, 0.86, 0.75
WITHOUT_COLON, WITHOUT_COLON_IN_A_FORM = 0.6, 0.86
"""A label and its value in one cell without a colon may be a phrase, unless the cells beside it do the same."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A value with the label that it belongs to. `strength`: 1 beside a colon, less if only the place says so."""

    value: Cell
    text: str
    label: str
    strength: float
    row: int


@cache
def labels(section: str, name: str) -> tuple[str, ...]:
    """Return the folded labels of a field, the longest first."""
    table = tomllib.loads(resources.files("files.extraction").joinpath("labels.toml").read_text(encoding="utf-8"))
    return tuple(sorted(set(table[section][name]), key=lambda label: (-len(label), label)))


@cache
def any_field_label() -> frozenset[str]:
    """Return every label of a field: a cell that is one of them is no value."""
    table = tomllib.loads(resources.files("files.extraction").joinpath("labels.toml").read_text(encoding="utf-8"))
    return frozenset(label for group in table["fields"].values() for label in group)


def is_label(text: str) -> bool:
    """Return whether a cell is a label and no value. "Media" alone is a value too: a severity."""
    folded = fold_label(text)
    if text.rstrip().endswith(":") or folded in labels("columns", "subject"):
        return True
    return folded in any_field_label() and folded not in labels("fields", "gpa")


def find_labelled(rows: list[Row], name: str, section: str = "fields") -> Iterator[Labelled]:
    """Yield the values that stand behind, beside or below one of the labels of a field, the surest first."""
    found = [hit for number, row in enumerate(rows) for hit in _in_row(rows, number, row, labels(section, name))]
    yield from sorted(found, key=lambda hit: (-hit.strength, hit.row))


def _in_row(rows: list[Row], number: int, row: Row, names: tuple[str, ...]) -> Iterator[Labelled]:
    is_form_row = sum(starts_with_label(cell.text) for cell in row.cells) > 1
    for position, cell in enumerate(row.cells):
        yield from _behind_colon(cell, names, number, is_form_row=is_form_row)
        if _label_of(cell.text.rstrip(" :."), names) is None:
            continue
        label, colon = fold_label(cell.text), cell.text.rstrip().endswith(":")
        beside, below = _beside(row, position), _below(rows, number, cell)
        if beside is not None and not is_label(beside.text):
            near = beside.box.x0 - cell.box.x1 < FAR
            yield Labelled(beside, trim(beside.text), label, 0.95 if colon else 0.85 if near else 0.6, number)
            if colon or near:
                continue
        if below is not None:
            yield Labelled(below, trim(below.text), label, _strength_below(row, cell, below), number)


def _behind_colon(cell: Cell, names: tuple[str, ...], number: int, *, is_form_row: bool) -> Iterator[Labelled]:
    """Yield "value" of "Label: value", also when several pairs share one cell."""
    for match in re.finditer(r"(?:^|\s)([^:;]{2,60}?)\s?[:\uff1a]\s*(\S.*)", cell.text):
        label = _label_at_end(match[1], names)
        if label is None:
            continue
        value = re.split(r"\s[^\s:]{2,20}(?:\s[^\s:]{2,20})?:\s", match[2])[0]
        start = match.start(2)
        yield Labelled(cell.part(start, start + len(value)), trim(value), label, 1.0, number)
        return
    first = [] if fold_label(cell.text) in any_field_label() else cell.text.split()
    for size in range(min(MAX_LABEL_WORDS, len(first) - 1), 0, -1):
        label = fold_label(" ".join(first[:size]))
        if label in any_field_label() and label not in names:
            return
        if label in names and ":" not in cell.text:
            start = len(" ".join(first[:size])) + 1
            value = cell.part(start, len(cell.text))
            strength = WITHOUT_COLON_IN_A_FORM if is_form_row else WITHOUT_COLON
            yield Labelled(value, trim(cell.text[start:]), " ".join(first[:size]), strength, number)
            return


def _label_at_end(text: str, names: tuple[str, ...]) -> str | None:
    """Return the label that a text ends with. "Date of incident" is the label of a date, not of an incident."""
    words = fold_label(text).split()
    endings = (" ".join(words[start:]) for start in range(len(words)))
    longest = next((ending for ending in endings if ending in any_field_label()), None)
    if longest in names:
        return longest
    return _label_of(text, names)


def _label_of(text: str, names: tuple[str, ...]) -> str | None:
    """Return the label that a whole cell is, allowing OCR a wrong letter in a long one."""
    folded = fold_label(text)
    size = folded.count(" ")
    if not folded or size >= MAX_LABEL_WORDS:
        return None
    if folded in any_field_label():
        return folded if folded in names else None
    return most_alike(folded, [name for name in names if name.count(" ") == size])


def starts_with_label(text: str) -> bool:
    """Return whether the first words of a text are the label of a field."""
    first = text.split()[:MAX_LABEL_WORDS]
    return any(fold_label(" ".join(first[:size])) in any_field_label() for size in range(1, len(first) + 1))


def _strength_below(row: Row, label: Cell, value: Cell) -> float:
    """Return how surely a value belongs to the label above it: most surely where the whole row is labels."""
    aligned = abs(value.box.x0 - label.box.x0) < SAME_EDGE
    if aligned and len(row.cells) > 1 and all(is_label(cell.text) for cell in row.cells):
        return BELOW_IN_A_ROW_OF_LABELS
    tight = value.box.y0 - label.box.y1 < TIGHT * (label.box.y1 - label.box.y0)
    return TIGHTLY_BELOW if aligned and tight else LOOSELY_BELOW


def _beside(row: Row, position: int) -> Cell | None:
    following = row.cells[position + 1 :]
    return next((cell for cell in following if trim(cell.text)), None)


def _below(rows: list[Row], number: int, label: Cell) -> Cell | None:
    """Return the cell that starts below the label, left-aligned with it or under its middle."""
    height = label.box.y1 - label.box.y0
    for row in rows[number + 1 : number + 4]:
        if row.page != label.page or row.box.y0 - label.box.y1 > BELOW * height:
            return None
        for cell in row.cells:
            overlap = min(cell.box.x1, label.box.x1) - max(cell.box.x0, label.box.x0)
            if overlap > 0 and trim(cell.text):
                return None if is_label(cell.text) else cell
    return None


def first_text(hits: Iterable[Labelled]) -> Labelled | None:
    """Return the surest value that has text."""
    return next((hit for hit in hits if hit.text), None)
