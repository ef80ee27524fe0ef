"""Compares what a PDF's text layer says with what its page shows, where a value was accepted from the layer.

A layer can lie: PDFium returns invisible, white and covered text too. So the place of every accepted amount, date and
name is read by OCR, and the place of every grade must show something.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pypdfium2
from anyascii import anyascii
from PIL import Image, ImageStat
from rapidfuzz import fuzz

from files.domain.document import Box, Document, Page, Word
from files.domain.finding import Field, Finding
from files.reading import ocr_on_demand
from files.reading.file_type import PDF
from files.reading.pdf import rendering
from files.reading.pdf.opening import opened

MISMATCH = "text_layer_mismatch"
NUMBERS = frozenset({"amount", "total", "payable", "date"})
NAMES = frozenset({"merchant", "payer", "student"})
SIMILAR = 70
"""Names count as the same from this share of equal letters: OCR drops accents and spaces."""
LOOKALIKES = str.maketrans("oöilsbzgq", "001158299")
"""Letters that OCR puts for digits, and 6 and 9 for q and g as far as they look alike."""
FAINTEST = 6.0
"""Standard deviation of grey, in 255 steps: below it a place is empty to the eye."""
PADDING = 0.15


@dataclass(frozen=True, slots=True)
class Claim:
    """A run of words on one line of the layer, as part of an accepted field."""

    field: str
    text: str
    box: Box


def verified(path: Path, document: Document, finding: Finding, before_ocr: Callable[[], None]) -> Finding:
    """Return the finding, with a reason for a review if the page shows something else. Other types have no layer."""
    if document.media_type != PDF:
        return finding
    claims = {page.number: list(_claims(page, finding)) for page in document.pages}
    if not any(claims.values()):
        return finding
    before_ocr()
    with opened(path) as pdf:
        for page in document.pages:
            if claims[page.number] and not _agrees(pdf[page.number - 1], page, claims[page.number]):
                return replace(finding, reasons=tuple(dict.fromkeys((*finding.reasons, MISMATCH))))
    return finding


def _claims(page: Page, finding: Finding) -> Iterator[Claim]:
    fields = [(name, field) for name, field in finding.fields.items() if name in NUMBERS | NAMES]
    fields += [("grade", row["grade"]) for row in finding.rows if "grade" in row]
    for name, field in fields:
        if field.page == page.number and field.box is not None:
            yield from _of_field(name, field, page)


def _of_field(name: str, field: Field, page: Page) -> Iterator[Claim]:
    assert field.box is not None
    for line in page.lines:
        words = [word for word in line.words if word.source in {"layer", "field"} and _is_inside(word, field.box)]
        if words:
            yield Claim(name, " ".join(word.text for word in words), _around(words))


def _is_inside(word: Word, box: Box) -> bool:
    x, y = (word.box.x0 + word.box.x1) / 2, (word.box.y0 + word.box.y1) / 2
    return box.x0 <= x <= box.x1 and box.y0 <= y <= box.y1


def _around(words: list[Word]) -> Box:
    boxes = [word.box for word in words]
    return Box(min(b.x0 for b in boxes), min(b.y0 for b in boxes), max(b.x1 for b in boxes), max(b.y1 for b in boxes))


def _agrees(drawn: pypdfium2.PdfPage, page: Page, claims: list[Claim]) -> bool:
    picture = rendering.render(drawn).rotate(90 * round(page.turned / 90), expand=True)
    cuttings = [_cut(picture, claim.box) for claim in claims]
    if any(ImageStat.Stat(cutting.convert("L")).stddev[0] < FAINTEST for cutting in cuttings):
        return False
    readable = [(claim, cutting) for claim, cutting in zip(claims, cuttings, strict=True) if claim.field != "grade"]
    shown = ocr_on_demand.read_lines([cutting for _, cutting in readable])
    return all(_is_same(claim, text) for (claim, _), text in zip(readable, shown, strict=True))


def _cut(picture: Image.Image, box: Box) -> Image.Image:
    width, height = picture.size
    margin = PADDING * (box.y1 - box.y0) * height
    left, right = box.x0 * width - 2 * margin, box.x1 * width + 2 * margin
    top, bottom = box.y0 * height - margin, box.y1 * height + margin
    return picture.crop((round(max(0, left)), round(max(0, top)), round(min(width, right)), round(min(height, bottom))))


def _is_same(claim: Claim, shown: str) -> bool:
    claimed = _plain(claim.text)
    seen = _plain(shown)
    if claim.field in NUMBERS and (digits := _digits(claim.text)):
        # Neighbours of the place may be in the cutting, such as a currency sign; the digits have to be there.
        return digits in _digits(shown)
    return not claimed or fuzz.partial_ratio(claimed, seen) >= SIMILAR


def _plain(text: str) -> str:
    return "".join(letter for letter in anyascii(text).lower() if letter.isalnum())


def _digits(text: str) -> str:
    """Return the digits of a number or a date; words in it, such as the name of a month, are left out."""
    parts = (part.translate(LOOKALIKES) if any(letter.isdigit() for letter in part) else "" for part in _parts(text))
    return "".join(letter for letter in "".join(parts) if letter.isdigit())


def _parts(text: str) -> list[str]:
    return anyascii(text).lower().replace("/", " ").replace(":", " ").split()
