"""Reads a PDF: the safety walk first, then each page by its text layer, or by OCR where there is none."""

from pathlib import Path

import pypdfium2

from files.domain.document import Document, Page
from files.reading import ocr_on_demand
from files.reading.file_type import PDF
from files.reading.limits import ReadLimits
from files.reading.lines import group
from files.reading.pdf import rendering, text_layer
from files.reading.pdf.opening import opened
from files.reading.refusal import Refused
from files.reading.steps import Steps


def read(path: Path, limits: ReadLimits, steps: Steps) -> Document:
    """Read all pages."""
    notices: set[str] = set()
    pages = []
    with opened(path) as document:
        count = len(document)
        if count > limits.pages:
            raise Refused("too_many_pages", f"The PDF has {count} pages; at most {limits.pages} are read. Split it.")
        for index in range(count):
            page = document[index]
            pages.append(_page(page, index + 1, notices, steps))
            page.close()
            steps.on_page(index + 1, count)
    return Document(PDF, tuple(pages), (), tuple(sorted(notices)))


def _page(page: pypdfium2.PdfPage, number: int, notices: set[str], steps: Steps) -> Page:
    width, height = page.get_size()
    text = page.get_textpage()
    found = text_layer.words(page, text)
    quarters = (text_layer.quarter_turns(text) + page.get_rotation() // 90) % 4
    text.close()
    if text_layer.is_useful(found):
        turned = text_layer.turn(found, width, height, quarters)
        width, height = (height, width) if quarters % 2 else (width, height)
        return Page(number, width, height, group(turned, width, height), 90.0 * quarters)
    steps.before_ocr()
    result, covered = ocr_on_demand.read_page(rendering.render(page), number, (width, height))
    if not covered:
        notices.add("script_not_supported")
    return result
