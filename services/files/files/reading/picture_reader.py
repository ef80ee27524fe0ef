"""Reads pictures by OCR: the pages of a TIFF, else one page."""

from pathlib import Path

from files.domain.document import Document
from files.reading import ocr_on_demand, pictures
from files.reading.limits import ReadLimits
from files.reading.steps import Steps


def read(path: Path, media_type: str, limits: ReadLimits, steps: Steps) -> Document:
    """Read each picture of the file."""
    notices: set[str] = set()
    pages = []
    for number, (picture, count) in enumerate(pictures.pages(path, media_type, limits), start=1):
        steps.before_ocr()
        page, covered = ocr_on_demand.read_page(picture, number)
        if not covered:
            notices.add("script_not_supported")
        pages.append(page)
        steps.on_page(number, count)
    return Document(media_type, tuple(pages), (), tuple(sorted(notices)))
