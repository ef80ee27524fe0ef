"""Reads a PDF: the safety walk first, then each page by its text layer, or by OCR where there is none."""

from pathlib import Path

import pypdfium2

from files.domain.document import Document, Page
from files.reading import ocr_on_demand
from files.reading.file_type import PDF
from files.reading.limits import ReadLimits
from files.reading.lines import PlacedText, group
from files.reading.malware import refuse_eicar, refuse_infected_streams
from files.reading.pdf import attachments, forms, page_content, rendering, safety, text_layer
from files.reading.pdf.forms import Rectangle
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
        refuse_infected_streams(path)
        safety.refuse_active(path)
        forms.refuse_unsupported(document)
        invoices = tuple(attachments.invoices(document))
        for index in range(count):
            page, fields = forms.flatten(document, index)
            pages.append(_page(page, fields, notices, steps, number=index + 1))
            page.close()
            steps.on_page(index + 1, count)
    return Document(PDF, tuple(pages), invoices, tuple(sorted(notices)))


def _page(page: pypdfium2.PdfPage, fields: list[Rectangle], notices: set[str], steps: Steps, *, number: int) -> Page:
    width, height = page.get_size()
    text = page.get_textpage()
    found = text_layer.words(page, text, fields)
    quarters = (text_layer.quarter_turns(text) + page.get_rotation() // 90) % 4
    text.close()
    _refuse_infected_text(found)
    if text_layer.is_text(found) and not page_content.is_picture(page, len(found)):
        turned = text_layer.turn(found, width, height, quarters)
        width, height = (height, width) if quarters % 2 else (width, height)
        return Page(number, width, height, group(turned, width, height), 90.0 * quarters)
    steps.before_ocr()
    result, covered = ocr_on_demand.read_page(rendering.render(page), number, (width, height))
    if not covered:
        notices.add("script_not_supported")
    return result


def _refuse_infected_text(found: list[PlacedText]) -> None:
    """Refuse a page that spells the test string: in the file its signs may be escaped or packed."""
    refuse_eicar("\n".join(word.text for word in found).encode(errors="replace"))
