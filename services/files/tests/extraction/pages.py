"""Lay out text as a document: a character is a place, so that columns of the text are columns of the page."""

import re

from files.domain.document import Attachment, Box, Document, Line, Page, Source, Word

WIDTH, HEIGHT = 600.0, 800.0
LINE, CHARACTER, TEXT_HEIGHT = 12.0, 5.0, 9.0


def document(*pages: str, source: Source = "layer", attachments: tuple[Attachment, ...] = ()) -> Document:
    """Return a document with one page for each text."""
    laid_out = tuple(page(text, number, source) for number, text in enumerate(pages, 1))
    return Document("application/pdf", laid_out, attachments)


def page(text: str, number: int = 1, source: Source = "layer") -> Page:
    rows = text.strip("\n").split("\n")
    lines = tuple(Line(words) for position, row in enumerate(rows) if (words := _words(row, position, source)))
    return Page(number, WIDTH, HEIGHT, lines)


def _words(row: str, position: int, source: Source) -> tuple[Word, ...]:
    top = 20 + position * LINE
    return tuple(
        Word(
            match.group(),
            Box(
                (10 + match.start() * CHARACTER) / WIDTH,
                top / HEIGHT,
                (10 + match.end() * CHARACTER) / WIDTH,
                (top + TEXT_HEIGHT) / HEIGHT,
            ),
            1.0,
            source,
        )
        for match in re.finditer(r"\S+", row)
    )
