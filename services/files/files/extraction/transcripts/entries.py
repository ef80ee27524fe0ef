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
CALL = re.compile(r"(?:extra)?ordinaria|(?:extra)?ordinario")
"""The call of an examination, in a column between subject and grade."""
CODE = re.compile(r"[A-Z]{0,5}[-\s]?\d{2,6}[A-Z]?|[A-Z]{1,3}\d{1,4}|\d+\.")
COURSE_CODE = re.compile(r"[A-Z]{2,5}-?\d{2,5}[A-Z]?|[A-Z]-?\d{3,5}|\d{3,6}")
HEADER_NAMES = ("grade", "points", "final", "term", "credits", "other", "subject", "comment")
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
    """Return whether a folded text is the header of a column."""
    return any(folded in labels("columns", name) for name in HEADER_NAMES)


def is_header_row(row: Row) -> bool:
    """Return whether a row holds the header of the subjects: then its other cells are headers too."""
    return any(fold_label(cell.text) in labels("columns", "subject") for cell in row.cells)


def entries_of(rows: list[Row]) -> list[Entry]:
    """Return the entries of all rows."""
    found: list[Entry] = []
    headers: list[Cell] = []
    for number, row in enumerate(rows):
        own = [cell for cell in row.cells if fold_label(cell.text) in labels("columns", "subject")]
        headers = own or headers
        found += _in_row(number, _without_scale(row), headers)
    return found


def _in_row(number: int, cells: list[Cell], headers: list[Cell]) -> Iterator[Entry]:
    """Yield the entries of a row. Of several texts in front of a value, the one below the subjects' header counts."""
    current: Entry | None = None
    for cell in cells:
        grade = parse_grade(cell.text)
        if grade is not None:
            if current is not None:
                current.values.append(Value(cell, grade))
        elif ends_entry(cell):
            if current is not None and current.values:
                yield current
            current = None
        elif is_subject(cell) and (current is None or current.values or _is_below(cell, headers, current.subject)):
            if current is not None and current.values:
                yield current
            current = Entry(number, cell)
    if current is not None and current.values:
        yield current


def _is_below(cell: Cell, headers: list[Cell], other: Cell) -> bool:
    """Return whether a header of subjects is above a cell and none above the other."""
    return any(_overlap(cell, header) for header in headers) and not any(_overlap(other, header) for header in headers)


def _overlap(one: Cell, other: Cell) -> bool:
    return min(one.box.x1, other.box.x1) - max(one.box.x0, other.box.x0) > 0


def ends_entry(cell: Cell) -> bool:
    """Return whether what follows a cell belongs to it and to no subject: a header, "Gender:", "Group", "1 = good"."""
    head, _, _ = cell.text.partition(":")
    if "=" in cell.text:
        return True
    if CALL.fullmatch(fold(cell.text)):
        return False
    return is_header(fold_label(cell.text)) or _is_form_label(fold_label(head)) or cell.text.strip() in {":", "-"}


def _is_form_label(folded: str) -> bool:
    return folded in any_field_label() or folded in labels("columns", "legend")


def subject_name(cell: Cell) -> str:
    """Return a subject without the year, the code or the marks in front of it and the dots that lead to its grade."""
    words = trim(cell.text).rstrip("._\u2026\u00b7 ").split(" ")
    while len(words) > 1 and (YEAR.fullmatch(words[0]) or COURSE_CODE.fullmatch(words[0]) or not words[0].strip("*|-")):
        words.pop(0)
    return " ".join(words)


def is_subject(cell: Cell) -> bool:
    """Return whether a text can be a subject: letters, and no year, term or code."""
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
    """Return whether only ranges and grades stand before a place, and a range directly."""
    return place == 1 and ranges[0]


def _is_range(cell: Cell) -> bool:
    """Return whether a cell is a range of marks, alone or with its grade. "Algebra 1-2" is a subject."""
    without_years = YEAR.sub(" ", cell.text)
    if not SCALE_RANGE.search(without_years):
        return False
    words = re.split(r"[\s:=,;|()]+", SCALE_RANGE.sub(" ", without_years))
    return all(parse_grade(word) is not None or not any(map(str.isalnum, word)) for word in words)
