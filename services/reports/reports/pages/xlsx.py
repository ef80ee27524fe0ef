"""Draws an outline as an Excel workbook: a sheet of figures with charts, and a sheet for each list."""

import datetime as dt
import io

from xlsxwriter import Workbook

from reports.pages.colors import readable
from reports.pages.drawing import Drawing
from reports.pages.figure_sheet import write_figures
from reports.pages.outline import Column, Outline, Table
from reports.pages.sheets import Book, Style
from reports.pages.words import Words

WIDTHS = {"day": 12, "count": 10, "money": 14, "code": 14}
"""Columns of each kind, in characters; text is wider by its share."""
WIDEST = 60


def draw_xlsx(outline: Outline, words: Words) -> Drawing:
    """Draw a report as a workbook. Its creation time is the report's moment, so that the bytes stay the same."""
    target = io.BytesIO()
    workbook = Workbook(target, {"in_memory": True})
    workbook.set_properties(
        {
            "title": " · ".join(filter(None, (outline.title, outline.subject, words.period(outline.period)))),
            "company": outline.school.name,
            "created": outline.origin.as_of.astimezone(dt.UTC).replace(tzinfo=None),
        }
    )
    book = Book(workbook, words, readable(outline.school.color))
    write_figures(book, outline)
    for part in outline.parts:
        if isinstance(part, Table) and not part.whole:
            _write_list(book, part)
    workbook.close()
    warnings = tuple(f"a text in sheet {name!r} was shortened to Excel's 32,767 characters" for name in book.shortened)
    return Drawing(target.getvalue(), warnings)


def _write_list(book: Book, table: Table) -> None:
    sheet = book.sheet(table.title)
    for at, column in enumerate(table.columns):
        sheet.worksheet.set_column(at, at, _width(column))
        sheet.write(0, at, column.title, "filter_header" if column.numeric else "header")
    codes = [column.kind == "code" for column in table.columns]
    styles: list[Style] = [_style(column) for column in table.columns]
    for number, row in enumerate(table.rows, 1):
        for at, cell in enumerate(row):
            sheet.write(number, at, cell, styles[at], code=codes[at])
    if table.rows:
        sheet.worksheet.autofilter(0, 0, len(table.rows), len(table.columns) - 1)
    else:
        sheet.write(1, 0, table.empty, "soft")
    sheet.worksheet.freeze_panes(1, 0)
    sheet.worksheet.repeat_rows(0)
    sheet.worksheet.set_landscape()
    sheet.worksheet.fit_to_pages(1, 0)


def _style(column: Column) -> Style:
    """Return how a list's cells look: numbers end where their header does, a text goes on in the next line."""
    return "listed_number" if column.numeric else "listed_text" if column.kind == "text" else "plain"


def _width(column: Column) -> int:
    return WIDTHS.get(column.kind) or min(WIDEST, 4 + 5 * column.width)
