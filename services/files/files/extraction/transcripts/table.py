"""Read subject and grade from tables, ruled or not: texts followed by values, values aligned in columns."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from files.extraction.folding import fold, fold_label, trim
from files.extraction.labels import labels
from files.extraction.layout import Cell, Row
from files.extraction.transcripts.grades import SCALE_RANGE, Grade, GradeType, parse_grade

YEAR = re.compile(r"(?:19|20)\d\d\s?[-/–]\s?(?:(?:19|20)\d\d|\d\d)|(?:19|20)\d\d")
TERM = re.compile(
    r"(?:first|second|third|fourth|1st|2nd|3rd|4th|fall|spring|summer|winter|full year"
    r"|s[12]|q[1-4]|t[1-3]|primer[oa]?|segund[oa]|tercer[oa]?|anual|ordinaria|extraordinaria|year)"
    r"(?: (?:semester|term|trimester|quarter|semestre|trimestre))?"
)
CODE = re.compile(r"[A-Z]{0,5}[-\s]?\d{2,6}[A-Z]?|[A-Z]{1,3}\d{1,4}|\d+\.")
MIN_LETTERS = 3
ALIGNED = 0.025
"""Cells whose middles (values) or left edges (subjects) differ by less than this share of the page are one column."""


@dataclass(frozen=True, slots=True)
class Value:
    """A cell that may be a grade, credits, a year level or a count."""

    cell: Cell
    grade: Grade

    @property
    def middle(self) -> float:
        """The cell's horizontal middle."""
        return (self.cell.box.x0 + self.cell.box.x1) / 2


@dataclass(slots=True)
class Entry:
    """A text with the values to its right, up to the next such text."""

    row: int
    subject: Cell
    values: list[Value] = field(default_factory=list)


def is_scale(row: Row) -> bool:
    """Tell whether a row explains grades ("A- 90-92", "9-10 Sobresaliente") instead of giving one."""
    without_years = YEAR.sub(" ", row.text)
    if not SCALE_RANGE.search(without_years):
        return False
    rest = SCALE_RANGE.sub(" ", without_years)
    return any(parse_grade(word) is not None for word in re.split(r"[\s:=,;|]+", rest) if word and not word.isdigit())


def entries_of(rows: list[Row]) -> list[Entry]:
    """Return the entries of all rows."""
    return [entry for number, row in enumerate(rows) if not is_scale(row) for entry in _in_row(number, row)]


def _in_row(number: int, row: Row) -> Iterator[Entry]:
    current: Entry | None = None
    for cell in row.cells:
        text = trim(cell.text)
        grade = parse_grade(cell.text)
        if grade is not None:
            if current is not None:
                current.values.append(Value(cell, grade))
        elif _is_subject(text) and not (current is not None and not current.values):
            if current is not None and current.values:
                yield current
            current = Entry(number, cell)
    if current is not None and current.values:
        yield current


def _is_subject(text: str) -> bool:
    if sum(character.isalpha() for character in text) < MIN_LETTERS:
        return False
    return not (YEAR.fullmatch(text) or TERM.fullmatch(fold(text)) or CODE.fullmatch(text))


def with_trailing_values(rows: list[Row]) -> list[Row]:
    """Return the rows with each grade close behind its subject as a cell of its own, where such grades align."""
    places = [_middle(cell) for row in rows for cell in row.cells if parse_grade(cell.text) is not None]
    places += [_middle(tail) for row in rows for cell in row.cells if (tail := _tail(cell)) is not None]
    return [Row(tuple(part for cell in row.cells for part in _parts(cell, places))) for row in rows]


def _parts(cell: Cell, places: list[float]) -> Iterator[Cell]:
    tail = _tail(cell)
    if tail is None or sum(abs(_middle(tail) - place) < ALIGNED for place in places) < 3:  # noqa: PLR2004
        yield cell
        return
    yield Cell(cell.tokens[: -len(tail.tokens)])
    yield tail


def _tail(cell: Cell) -> Cell | None:
    if len(cell.tokens) < 2 or parse_grade(cell.text) is not None:  # noqa: PLR2004
        return None
    last = cell.tokens[-1]
    grade = parse_grade(last.text)
    gap = last.box.x0 - cell.tokens[-2].box.x1
    if grade is None or (grade.type == "letter" and len(last.text) == 1 and gap <= 0) or last.text in {"I", "S"}:
        return None
    return Cell((last,))


def _middle(cell: Cell) -> float:
    return (cell.box.x0 + cell.box.x1) / 2


@dataclass(slots=True)
class Column:
    """Values of one block that stand below one another, with the header above them."""

    middle: float
    values: dict[int, Value]
    header: str = ""

    @property
    def type(self) -> GradeType:
        """The type of most values."""
        return Counter(value.grade.type for value in self.values.values()).most_common(1)[0][0]


@dataclass(slots=True)
class Block:
    """Entries whose subjects are aligned: one column of subjects with its columns of values."""

    page: int
    left: float
    entries: list[Entry]
    columns: list[Column] = field(default_factory=list)
    header: str = ""


def blocks_of(rows: list[Row], entries: list[Entry]) -> list[Block]:
    """Group entries by page and by the left edge of their subjects, and their values into columns."""
    blocks: list[Block] = []
    for entry in entries:
        box, page = entry.subject.box, entry.subject.page
        home = next((b for b in blocks if b.page == page and _overlaps(box.x0, box.x1, b)), None)
        if home is None:
            home = Block(page, box.x0, [])
            blocks.append(home)
        home.entries.append(entry)
    for block in blocks:
        block.columns = list(_columns(block, rows))
        block.header = _header(rows, block.entries[0].row, block.entries[0].subject, "subject")
    return blocks


def _overlaps(x0: float, x1: float, block: Block) -> bool:
    middle = (x0 + x1) / 2
    right = max(entry.subject.box.x1 for entry in block.entries)
    return abs(x0 - block.left) < ALIGNED or block.left - ALIGNED <= middle <= right


def _columns(block: Block, rows: list[Row]) -> Iterator[Column]:
    columns: list[Column] = []
    for entry in block.entries:
        for value in entry.values:
            home = next(
                (c for c in columns if abs(c.middle - value.middle) < ALIGNED and entry.row not in c.values), None
            )
            if home is None:
                home = Column(value.middle, {})
                columns.append(home)
            home.values[entry.row] = value
    for column in sorted(columns, key=lambda column: column.middle):
        first = min(column.values)
        column.header = _header(rows, first, column.values[first].cell, "grade")
        yield column


HEADER_NAMES = ("grade", "final", "term", "credits", "other", "subject", "comment")


def _header(rows: list[Row], row: int, cell: Cell, wanted: str) -> str:
    """Return the folded text of the nearest known header above a cell."""
    del wanted
    for above in reversed(rows[max(0, row - 40) : row]):
        if above.page != cell.page:
            break
        for other in above.cells:
            shared = min(other.box.x1, cell.box.x1) - max(other.box.x0, cell.box.x0)
            if shared > 0 and is_header(folded := fold_label(other.text)):
                return folded
    return ""


def is_header(folded: str) -> bool:
    """Tell whether a folded text is the header of a column."""
    return any(folded in labels("columns", name) for name in HEADER_NAMES)
