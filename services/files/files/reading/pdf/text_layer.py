"""Reads words and their places from the text layer of a PDF page.

One character takes two calls into PDFium; there are thousands on a page, so the loop is plain and without objects.
"""

import ctypes
import math
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pypdfium2
from pypdfium2 import raw

from files.reading.lines import PlacedText
from files.reading.pdf.forms import Rectangle

HYPHENS = "\x02\ufffe"
"""PDFium returns these for a hyphen at the end of a line, and no line break: for the "-" of a grade B- too."""
SPACES = " \t\r\n\xa0\u2002\u2003\u3000\x00"
BREAKS = SPACES + HYPHENS
SAMPLED_ANGLES = 64
MEANINGFUL_SHARE = 0.7


def words(page: pypdfium2.PdfPage, text: pypdfium2.PdfTextPage, fields: list[Rectangle]) -> list[PlacedText]:
    """Return the words in points of the page as it is displayed, y downwards. `fields` are places of form fields."""
    to_display = _Display(page)
    return [
        PlacedText(word, *to_display.box(*box), source="field" if _is_inside(box, fields) else "layer")
        for word, box in _runs(text)
        if word
    ]


def _is_inside(box: Rectangle, fields: list[Rectangle]) -> bool:
    """Whether the centre of a word is in a form field."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return any(left <= x <= right and bottom <= y <= top for left, bottom, right, top in fields)


def is_text(found: list[PlacedText]) -> bool:
    """Whether a layer is text: letters and digits rather than characters without a meaning."""
    text = "".join(word.text for word in found)
    return sum(_has_meaning(character) for character in text) >= MEANINGFUL_SHARE * len(text)


def _has_meaning(character: str) -> bool:
    """Fonts without a table of their characters return replacement or private characters."""
    return unicodedata.category(character) not in {"Co", "Cn", "Cc", "Cs"} and character != "\ufffd"


def quarter_turns(text: pypdfium2.PdfTextPage) -> int:
    """Return by how many quarters most of the text is turned clockwise, in page space."""
    count = text.count_chars()
    step = max(1, count // SAMPLED_ANGLES)
    turns = Counter(
        round(raw.FPDFText_GetCharAngle(text, index) / (math.pi / 2)) % 4
        for index in range(0, count, step)
        if chr(raw.FPDFText_GetUnicode(text, index)) not in SPACES
    )
    return turns.most_common(1)[0][0] if turns else 0


def _runs(text: pypdfium2.PdfTextPage) -> Iterator[tuple[str, Rectangle]]:
    """Yield words with left, bottom, right, top in page space."""
    rectangle = raw.FS_RECTF()
    reference = ctypes.byref(rectangle)
    letters: list[str] = []
    left = bottom = math.inf
    right = top = -math.inf
    for index in range(text.count_chars()):
        letter = chr(raw.FPDFText_GetUnicode(text, index))
        if letter not in SPACES:
            letters.append("-" if letter in HYPHENS else letter)
            if raw.FPDFText_GetLooseCharBox(text, index, reference):
                left, right = min(left, rectangle.left), max(right, rectangle.right)
                bottom, top = min(bottom, rectangle.bottom), max(top, rectangle.top)
        if letters and letter in BREAKS:
            yield "".join(letters), (left, bottom, right, top)
            letters = []
            left = bottom = math.inf
            right = top = -math.inf
    if letters:
        yield "".join(letters), (left, bottom, right, top)


class _Display:
    """The way from page space (points, y upwards, before the page's rotation) to the displayed page."""

    def __init__(self, page: pypdfium2.PdfPage) -> None:
        self.left, self.bottom, self.right, self.top = page.get_bbox()
        self.rotation = page.get_rotation()

    def box(self, left: float, bottom: float, right: float, top: float) -> tuple[float, float, float, float]:
        match self.rotation:
            case 90:
                return bottom - self.bottom, left - self.left, top - self.bottom, right - self.left
            case 180:
                return self.right - right, bottom - self.bottom, self.right - left, top - self.bottom
            case 270:
                return self.top - top, self.right - right, self.top - bottom, self.right - left
            case _:
                return left - self.left, self.top - top, right - self.left, self.top - bottom


def turn(found: list[PlacedText], width: float, height: float, quarters: int) -> list[PlacedText]:
    """Turn words counter-clockwise by quarters, so that a text that runs sideways is upright."""
    match quarters % 4:
        case 1:
            return [replace(w, x0=w.y0, y0=width - w.x1, x1=w.y1, y1=width - w.x0) for w in found]
        case 2:
            return [replace(w, x0=width - w.x1, y0=height - w.y1, x1=width - w.x0, y1=height - w.y0) for w in found]
        case 3:
            return [replace(w, x0=height - w.y1, y0=w.x0, x1=height - w.y0, y1=w.x1) for w in found]
        case _:
            return found
