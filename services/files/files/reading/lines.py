"""Groups words into lines: top to bottom, and left to right within a line, also on a page that is slightly turned."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from files.domain.document import Box, Line, Source, Word

SAME_LINE = 0.5
"""Centres are on one line if their distance is below this share of the smaller height."""


@dataclass(frozen=True, slots=True)
class PlacedText:
    """A word with its place in units of its page (points or pixels), y downwards."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    confidence: float = 1.0
    source: Source = "layer"
    height: float = 0.0
    """Height of the letters, if it is not that of the box: the box of a slanted text is higher than the text."""


@dataclass(slots=True)
class _Row:
    centre: float
    height: float
    members: list[tuple[float, PlacedText]]


def group(words: Iterable[PlacedText], width: float, height: float, angle: float = 0.0) -> tuple[Line, ...]:
    """Return lines with boxes as fractions of the page. `angle` is that of the base lines, in radians, clockwise."""
    cosine, sine = math.cos(angle), math.sin(angle)
    placed = []
    for word in words:
        x, y = (word.x0 + word.x1) / 2, (word.y0 + word.y1) / 2
        across = (word.x0 if cosine > 0 else word.x1) if not angle else x * cosine + y * sine
        placed.append((y * cosine - x * sine, across, word))
    placed.sort(key=lambda item: item[0])
    rows: list[_Row] = []
    for centre, across, word in placed:
        tall = word.height or (word.y1 - word.y0)
        row = _row_of(rows, centre, tall)
        if row is None:
            rows.append(_Row(centre, tall, [(across, word)]))
            continue
        row.members.append((across, word))
        row.centre += (centre - row.centre) / len(row.members)
        row.height = max(row.height, tall)
    rows.sort(key=lambda row: row.centre)
    return tuple(Line(_words(row.members, width, height)) for row in rows)


def _row_of(rows: Sequence[_Row], centre: float, tall: float) -> _Row | None:
    """The nearest of the last rows whose centre is near enough. Words come from top to bottom."""
    recent = rows[-8:]
    near = [row for row in recent if abs(row.centre - centre) < SAME_LINE * min(tall, row.height)]
    return min(near, key=lambda row: abs(row.centre - centre), default=None)


def _words(members: list[tuple[float, PlacedText]], width: float, height: float) -> tuple[Word, ...]:
    members.sort(key=lambda item: item[0])
    return tuple(
        Word(
            word.text,
            Box(
                _fraction(word.x0, width),
                _fraction(word.y0, height),
                _fraction(word.x1, width),
                _fraction(word.y1, height),
            ),
            word.confidence,
            word.source,
        )
        for _, word in members
    )


def _fraction(value: float, whole: float) -> float:
    return round(min(1.0, max(0.0, value / whole)), 5) if whole else 0.0
