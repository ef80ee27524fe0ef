"""One sheet of a workbook, written so that nothing is lost without a word."""

import datetime as dt
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, get_args

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from reports.pages.directions import direction_of
from reports.pages.outline import Amount, Cell
from reports.pages.words import Words, decimal_places

MAX_TEXT = 32_767
"""Characters of a cell (Excel's limit)."""
MAX_NAME = 31
"""Characters of a sheet's name (Excel's limit)."""
EXACT_DIGITS = 15
"""Decimal digits that a number of Excel keeps."""
ILLEGAL = re.compile(r"[\[\]:*?/\\\x00-\x1f]")
READING_ORDERS = {"ltr": 1, "rtl": 2}
"""Reading orders of a cell (XlsxWriter). 0 leaves it to the program that shows the cell, and not each one finds it."""
DAY = "m/d/yy"
"""Excel's own short day: it is shown as the reader's Excel writes days."""
TEXT = "General"
TEXTS = frozenset({TEXT, DAY})
Heading = Literal["header", "number_header", "filter_header"]
Style = Heading | Literal["plain", "bold", "title", "day", "soft", "listed_number", "listed_text"]


HEADERS = frozenset(get_args(Heading))


class UnwritableCell(Exception):
    """XlsxWriter refused a cell."""


@dataclass(slots=True)
class Book:
    """A workbook that is being written: its formats, its sheets' names, and what was shortened."""

    workbook: Workbook
    words: Words
    color: str
    names: set[str] = field(default_factory=set)
    shortened: list[str] = field(default_factory=list)
    formats: dict[tuple[Style, str, int], Format] = field(default_factory=dict)

    def sheet(self, title: str) -> "Sheet":
        """Add a sheet with a legal name that no other sheet has."""
        worksheet = self.workbook.add_worksheet(self._free_name(title))
        if self.words.direction == "rtl":
            worksheet.right_to_left()
        return Sheet(self, worksheet)

    def format(self, style: Style, shape: str = TEXT, reading_order: int = 0) -> Format:
        """Return the format of a style with a number's shape; equal ones are one.

        Texts and days begin where their column does: by itself, Excel puts an Arabic name at its end.
        """
        key = (style, shape, reading_order)
        if key not in self.formats:
            color = {"bg_color": self.color} if style in HEADERS else {}
            side = {"align": "right" if self.words.direction == "rtl" else "left"} if shape in TEXTS else {}
            properties = color | side | STYLES[style] | {"num_format": shape, "reading_order": reading_order}
            self.formats[key] = self.workbook.add_format(properties)
        return self.formats[key]

    def _free_name(self, title: str) -> str:
        legal = ILLEGAL.sub(" ", title).strip(" '")[:MAX_NAME].rstrip(" '") or "-"
        name, number = legal, 2
        while name.casefold() in self.names | {"history"}:  # Excel keeps this name for itself
            end = f" {number}"
            name, number = legal[: MAX_NAME - len(end)] + end, number + 1
        self.names.add(name.casefold())
        return name


@dataclass(slots=True)
class Sheet:
    """Writes cells and looks at each return code."""

    book: Book
    worksheet: Worksheet

    def write(self, row: int, column: int, value: Cell, style: Style = "plain", *, code: bool = False) -> None:
        """Write a value: days and numbers as such, text never as a formula."""
        match value:
            case str():
                self._text(row, column, value, style, code=code)
            case None:
                return
            case Amount():
                self._number(row, column, value.value, style, money_shape(value.currency))
            case dt.date():
                self._check(self.worksheet.write_datetime(row, column, value, self.book.format("day", DAY)))
            case Decimal():
                self._number(row, column, value, style, "#,##0.00")
            case int():
                self._number(row, column, Decimal(value), style, "#,##0")

    def formula(self, row: int, column: int, formula: str, value: Decimal | int, style: Style, shape: str) -> None:
        """Write a formula with its result, for readers that do not calculate."""
        self._check(self.worksheet.write_formula(row, column, formula, self.book.format(style, shape), float(value)))

    def insert_picture(self, row: int, column: int, options: dict[str, Any]) -> None:
        """Insert a PNG from `image_data`."""
        self._check(self.worksheet.insert_image(row, column, "logo.png", options))

    def _text(self, row: int, column: int, value: str, style: Style, *, code: bool) -> None:
        if not value:
            return
        if len(value) > MAX_TEXT:
            self.book.shortened.append(self.worksheet.get_name())
            value = value[: MAX_TEXT - 1] + "…"
        direction = "ltr" if code else direction_of(value, self.book.words.direction)
        form = self.book.format(style, reading_order=READING_ORDERS[direction])
        self._check(self.worksheet.write_string(row, column, value, form))

    def _number(self, row: int, column: int, value: Decimal, style: Style, shape: str) -> None:
        if len(value.as_tuple().digits) > EXACT_DIGITS:
            self._text(row, column, str(value), style, code=True)
            return
        self._check(self.worksheet.write_number(row, column, float(value), self.book.format(style, shape)))

    def _check(self, code: int) -> None:
        if code != 0:
            raise UnwritableCell(f"XlsxWriter refused a cell of sheet {self.worksheet.get_name()!r} with code {code}")


def money_shape(currency: str) -> str:
    """Return the number format of amounts of a currency."""
    places = decimal_places(currency)
    return "#,##0." + "0" * places if places else "#,##0"


HEADER = {"bold": True, "font_color": "#ffffff", "text_wrap": True, "valign": "top"}
STYLES: dict[Style, dict[str, Any]] = {
    "plain": {"valign": "top"},
    "bold": {"bold": True},
    "title": {"bold": True, "font_size": 16},
    "header": HEADER,
    "number_header": HEADER | {"align": "right"},
    "filter_header": HEADER | {"align": "right", "indent": 2},  # beside the button that opens the filter
    "listed_number": {"valign": "top", "align": "right", "indent": 2},
    "listed_text": {"valign": "top", "text_wrap": True},
    "day": {"valign": "top"},
    "soft": {"font_color": "#555555"},
}
