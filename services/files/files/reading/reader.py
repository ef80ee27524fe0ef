"""From a path to a Document, by the type of its content. Runs inside the limited child."""

from collections.abc import Callable
from pathlib import Path

from files.domain.document import Document
from files.reading import picture_reader, text_reader
from files.reading.file_type import DOCX, IMAGES, PDF, XLSX, media_type
from files.reading.limits import ReadLimits
from files.reading.malware import refuse_infected_file
from files.reading.office import docx_reader, xlsx_reader
from files.reading.pdf import reader as pdf_reader
from files.reading.refusal import Refused
from files.reading.steps import Steps, nothing


def read_document(
    path: Path,
    *,
    declared_name: str,
    limits: ReadLimits,
    on_page: Callable[[int, int], None],
    before_ocr: Callable[[], None] = nothing,
) -> Document:
    """Read a file. Calls `before_ocr()` before each page that needs OCR, and `on_page(number, of)` after each page.

    Raises Refused with a code and what to do.
    """
    if path.stat().st_size > limits.file_bytes:
        megabytes = limits.file_bytes // 1_000_000
        raise Refused("too_large", f"The file is larger than {megabytes} MB. Send a smaller one, or a part of it.")
    refuse_infected_file(path)
    steps = Steps(on_page, before_ocr)
    kind = media_type(path, declared_name)
    if kind == PDF:
        return pdf_reader.read(path, limits, steps)
    if kind in IMAGES.values():
        return picture_reader.read(path, kind, limits, steps)
    if kind == DOCX:
        return docx_reader.read(path, limits, steps)
    if kind == XLSX:
        return xlsx_reader.read(path, limits)
    return text_reader.read(path, kind, limits)
