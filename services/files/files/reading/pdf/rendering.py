"""Draws PDF pages as pictures, within a budget of pixels: a page of 300 bytes can claim to be kilometres wide."""

import math
from pathlib import Path

import pypdfium2
from PIL import Image
from pypdfium2 import raw

from files.reading.limits import ReadLimits
from files.reading.pdf.opening import damaged, opened
from files.reading.pictures import refuse_large

OCR_DPI = 200
PIXEL_BUDGET = 8_000_000
POINTS_PER_INCH = 72
LONGEST_SIDE = 10_000
DEPTH = 4
"""Drawings inside drawings in which pictures are looked for."""
LIMITS = ReadLimits()


def render(page: pypdfium2.PdfPage, *, dpi: float = OCR_DPI, pixels: int = PIXEL_BUDGET) -> Image.Image:
    """Return the page as RGB, at most at `dpi` and with at most `pixels` pixels."""
    width, height = page.get_size()
    if not (width > 0 and height > 0 and math.isfinite(width * height)):
        raise damaged()
    _refuse_large_pictures(page)
    scale = min(dpi / POINTS_PER_INCH, math.sqrt(pixels / (width * height)), LONGEST_SIDE / max(width, height))
    if scale * min(width, height) < 1:
        raise damaged()
    image: Image.Image = page.render(scale=scale).to_pil().convert("RGB")
    return image


def _refuse_large_pictures(page: pypdfium2.PdfPage) -> None:
    """Refuse a page with a picture that would take minutes to unpack; its size stands before its content."""
    for picture in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=DEPTH):
        width, height = picture.get_px_size()
        refuse_large(width, height, LIMITS)


def first_page(path: Path, longest: int) -> Image.Image:
    """Draw the first page for a thumbnail of `longest` pixels."""
    with opened(path) as document:
        page = document[0]
        size = max(page.get_size())
        return render(page, dpi=POINTS_PER_INCH * longest / size, pixels=longest * longest)
