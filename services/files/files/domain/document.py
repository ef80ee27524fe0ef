"""A document as text with places: what readers of every format return, and what extractors read."""

from dataclasses import dataclass, field
from typing import Literal

Source = Literal["layer", "ocr", "field", "cell", "attachment"]
"""Where a text comes from: the PDF's text layer, OCR, a form field, a cell or plain text, an attached invoice."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on a page, as fractions (0 to 1) of the page's width and height, from the top left corner."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Word:
    """A word, or a run of words that the reader did not separate. `confidence`: 0 to 1, and 1 if no OCR was needed."""

    text: str
    box: Box
    confidence: float = 1.0
    source: Source = "layer"


@dataclass(frozen=True, slots=True)
class Line:
    """Words on one base line, from left to right."""

    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        """The words, separated by one space."""
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class Page:
    """A page, upright. `width` and `height` are in PDF points, or in pixels for a picture; `turned` is in degrees.

    `number` starts at 1. Spreadsheets and CSV files have a page for each sheet, with the cells of a row as its words.
    """

    number: int
    width: float
    height: float
    lines: tuple[Line, ...] = ()
    turned: float = 0.0


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside a PDF that is read: an electronic invoice (`factur-x.xml`, `zugferd-invoice.xml`, …)."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Document:
    """All that a file says. `notices` are codes of what was tolerated on the way ("decoded_as_cp1252")."""

    media_type: str
    pages: tuple[Page, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    notices: tuple[str, ...] = field(default=())
