"""Find subjects whose grade was not read: rows of a table that have the place of a subject and no grade beside it."""

import re
from collections.abc import Iterator
from itertools import pairwise
from statistics import median

from files.extraction.folding import fold, fold_label
from files.extraction.layout import SAME_EDGE, Cell, Row
from files.extraction.transcripts.entries import Entry, is_header, is_header_row, is_subject
from files.extraction.transcripts.table import Block

REGULAR = 0.25
"""A row is a subject of its own if its distances differ by less than this share from the usual one."""
PART_OF_A_REPORT = re.compile(
    r"\b(?:courses?|grade|year|term|semester|trimester|quarter|curso|trimestre|semestre|evaluacion|eso|bachillerato"
    r"|klasse|halbjahr|subjects|materias|asignaturas|areas|electives|core|optativas|troncales)\b"
)
"""What headings between subjects say: "10th Course", "2º ESO", "Core subjects"."""


def without_grade(rows: list[Row], block: Block, graded: set[int]) -> list[Cell]:
    """Return the subjects of a block without a grade. `graded`: the rows of subjects that have one."""
    inside = {entry.row for entry in block.entries}
    lost = [
        entry.subject
        for entry in block.entries
        if entry.row not in graded and entry.row > min(graded) and not _is_heading(entry.subject)
    ]
    return lost + [cell for number, cell in _lone(rows, block) if number not in inside]


def _lone(rows: list[Row], block: Block) -> Iterator[tuple[int, Cell]]:
    """Yield the texts between two entries that stand like a subject, as far from the rows around as these are apart."""
    pitch = _pitch(block.entries)
    if pitch is None:
        return
    used = {id(token) for entry in block.entries for token in entry.subject.tokens}
    for one, two in pairwise(block.entries):
        if two.subject.page != one.subject.page:
            continue
        count = round((_y(two.subject) - _y(one.subject)) / pitch)
        for number in range(one.row + 1, two.row):
            if is_header_row(rows[number]):
                continue
            for cell in rows[number].cells:
                steps = (_y(cell) - _y(one.subject)) / pitch
                regular = abs(steps - round(steps)) < REGULAR and 1 <= round(steps) < count
                is_used = any(id(token) in used for token in cell.tokens)
                if regular and not is_used and _stands_like(cell, one.subject):
                    yield number, cell


def _stands_like(cell: Cell, subject: Cell) -> bool:
    """Return whether a text can be a subject as the one above. A heading between subjects is larger or in capitals."""
    same_edge = cell.page == subject.page and abs(cell.box.x0 - subject.box.x0) < SAME_EDGE
    in_capitals = cell.text.isupper() and not subject.text.isupper()
    return (
        same_edge
        and not in_capitals
        and not _is_heading(cell)
        and is_subject(cell)
        and not is_header(fold_label(cell.text))
    )


def _is_heading(cell: Cell) -> bool:
    return PART_OF_A_REPORT.search(fold(cell.text)) is not None


def _pitch(entries: list[Entry]) -> float | None:
    """Return the usual distance of two rows that follow one another."""
    distances = [_y(two.subject) - _y(one.subject) for one, two in pairwise(entries) if _follows(one, two)]
    return median(distances) if distances else None


def _follows(one: Entry, two: Entry) -> bool:
    return two.subject.page == one.subject.page and _y(two.subject) > _y(one.subject)


def _y(cell: Cell) -> float:
    return (cell.box.y0 + cell.box.y1) / 2
