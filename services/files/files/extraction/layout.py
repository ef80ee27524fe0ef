"""Group the words of a page: a cell is words with usual spaces between, a row is cells on one base line."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count, pairwise

from files.domain.document import Box, Document, Page, Source, Word

CELL_GAP = 0.9
"""A gap wider than this share of the text's height starts another cell; a space is about 0.3 of it."""
RUN_GAP = 0.45
"""The same for two runs that OCR kept apart: it joins the words of a text itself."""
SAME_EDGE = 0.012
"""Edges that differ by less than this share of the page are one edge."""
TOUCHING = 0.01
PLAIN_TEXT_GAP = 1.5
SAME_ROW = 0.55
"""Lines that share this part of the smaller height are one row."""
_WIDE_SPACE = re.compile(r"\s{2,}|\t")


@dataclass(frozen=True, slots=True)
class Token:
    """A word without spaces."""

    text: str
    box: Box
    page: int
    confidence: float
    source: Source
    run: int = 0
    """The number of the reader's word that the token is a part of."""


@dataclass(frozen=True)
class Cell:
    """Neighbouring tokens of one row."""

    tokens: tuple[Token, ...]

    @cached_property
    def text(self) -> str:
        """The tokens, separated by one space."""
        return " ".join(token.text for token in self.tokens)

    @cached_property
    def box(self) -> Box:
        """The smallest rectangle around all tokens."""
        return around(token.box for token in self.tokens)

    @property
    def page(self) -> int:
        """The page's number, from 1."""
        return self.tokens[0].page

    @property
    def confidence(self) -> float:
        """How sure the reader is of its weakest token."""
        return min(token.confidence for token in self.tokens)

    def part(self, start: int, end: int) -> "Cell":
        """Return the tokens that hold the characters from `start` to `end` of `text`."""
        position, chosen = 0, []
        for token in self.tokens:
            if position < end and position + len(token.text) > start:
                chosen.append(token)
            position += len(token.text) + 1
        return Cell(tuple(chosen) or self.tokens)


@dataclass(frozen=True)
class Row:
    """Cells on one base line, from left to right."""

    cells: tuple[Cell, ...]

    @cached_property
    def text(self) -> str:
        """The cells, separated by one space."""
        return " ".join(cell.text for cell in self.cells)

    @cached_property
    def whole(self) -> Cell:
        """All tokens of the row as one cell: a place for each character of `text`."""
        return Cell(tuple(token for cell in self.cells for token in cell.tokens))

    @property
    def box(self) -> Box:
        """The smallest rectangle around all cells."""
        return self.whole.box

    @property
    def page(self) -> int:
        """The page's number, from 1."""
        return self.cells[0].page


def around(boxes: Iterable[Box]) -> Box:
    """Return the smallest rectangle around all boxes."""
    found = list(boxes)
    return Box(
        min(box.x0 for box in found),
        min(box.y0 for box in found),
        max(box.x1 for box in found),
        max(box.y1 for box in found),
    )


def rows_of(document: Document) -> list[Row]:
    """Return the rows of all pages, from top to bottom."""
    return [row for page in document.pages for row in _rows_of_page(page)]


def _rows_of_page(page: Page) -> Iterator[Row]:
    runs = count()
    lines = [tokens for line in page.lines if (tokens := [t for w in line.words for t in _tokens(w, page, next(runs))])]
    lines.sort(key=lambda tokens: _middle(around(token.box for token in tokens)))
    for group in _groups(lines):
        tokens = sorted((token for line in group for token in line), key=lambda token: token.box.x0)
        yield Row(tuple(_cells(tokens, page)))


def _groups(lines: list[list[Token]]) -> Iterator[list[list[Token]]]:
    """Yield the lines that share a base line and do not cover one another: label and amount are often two lines."""
    waiting: list[list[list[Token]]] = []
    for line in lines:
        box = around(token.box for token in line)
        home = next((group for group in reversed(waiting[-4:]) if _joins(box, group)), None)
        if home is None:
            waiting.append([line])
        else:
            home.append(line)
    yield from waiting


def _joins(box: Box, group: list[list[Token]]) -> bool:
    others = [around(token.box for token in line) for line in group]
    return all(_shared_height(box, other) >= SAME_ROW and _apart(box, other) for other in others)


def _shared_height(one: Box, other: Box) -> float:
    shared = min(one.y1, other.y1) - max(one.y0, other.y0)
    smaller = min(one.y1 - one.y0, other.y1 - other.y0)
    return shared / smaller if smaller > 0 else 0.0


def _apart(one: Box, other: Box) -> bool:
    return one.x1 <= other.x0 + 0.005 or other.x1 <= one.x0 + 0.005


def _middle(box: Box) -> float:
    return (box.y0 + box.y1) / 2


def _tokens(word: Word, page: Page, run: int) -> Iterator[Token]:
    """Yield the tokens of a run of words, each with its share of the run's width."""
    if word.source == "cell" and not _WIDE_SPACE.search(word.text.strip()):
        if text := word.text.strip():
            yield Token(text, word.box, page.number, word.confidence, word.source, run)
        return
    pattern = r"(?:(?!\s{2}|\t).)+" if word.source == "cell" else r"\S+"
    width, length = word.box.x1 - word.box.x0, max(len(word.text), 1)
    for match in re.finditer(pattern, word.text):
        if not match.group().strip():
            continue
        x0, x1 = (word.box.x0 + width * place / length for place in match.span())
        box = Box(x0, word.box.y0, x1, word.box.y1)
        yield Token(match.group().strip(), box, page.number, word.confidence, word.source, run)


def _cells(tokens: list[Token], page: Page) -> Iterator[Cell]:
    height = max(token.box.y1 - token.box.y0 for token in tokens) * page.height
    current = [tokens[0]]
    for before, token in pairwise(tokens):
        gap = (token.box.x0 - before.box.x1) * page.width
        if _separates(gap, height, before, token):
            yield Cell(tuple(current))
            current = []
        current.append(token)
    yield Cell(tuple(current))


def _separates(gap: float, height: float, before: Token, token: Token) -> bool:
    """Return whether a gap starts another cell. Cells of a table touch; a space of plain text is a letter wide."""
    if token.source == "cell":
        return gap < TOUCHING * height or gap > PLAIN_TEXT_GAP * height
    kept_apart = token.source == "ocr" and token.run != before.run
    return gap > (RUN_GAP if kept_apart else CELL_GAP) * height
