"""The sheet of figures: key figures, tables of numbers with formulas beside them, and native charts."""

import io
from typing import Any

from xlsxwriter.utility import xl_rowcol_to_cell

from reports.domain.content import Count
from reports.pages.logos import read_picture
from reports.pages.outline import HIDDEN, Amount, Counts, Outline, Table, Trend, plain
from reports.pages.sheets import Book, Sheet

CHART_COLUMN = 8
"""The first column of charts, right of all tables."""
CHART_HEIGHT, CHART_WIDTH = 260, 560
"""Pixels."""
CHART_ROWS = 14
"""Rows that a chart needs."""
NAME, VALUE, BEFORE, CHANGE = range(4)
TITLE_HEIGHT = 24
"""Points: not each reader makes a row as high as its letters."""
LOGO_HEIGHT, LOGO_WIDTH = 60, 200
"""The box that a logo fits, in pixels of 96 to an inch."""


def write_figures(book: Book, outline: Outline) -> None:
    """Write the first sheet."""
    sheet = book.sheet(book.words.text("figures"))
    sheet.worksheet.set_column(NAME, NAME, 34)
    sheet.worksheet.set_column(VALUE, CHART_COLUMN - 1, 14)
    sheet.worksheet.fit_to_pages(1, 0)
    row = _write_head(sheet, outline)
    row = _write_cards(sheet, outline, row)
    for part in outline.parts:
        if isinstance(part, Counts):
            row = _write_counts(sheet, part, row)
        elif isinstance(part, Trend):
            row = _write_trend(sheet, part, row)
        elif part.whole:
            row = _write_table(sheet, part, row)


def _write_head(sheet: Sheet, outline: Outline) -> int:
    words, origin = sheet.book.words, outline.origin
    lines = [outline.school.name, outline.school.letterhead, outline.title, outline.subject]
    lines += [words.period(outline.period), *(f"{label}: {words.apart(value)}" for label, value in outline.details)]
    lines.append(words.text("as_of", moment=words.moment(origin.as_of, outline.school.timezone)))
    lines.append(words.text("log_position", offset=words.number(origin.offset)))
    lines.append(words.text("template", template=origin.template))
    if origin.replaces is not None:
        key = "replaces_why" if origin.reason else "replaces"
        lines.append(words.text(key, report=origin.replaces, reason=origin.reason))
    written = [line for line in lines if line]
    sheet.worksheet.set_row(written.index(outline.title), TITLE_HEIGHT)
    for row, line in enumerate(written):
        sheet.write(row, 0, line, "title" if line == outline.title else "bold" if row == 0 else "plain")
    _insert_logo(sheet, outline)
    return len(written) + 1


def _insert_logo(sheet: Sheet, outline: Outline) -> None:
    picture = read_picture(outline.school.logo)
    if picture is None:
        return
    scale = min(LOGO_HEIGHT / picture.height, LOGO_WIDTH / picture.width)
    options = {"image_data": io.BytesIO(picture.content), "description": outline.school.name, "object_position": 3}
    sheet.insert_picture(0, CHART_COLUMN, options | {"x_scale": scale, "y_scale": scale})


def _write_cards(sheet: Sheet, outline: Outline, row: int) -> int:
    compared = any(card.before is not None for card in outline.cards)
    _write_header(sheet, row, compared=compared)
    for card in outline.cards:
        row += 1
        sheet.write(row, NAME, card.label)
        sheet.write(row, VALUE, HIDDEN if card.value is None else card.value)
        if card.before is not None and card.value is not None:
            sheet.write(row, BEFORE, card.before)
            _write_change(sheet, row, plain(card.value) - plain(card.before), money=isinstance(card.value, Amount))
    return row + 2


def _write_header(sheet: Sheet, row: int, *, compared: bool) -> None:
    keys = ("name", "value", "before", "change_column") if compared else ("name", "value")
    for at, key in enumerate(keys):
        sheet.write(row, at, sheet.book.words.text(key), "number_header" if at else "header")


def _write_change(sheet: Sheet, row: int, change: Any, *, money: bool = False) -> None:
    value, before = xl_rowcol_to_cell(row, VALUE), xl_rowcol_to_cell(row, BEFORE)
    shape = "+#,##0.00;-#,##0.00;0" if money else "+#,##0;-#,##0;0"
    sheet.formula(row, CHANGE, f"={value}-{before}", change, "plain", shape)


