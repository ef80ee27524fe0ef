"""Reads the values that a spreadsheet program stored in an XLSX, one page for each visible sheet.

Formulas are not calculated. A formula without a stored value is a notice, and a reason for a person to look.
"""

import datetime as dt
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from files.domain.document import Document, Page
from files.reading.file_type import XLSX
from files.reading.limits import ReadLimits
from files.reading.office.archive import damaged, refuse_dangerous
from files.reading.refusal import Refused
from files.reading.text_layout import as_page

MISSING_VALUES = "missing_cell_values"
HIDDEN_SHEET = "hidden_sheet_skipped"
CURRENCY = re.compile(r'[€$£¥]|\[\$([^-\]]+)|"([^"]{1,4})"')
DECIMALS = re.compile(r"0\.(0+)")
UNREADABLE = (
    InvalidFileException,
    zipfile.BadZipFile,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    SyntaxError,
    EOFError,
)


def read(path: Path, limits: ReadLimits) -> Document:
    """Read all visible sheets."""
    refuse_dangerous(path, limits)
    try:
        # Opened files, since openpyxl refuses paths without its own extensions.
        with path.open("rb") as file, path.open("rb") as again:
            values = openpyxl.load_workbook(file, read_only=True, data_only=True)
            formulas = openpyxl.load_workbook(again, read_only=True, data_only=False)
            return _read(values, formulas, limits)
    except UNREADABLE as error:
        raise damaged() from error


def _read(values: Any, formulas: Any, limits: ReadLimits) -> Document:
    pages: list[Page] = []
    notices: set[str] = set()
    left = limits.cells
    for name in values.sheetnames:
        sheet = values[name]
        if not hasattr(sheet, "iter_rows"):
            continue  # a sheet with nothing but a chart
        if sheet.sheet_state != "visible":
            notices.add(HIDDEN_SHEET)
            continue
        rows = []
        for row, stored in zip(_rows(sheet), _rows(formulas[name]), strict=True):
            if not row and not stored:
                continue  # a gap, of a million rows if a cell at the very end was touched once
            left -= sum(cell.value is not None for cell in row)
            if left < 0:
                raise Refused("too_large", f"The tables have more than {limits.cells} cells. Send a part of them.")
            if any(cell.data_type == "f" and value.value is None for cell, value in zip(stored, row, strict=True)):
                notices.add(MISSING_VALUES)
            rows.append([_text(cell) for cell in row])
        pages.append(as_page(rows, len(pages) + 1))
    return Document(XLSX, tuple(pages), (), tuple(sorted(notices)))


def _rows(sheet: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the rows that exist. What a file claims as its dimensions may be wrong."""
    sheet.reset_dimensions()
    yield from sheet.iter_rows()


def _text(cell: Any) -> str:
    """Return a cell as a person sees it: with the decimals, the percent sign and the currency of its format."""
    match cell.value:
        case None:
            return ""
        case bool() as truth:
            return str(truth).upper()
        case dt.datetime() as moment if moment.time() == dt.time():
            return moment.date().isoformat()
        case dt.datetime() | dt.date() | dt.time() as moment:
            return moment.isoformat()
        case int() | float() as number:
            return _number(number, str(cell.number_format))
        case other:
            return " ".join(str(other).split())


def _number(number: float, pattern: str) -> str:
    first = pattern.partition(";")[0]
    decimals = DECIMALS.search(first)
    places = len(decimals[1]) if decimals else 0
    if "%" in first:
        return f"{number * 100:.{places}f}%"
    shown = f"{number:.{places}f}" if decimals else _plain(number)
    currency = CURRENCY.search(first)
    return f"{shown} {currency[1] or currency[2] or currency[0]}" if currency else shown


def _plain(number: float) -> str:
    """All digits that matter, without an exponent and without the noise of binary fractions."""
    return str(int(number)) if number == int(number) else f"{number:.10f}".rstrip("0")
