"""`python -m services.reports.tests.pages.pictures FOLDER`: draws the pictures of docs/reports.md, all invented."""

import io
import sys
from dataclasses import replace
from pathlib import Path

import pypdfium2
from PIL import Image, ImageDraw

from reports.domain.suppression import share
from reports.pages.render import Report, render_pdf
from services.reports.tests.pages.samples import SCHOOL, empty_month, month, student

SCALE = 0.8
COLORS = 32
CORRECTED = replace(student().origin, replaces="demo-report-1", reason="a late grade in Art")


def draw_logo() -> bytes:
    """Return a hill, as PNG."""
    image = Image.new("RGB", (300, 200), "white")
    pen = ImageDraw.Draw(image)
    pen.ellipse((20, 60, 280, 340), fill="#1f3a5f")
    pen.ellipse((190, 20, 250, 80), fill="#d9a400")
    target = io.BytesIO()
    image.save(target, "PNG")
    return target.getvalue()


def pages() -> dict[str, tuple[Report, str, int]]:
    """Return name → report, language and page of each picture."""
    school = replace(SCHOOL, logo=draw_logo())
    wine = replace(SCHOOL, color="#7a1f3d")
    return {
        "month-en-1": (month(1000, school=school), "en", 0),
        "month-en-2": (month(1000, school=school), "en", 1),
        "month-share-en": (share(month(180, school=school), 10), "en", 0),
        "month-fr-list": (month(1000, school=school), "fr", 3),
        "month-ar": (month(1000, school=school), "ar", 0),
        "month-empty-de": (empty_month(), "de", 0),
        "student-en": (student(school=wine, origin=CORRECTED), "en", 0),
        "student-ar": (student("سارة مثال", school=wine), "ar", 0),
    }


def main() -> None:
    """Write the pictures."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, (report, language, at) in pages().items():
        page = pypdfium2.PdfDocument(render_pdf(report, language).content)[at]
        picture = page.render(scale=SCALE).to_pil().convert("RGB").quantize(COLORS)
        picture.save(folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
