"""Reads a DOCX that is made of pictures, as scanning apps write it: each picture is a page, read by OCR."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from docx.oxml.ns import qn

from files.domain.document import Page
from files.reading import ocr_on_demand, pictures
from files.reading.file_type import IMAGES, media_type
from files.reading.limits import ReadLimits
from files.reading.refusal import Refused
from files.reading.steps import Steps

PICTURE, EMBEDDED = qn("a:blip"), qn("r:embed")
SMALLEST_SIDE = 300
"""Pixels. A smaller picture is a logo or a signature, not a page."""


def read(opened: Any, limits: ReadLimits, steps: Steps, notices: set[str]) -> Iterator[Page]:
    """Yield a page for each picture of an opened document, in its order; those of other types are left out."""
    found = [opened.part.related_parts.get(each.get(EMBEDDED)) for each in opened.element.body.iter(PICTURE)]
    blobs = [part.blob for part in found if part is not None]
    with TemporaryDirectory() as folder:
        for number, blob in enumerate(blobs, start=1):
            path = Path(folder) / f"{number}"
            path.write_bytes(blob)
            for picture, covered in _read(path, limits, steps, number):
                if not covered:
                    notices.add("script_not_supported")
                yield picture
            steps.on_page(number, len(blobs))


def _read(path: Path, limits: ReadLimits, steps: Steps, number: int) -> Iterator[tuple[Page, bool]]:
    """Yield what a picture says, and whether its script is one that the models carry; nothing for a small one."""
    try:
        kind = media_type(path, "")
    except Refused as refusal:
        if refusal.code != "type_not_allowed":
            raise
        return  # such as a drawing in a format of Windows, which is no scan
    if kind not in IMAGES.values():
        return
    for picture, _ in pictures.pages(path, kind, limits):
        if min(picture.size) >= SMALLEST_SIDE:
            steps.before_ocr()
            yield ocr_on_demand.read_page(picture, number)
