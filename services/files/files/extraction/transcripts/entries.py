"""Read the rows of a school report: a text, and the values to its right up to the next such text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from files.extraction.folding import fold, fold_label, trim
from files.extraction.labels import any_field_label, labels
from files.extraction.layout import Cell, Row
from files.extraction.transcripts.grades import SCALE_RANGE, Grade, parse_grade

YEAR = re.compile(r"(?:19|20)\d\d\s?[-/–]\s?(?:(?:19|20)\d\d|\d\d)|(?:19|20)\d\d")
TERM = re.compile(
    r"(?:first|second|third|fourth|1st|2nd|3rd|4th|fall|spring|summer|winter|full year"
    r"|s[12]|q[1-4]|t[1-3]|primer[oa]?|segund[oa]|tercer[oa]?|anual|ordinaria|extraordinaria|year)"
    r"(?: (?:semester|term|trimester|quarter|semestre|trimestre))?"
)
CODE = re.compile(r"[A-Z]{0,5}[-\s]?\d{2,6}[A-Z]?|[A-Z]{1,3}\d{1,4}|\d+\.")
HEADER_NAMES = ("grade", "final", "term", "credits", "other", "subject", "comment")
MIN_LETTERS = 3
MIN_CAPITALS = 2
ALIGNED = 0.025
"""Cells whose middles (values) or left edges (subjects) differ by less than this share of the page are one column."""
MIN_ALIGNED = 3


@dataclass(frozen=True, slots=True)
class Value:
    """A cell that may be a grade, credits, a year level or a count."""

    cell: Cell
    grade: Grade

    @property
    def middle(self) -> float:
        """The cell's horizontal middle."""
        return middle(self.cell)


@dataclass(slots=True)
class Entry:
    """A text with the values to its right. `row` is the number of its row in the document."""

    row: int
    subject: Cell
    values: list[Value] = field(default_factory=list)


def middle(cell: Cell) -> float:
    """Return a cell's horizontal middle."""
    return (cell.box.x0 + cell.box.x1) / 2


def is_header(folded: str) -> bool:
    """Tell whether a folded text is the header of a column."""
    return any(folded in labels("columns", name) for name in HEADER_NAMES)


def entries_of(rows: list[Row]) -> list[Entry]:
    """Return the entries of all rows."""
    return [entry for number, row in enumerate(rows) for entry in _in_row(number, _without_scale(row))]


def _in_row(number: int, cells: list[Cell]) -> Iterator[Entry]:
    current: Entry | None = None
    for cell in cells:
        grade = parse_grade(cell.text)
        if grade is not None:
            if current is not None:
                current.values.append(Value(cell, grade))
        elif _ends_entry(cell):
            if current is not None and current.values:
                yield current
            current = None
        elif is_subject(cell) and not (current is not None and not current.values):
            if current is not None:
                yield current
            current = Entry(number, cell)
    if current is not None and current.values:
        yield current


def _ends_entry(cell: Cell) -> bool:
    """Tell whether what follows a cell belongs to that cell and to no subject: the header of a column, "Gender:"."""
    folded = fold_label(cell.text)
    head, colon, _ = cell.text.partition(":")
    return (
        is_header(folded) or (bool(colon) and fold_label(head) in any_field_label()) or cell.text.strip() in {":", "-"}
    )


def is_subject(cell: Cell) -> bool:
    """Tell whether a text can be a subject: letters, and no year, term or code."""
    text = trim(cell.text)
    letters = sum(character.isalpha() for character in text)
    if letters < MIN_CAPITALS or (letters < MIN_LETTERS and not text.isupper()):
        return False
    return not (YEAR.fullmatch(text) or TERM.fullmatch(fold(text)) or CODE.fullmatch(text))


def _without_scale(row: Row) -> list[Cell]:
    """Return the cells of a row without those that explain grades: "A-  90-92", "9-10 Sobresaliente"."""
    ranges = [_is_range(cell) for cell in row.cells]
    return [
        cell
        for place, cell in enumerate(row.cells)
        if not ranges[place]
        and not (parse_grade(cell.text) and (any(ranges[place + 1 : place + 2]) or _before(ranges, place)))
    ]


def _before(ranges: list[bool], place: int) -> bool:
    """Tell whether only ranges and grades stand before a place, and a range directly."""
    return place == 1 and ranges[0]


def _is_range(cell: Cell) -> bool:
    """Tell whether a cell is a range of marks, alone or with its grade. "Algebra 1-2" is a subject."""
    without_years = YEAR.sub(" ", cell.text)
    if not SCALE_RANGE.search(without_years):
        return False
    words = re.split(r"[\s:=,;|()]+", SCALE_RANGE.sub(" ", without_years))
    return all(parse_grade(word) is not None or not any(map(str.isalnum, word)) for word in words)


def with_trailing_values(rows: list[Row]) -> list[Row]:
    """Return the rows with each grade close behind its subject as a cell of its own, where such grades align."""
    places = [middle(cell) for row in rows for cell in row.cells if parse_grade(cell.text) is not None]
    places += [middle(tail) for row in rows for cell in row.cells if (tail := _tail(cell)) is not None]
    return [Row(tuple(part for cell in row.cells for part in _parts(cell, places))) for row in rows]


def _parts(cell: Cell, places: list[float]) -> Iterator[Cell]:
    tail = _tail(cell)
    if tail is None or sum(abs(middle(tail) - place) < ALIGNED for place in places) < MIN_ALIGNED:
        yield cell
        return
    yield Cell(cell.tokens[:-1])
    yield tail


def _tail(cell: Cell) -> Cell | None:
    """Return the last word of a cell if it is a grade. "Algebra I" and "Gender: F" have none."""
    if len(cell.tokens) < MIN_CAPITALS or parse_grade(cell.text) is not None:
        return None
    last, before = cell.tokens[-1], cell.tokens[-2]
    grade = parse_grade(last.text)
    if grade is None or before.text.endswith(":") or last.text in {"I", "S"}:
        return None
    return Cell((last,))
