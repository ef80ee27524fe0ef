"""Group the entries of a school report into blocks of one column of subjects, and their values into columns."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from files.extraction.folding import fold_label
from files.extraction.labels import labels
from files.extraction.layout import Cell, Row
from files.extraction.transcripts.entries import ALIGNED, Entry, Value, is_header, is_header_row
from files.extraction.transcripts.grades import GradeType

OVERLAP = 0.3
"""Values share a column if they overlap by this part of the narrower one."""
MAX_ROWS = 60
"""A header is at most this many rows above its values."""


@dataclass(slots=True)
class Column:
    """Values of one block that stand below one another, with the header above them."""

    values: dict[int, Value]
    header: str = ""

    @property
    def left(self) -> float:
        """The left edge of its first value."""
        return min(value.cell.box.x0 for value in self.values.values())

    def holds(self, value: Value) -> bool:
        """Return whether a value stands below the others: same middle, or within their left and right edges."""
        box = value.cell.box
        if any(abs(other.middle - value.middle) < ALIGNED / 2 for other in self.values.values()):
            return True
        right = max(other.cell.box.x1 for other in self.values.values())
        return min(right, box.x1) - max(self.left, box.x0) > OVERLAP * min(right - self.left, box.x1 - box.x0)

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
        block.header = _header(rows, block.entries[0].row, block.entries[0].subject)
    return blocks


def _overlaps(x0: float, x1: float, block: Block) -> bool:
    middle = (x0 + x1) / 2
    right = max(entry.subject.box.x1 for entry in block.entries)
    return abs(x0 - block.left) < ALIGNED or block.left - ALIGNED <= middle <= right


def _columns(block: Block, rows: list[Row]) -> Iterator[Column]:
    columns: list[Column] = []
    for entry in block.entries:
        for value in entry.values:
            home = next((c for c in columns if entry.row not in c.values and c.holds(value)), None)
            if home is None:
                home = Column({})
                columns.append(home)
            home.values[entry.row] = value
    for column in sorted(columns, key=lambda column: column.left):
        first = min(column.values)
        column.header = _header(rows, first, column.values[first].cell)
        yield column


def _header(rows: list[Row], row: int, cell: Cell) -> str:
    """Return the folded text above a cell in the nearest row that holds the header of a column."""
    for number in range(row - 1, max(0, row - MAX_ROWS) - 1, -1):
        above = rows[number]
        if above.page != cell.page:
            break
        name = _over(above, cell)
        if name and (is_header(name) or is_header_row(above)):
            return _with_first_line(name, rows, number, cell)
    return ""


def _with_first_line(name: str, rows: list[Row], number: int, cell: Cell) -> str:
    """Return a header with the line above it where "Grade" alone does not say which: "Target" / "Grade"."""
    above = rows[number - 1] if number else None
    first = _over(above, cell) if above is not None and above.page == cell.page else ""
    if not first or name not in labels("columns", "grade") or not (is_header(first) or is_header_row(rows[number - 1])):
        return name
    return f"{first} {name}" if is_header(f"{first} {name}") else first


def _over(row: Row, cell: Cell) -> str:
    """Return the folded text of a row above a cell."""
    over = (other for other in row.cells if min(other.box.x1, cell.box.x1) > max(other.box.x0, cell.box.x0))
    return next((fold_label(other.text) for other in over), "")
