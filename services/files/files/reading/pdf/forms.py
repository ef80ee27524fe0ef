"""Values of form fields: PDFium draws and returns them only after the fields have become part of the page."""

import ctypes

import pypdfium2
from pypdfium2 import raw

from files.reading.refusal import Refused

Rectangle = tuple[float, float, float, float]
PLACEHOLDER = "please wait"


def refuse_unsupported(document: pypdfium2.PdfDocument) -> None:
    """Refuse a form whose pages are made by Adobe's own engine (dynamic XFA); others show "Please wait"."""
    if document.get_formtype() == raw.FORMTYPE_XFA_FULL or (
        document.get_formtype() == raw.FORMTYPE_XFA_FOREGROUND and _shows_placeholder(document)
    ):
        message = "This form only opens in Adobe Reader. Open it there, print it to a PDF, and send that PDF."
        raise Refused("unsupported_form", message)


def _shows_placeholder(document: pypdfium2.PdfDocument) -> bool:
    text = document[0].get_textpage()
    return PLACEHOLDER in text.get_text_range().lower()


def flatten(document: pypdfium2.PdfDocument, index: int) -> tuple[pypdfium2.PdfPage, list[Rectangle]]:
    """Return the page with its field values as text, and where the fields are (left, bottom, right, top)."""
    page = document[index]
    if not page.formenv:
        return page, []
    places = _fields(page)
    if not places:
        return page, []
    page.flatten()
    page.close()
    return document[index], places


def _fields(page: pypdfium2.PdfPage) -> list[Rectangle]:
    places: list[Rectangle] = []
    rectangle = raw.FS_RECTF()
    for index in range(raw.FPDFPage_GetAnnotCount(page)):
        annotation = raw.FPDFPage_GetAnnot(page, index)
        if raw.FPDFAnnot_GetSubtype(annotation) == raw.FPDF_ANNOT_WIDGET and raw.FPDFAnnot_GetRect(
            annotation, ctypes.byref(rectangle)
        ):
            places.append((rectangle.left, rectangle.bottom, rectangle.right, rectangle.top))
        raw.FPDFPage_CloseAnnot(annotation)
    return places
