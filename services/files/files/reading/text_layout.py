"""Lays out text that has no places of its own: a character, or a cell of a table, has its share of the width."""

import re
from collections.abc import Iterable, Sequence

from files.domain.document import Box, Line, Page, Word

Row = str | Sequence[str]
"""A line of text, or the cells of a table's row."""
WORD = re.compile(r"\S+")
NARROWEST = 80
"""Characters of a line, at least."""


def as_page(rows: Iterable[Row], number: int) -> Page:
    """Return rows as a page, from top to bottom. Rows without text are left out."""
    filled = [_expanded(row) for row in rows]
    filled = [row for row in filled if any(part.strip() for part in row)]
    width = max([NARROWEST, *(len(row) for row in filled if isinstance(row, str))])
    height = len(filled) or 1
    lines = tuple(
        Line(tuple(_words(row, index / height, (index + 1) / height, width))) for index, row in enumerate(filled)
    )
    return Page(number, float(width), float(height), lines)


def _expanded(row: Row) -> Row:
    return row.expandtabs(8) if isinstance(row, str) else row


def _words(row: Row, top: float, bottom: float, width: int) -> Iterable[Word]:
    if isinstance(row, str):
        for found in WORD.finditer(row):
            box = Box(found.start() / width, top, found.end() / width, bottom)
            yield Word(found[0], box, source="cell")
        return
    for column, cell in enumerate(row):
        if text := cell.strip():
            yield Word(text, Box(column / len(row), top, (column + 1) / len(row), bottom), source="cell")
