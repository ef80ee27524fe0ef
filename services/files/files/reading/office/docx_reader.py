"""Reads the text of a DOCX: headers, paragraphs, tables and text boxes, in order, as one page.

A document with hardly any text is made of pictures, which are read by OCR.
"""

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import docx
from docx.opc.exceptions import OpcError
from docx.oxml.ns import qn
from lxml.etree import LxmlError

from files.domain.document import Document
from files.reading.file_type import DOCX
from files.reading.limits import ReadLimits
from files.reading.office import docx_pictures
from files.reading.office.archive import damaged, refuse_dangerous
from files.reading.steps import Steps
from files.reading.text_layout import Row, as_page

PARAGRAPH, TABLE, TABLE_ROW, CELL = qn("w:p"), qn("w:tbl"), qn("w:tr"), qn("w:tc")
TEXT, TAB, BREAK, BOX = qn("w:t"), qn("w:tab"), qn("w:br"), qn("w:txbxContent")
FEWEST_LETTERS = 20
"""A document with fewer is no document: a scanning app writes a title at most."""
DRAWN_AGAIN = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
"""The same content once more, for older programs."""


def read(path: Path, limits: ReadLimits, steps: Steps) -> Document:
    """Read a document. Deleted text of tracked changes is not part of it."""
    refuse_dangerous(path, limits)
    try:
        opened = docx.Document(str(path))
        rows = list(_rows(opened.element.body))
        headers = [section.header for section in opened.sections if not section.header.is_linked_to_previous]
        top = [row for header in headers for row in _rows(header.part.element)]
    except (OpcError, LxmlError, KeyError, ValueError, zipfile.BadZipFile, AttributeError) as error:
        raise damaged() from error
    notices: set[str] = set()
    scanned = tuple(docx_pictures.read(opened, limits, steps, notices)) if _letters(rows) < FEWEST_LETTERS else ()
    return Document(DOCX, scanned or (as_page([*top, *rows], 1),), (), tuple(sorted(notices)))


def _letters(rows: Iterable[Row]) -> int:
    """Count the letters and digits of rows."""
    cells = [cell for row in rows for cell in ([row] if isinstance(row, str) else row)]
    return sum(letter.isalnum() for cell in cells for letter in cell)


def _rows(element: Any) -> Iterator[Row]:
    """Yield paragraphs as text and table rows as cells; content controls are transparent."""
    for child in element:
        if child.tag == PARAGRAPH:
            yield from (line for line in _text(child).split("\n") if line.strip())
            for box in _boxes(child):
                yield from _rows(box)
        elif child.tag == TABLE:
            for row in child.iter(TABLE_ROW):
                yield [" ".join(_text(part) for part in cell.iter(PARAGRAPH)) for cell in row.iter(CELL)]
        elif child.tag not in {CELL, TABLE_ROW}:
            yield from _rows(child)


def _text(element: Any) -> str:
    parts = []
    for child in element:
        if child.tag == TEXT:
            parts.append(child.text or "")
        elif child.tag == TAB:
            parts.append("\t")
        elif child.tag == BREAK:
            parts.append("\n")
        elif child.tag not in {BOX, DRAWN_AGAIN}:
            parts.append(_text(child))
    return "".join(parts)


def _boxes(paragraph: Any) -> Iterator[Any]:
    for box in paragraph.iter(BOX):
        if not any(above.tag == DRAWN_AGAIN for above in box.iterancestors()):
            yield box
