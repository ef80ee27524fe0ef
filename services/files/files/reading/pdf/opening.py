"""Opens a PDF with PDFium. Only PDFium decides whether a password is needed or the file is damaged."""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import pypdfium2
from pypdfium2 import raw

from files.reading.refusal import Refused


@contextlib.contextmanager
def opened(path: Path, *, forms: bool = True) -> Iterator[pypdfium2.PdfDocument]:
    """Open a PDF; with `forms`, values of its form fields are drawn (PDFium wants this before the first page)."""
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if error.err_code == raw.FPDF_ERR_PASSWORD:
            message = "The PDF needs a password to be opened. Save it without a password and send it again."
            raise Refused("encrypted", message) from error
        raise damaged() from error
    try:
        if forms:
            with warnings.catch_warnings():
                # It warns that a form's XFA half is not loaded; the other half is what we read.
                warnings.simplefilter("ignore", pypdfium2.PdfiumWarning)
                document.init_forms()
        if len(document) == 0:
            raise damaged()
        yield document
    except pypdfium2.PdfiumError as error:
        raise damaged() from error
    finally:
        document.close()


def damaged() -> Refused:
    """The refusal of a PDF that cannot be read."""
    return Refused("corrupt", "The PDF is damaged or incomplete. Export it again and send it once more.")
