"""Join subjects that are printed on two lines, with their grade beside one of them or between them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from files.extraction.folding import fold_label
from files.extraction.layout import Cell, Row
from files.extraction.transcripts.entries import ALIGNED, Entry, Value, ends_entry, is_header, is_subject
from files.extraction.transcripts.grades import parse_grade

CLOSER = 0.8
"""A line belongs to a subject if it is closer to it than this share of the usual distance of two subjects."""
MOST = 2 / 3
"""If more subjects than this share have a second line, it is a comment."""
MOST_WORDS = 7
"""A line of more words is a sentence that goes on, and no part of a subject."""
MIN_ENTRIES = 4
LINES = 1.6
"""Two lines of one subject are at most this many text heights apart, from middle to middle."""


UNFINISHED = re.compile(r"(?:[,&-]|\b(?:and|y|e|und|et|de|of|of the))$")
Lines = tuple[Cell | None, Cell | None]
"""The lines above and below a subject that may be a part of it."""


@dataclass(frozen=True, slots=True)
class Spacing:
    """The usual distance of two subjects of a column of the page, and where the next such column begins."""

    pitch: float
    edge: float


def join_wrapped(rows: list[Row], entries: list[Entry]) -> None:
    """Add the first or second line of a subject to its entry, if that line is clearly closer than the next subject."""
    taken = {entry.row for entry in entries}
    around = _settled(entries, [_lines_around(rows, entries, entry, taken) for entry in entries])
    has_comments = sum(below is not None for _, below in around) > MOST * max(len(entries), MIN_ENTRIES)
    enclosed = sum(above is not None and below is not None for above, below in around) * 2 > len(entries)
    for entry, (above, below) in zip(entries, around, strict=True):
        parts = [None if enclosed else above, entry.subject, None if has_comments or enclosed else below]
        entry.subject = Cell(tuple(token for part in parts if part is not None for token in part.tokens))


def _settled(entries: list[Entry], around: list[Lines]) -> list[Lines]:
    """Give a line that two subjects could continue to one of them: by its words, else as the first subject has it."""
    settled = list(around)
    upwards = bool(around) and around[0][0] is not None
    for place, (one, two) in enumerate(pairwise(entries)):
        (above, line), (other, below) = settled[place], settled[place + 1]
        if line is None or line is not other:
            continue
        with_one, with_two = _goes_on(one.subject, line), _goes_on(line, two.subject)
        if with_two > with_one or (with_one == with_two and upwards):
            settled[place] = (above, None)
        else:
            settled[place + 1] = (None, below)
    return settled


def _goes_on(line: Cell, next_line: Cell) -> bool:
    """Return whether a text goes on in the next line: it begins small or with a bracket, or this ends with a comma."""
    return next_line.text[:1].islower() or next_line.text.startswith("(") or UNFINISHED.search(line.text) is not None


def _lines_around(rows: list[Row], entries: list[Entry], entry: Entry, taken: set[int]) -> Lines:
    """Return the lines above and below a subject that may be a part of it."""
    pitch = _pitch(entries, entry)
    if pitch is None:
        return None, None
    right = max(value.cell.box.x1 for value in entry.values)
    others = (e.subject.box.x0 for e in entries if e.subject.page == entry.subject.page)
    spacing = Spacing(pitch, min((left for left in others if left > right), default=1.0))
    return _continuation(rows, entry, -1, taken, spacing), _continuation(rows, entry, 1, taken, spacing)


def between_lines(rows: list[Row], entries: list[Entry]) -> list[Entry]:
    """Return entries for rows of values alone whose subject stands on the line above and the line below."""
    taken = {entry.row for entry in entries}
    return [
        entry for number in range(1, len(rows) - 1) if number not in taken for entry in _between(rows, number, taken)
    ]


def _between(rows: list[Row], number: int, taken: set[int]) -> Iterator[Entry]:
    row = rows[number]
    values = [Value(cell, grade) for cell in row.cells if (grade := parse_grade(cell.text)) is not None]
    if len(values) != len(row.cells) or {number - 1, number + 1} & taken:
        return
    above, below = _text_left_of(rows[number - 1], values[0]), _text_left_of(rows[number + 1], values[0])
    if above is not None and below is not None and abs(above.box.x0 - below.box.x0) < ALIGNED:
        yield Entry(number, Cell((*above.tokens, *below.tokens)), values)


def _text_left_of(row: Row, value: Value) -> Cell | None:
    cell = row.cells[0]
    close = abs(_y(cell) - _y(value.cell)) <= LINES * (cell.box.y1 - cell.box.y0)
    usable = is_subject(cell) and not is_header(fold_label(cell.text)) and not cell.text.rstrip().endswith(".")
    return cell if close and usable and cell.page == value.cell.page and cell.box.x1 <= value.cell.box.x0 else None


def _pitch(entries: list[Entry], entry: Entry) -> float | None:
    """Return the usual distance of two subjects in the column of an entry."""
    same = [e for e in entries if e.subject.page == entry.subject.page and _aligned(e.subject, entry.subject)]
    distances = [abs(_y(two.subject) - _y(one.subject)) for one, two in pairwise(same) if one.row != two.row]
    return median(distances) if distances else None


def _continuation(rows: list[Row], entry: Entry, step: int, taken: set[int], spacing: Spacing) -> Cell | None:
    number = entry.row + step
    if not 0 <= number < len(rows) or rows[number].page != entry.subject.page:
        return None
    first = entry.values[0].cell
    for cell in rows[number].cells:
        if not _aligned(cell, entry.subject) or cell.box.x1 > first.box.x0 or not is_subject(cell):
            continue
        if number in taken and parse_grade(rows[number].cells[-1].text) is not None and _has_value(rows[number], cell):
            return None
        distance = abs(_y(cell) - _y(entry.subject))
        close = distance < CLOSER * spacing.pitch and distance <= LINES * (cell.box.y1 - cell.box.y0)
        other = (
            ends_entry(cell)
            or _is_sentence(cell)
            or _is_title(cell, entry)
            or _has_text(rows[number], rows[entry.row], cell, spacing.edge)
        )
        return cell if close and not other else None
    return None


def _is_title(cell: Cell, entry: Entry) -> bool:
    """Return whether a line is the title of a part: in capitals, and the subject is not."""
    return cell.text.isupper() and not entry.subject.text.isupper()


def _has_text(row: Row, own: Row, cell: Cell, edge: float) -> bool:
    """Return whether a text stands beside a line before the `edge` of its column, where the subject's row has none."""
    beside = (other for other in row.cells if cell.box.x1 < other.box.x0 < edge)
    return any(not any(_aligned(other, part) for part in own.cells) for other in beside)


def _is_sentence(cell: Cell) -> bool:
    """Return whether a line is what a teacher says about the subject."""
    return cell.text.rstrip().endswith((".", "!")) or len(cell.text.split()) > MOST_WORDS


def _has_value(row: Row, cell: Cell) -> bool:
    following = row.cells[row.cells.index(cell) + 1 :]
    return bool(following) and parse_grade(following[0].text) is not None


def _aligned(one: Cell, other: Cell) -> bool:
    return abs(one.box.x0 - other.box.x0) < ALIGNED


def _y(cell: Cell) -> float:
    return (cell.box.y0 + cell.box.y1) / 2