def _write_counts(sheet: Sheet, part: Counts, row: int) -> int:
    sheet.write(row, 0, part.title, "bold")
    if not part.rows:
        sheet.write(row + 1, 0, part.empty, "soft")
        return row + 3
    first = row + 2
    _write_header(sheet, row + 1, compared=any(each.before is not None for each in part.rows))
    for at, each in enumerate(part.rows, first):
        _write_count(sheet, at, each)
    last = first + len(part.rows) - 1
    if part.total:
        _write_total(sheet, part, first, last)
    if len(part.rows) == 1:  # nothing to compare it with
        return row + 5
    _insert_chart(sheet, row, part.title, "bar", first, last, [(VALUE, sheet.book.words.text("value"))])
    return row + max(len(part.rows) + 4, CHART_ROWS)


def _write_total(sheet: Sheet, part: Counts, first: int, last: int) -> None:
    """Write the total: a formula, unless it would leave out rows that are not shown."""
    sheet.write(last + 1, NAME, sheet.book.words.text("total"), "bold")
    if part.sum is None or not part.whole:
        sheet.write(last + 1, VALUE, HIDDEN if part.sum is None else part.sum, "bold")
        return
    cells = f"{xl_rowcol_to_cell(first, VALUE)}:{xl_rowcol_to_cell(last, VALUE)}"
    sheet.formula(last + 1, VALUE, f"=SUM({cells})", part.sum, "bold", "#,##0")


def _write_count(sheet: Sheet, row: int, count: Count) -> None:
    sheet.write(row, NAME, count.name)
    sheet.write(row, VALUE, HIDDEN if count.value is None else count.value)
    if count.before is not None and count.value is not None:
        sheet.write(row, BEFORE, count.before)
        _write_change(sheet, row, count.value - count.before)


def _write_trend(sheet: Sheet, part: Trend, row: int) -> int:
    sheet.write(row, 0, part.title, "bold")
    if not any(any(values) for _, values in part.series):
        sheet.write(row + 1, 0, part.empty, "soft")
        return row + 3
    sheet.write(row + 1, 0, sheet.book.words.text(part.by), "header")
    for column, (name, values) in enumerate(part.series, 1):
        sheet.write(row + 1, column, name, "number_header")
        for at, value in enumerate(values, row + 2):
            sheet.write(at, column, value)
    for at, day in enumerate(part.days, row + 2):
        sheet.write(at, 0, day)
    last = row + 1 + len(part.days)
    series = [(column, name) for column, (name, _) in enumerate(part.series, 1)]
    _insert_chart(sheet, row, part.title, "column", row + 2, last, series)
    return row + max(len(part.days) + 3, CHART_ROWS)


def _write_table(sheet: Sheet, part: Table, row: int) -> int:
    sheet.write(row, 0, part.title, "bold")
    if not part.rows:
        sheet.write(row + 1, 0, part.empty, "soft")
        return row + 3
    for at, column in enumerate(part.columns):
        sheet.write(row + 1, at, column.title, "number_header" if column.numeric else "header")
        for number, cells in enumerate(part.rows, row + 2):
            sheet.write(number, at, cells[at], code=column.kind == "code")
    return row + len(part.rows) + 3


def _insert_chart(
    sheet: Sheet, row: int, title: str, kind: str, first: int, last: int, series: list[tuple[int, str]]
) -> None:
    book, name = sheet.book, sheet.worksheet.get_name()
    chart = book.workbook.add_chart({"type": kind})
    for number, (column, label) in enumerate(series):
        fill: dict[str, Any] = {"color": book.color} if number == 0 else {"none": True}
        chart.add_series(
            {
                "name": label,
                "categories": [name, first, 0, last, 0],
                "values": [name, first, column, last, column],
                "fill": fill,
                "border": {"color": book.color},
                "gap": 60,
                "data_labels": {"value": kind == "bar"},
            }
        )
    chart.set_title({"name": title, "name_font": {"size": 12}, "overlay": False})
    chart.set_legend({"position": "bottom"} if len(series) > 1 else {"none": True})
    if kind == "bar":
        chart.set_y_axis({"reverse": True})
        chart.set_x_axis({"major_gridlines": {"visible": False}, "num_format": "#,##0", "min": 0})
    else:
        chart.set_x_axis({"num_format": "d" if len(series) == 1 else "mmm yyyy", "text_axis": True})
        chart.set_y_axis(
            {"num_format": "#,##0", "min": 0, "major_gridlines": {"visible": True, "line": {"color": "#cccccc"}}}
        )
    chart.set_size({"width": CHART_WIDTH, "height": CHART_HEIGHT})
    sheet.worksheet.insert_chart(row, CHART_COLUMN, chart, {"description": book.words.text("chart_alt", title=title)})
