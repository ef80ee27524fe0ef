"""Turns an outline into the data that the typst template draws: all values written, isolated and drawable."""

import datetime as dt
from typing import Any

from reports.domain.content import Count
from reports.pages.colors import readable
from reports.pages.fonts import width
from reports.pages.glyphs import Writer
from reports.pages.logos import logo_data
from reports.pages.outline import HIDDEN, Amount, Card, Cell, Counts, Outline, Part, Table, Trend, plain
from reports.pages.words import Words

SHOWN_ROWS = 40
"""Rows of a list that the PDF shows; the Excel and CSV files have them all."""
MAX_HEAD = 40
"""Characters of a name in the line above a page; it stands whole on the first page."""
LINE_CHARACTERS = 80
"""Wide letters in a whole line of a table; a column has its share of them. Digits are narrower."""
TABLE_POINTS = 493.0
"""The width of a table: A4 without its margins. Its text has CELL_POINTS; each cell has 3 points on both sides."""
CELL_POINTS = 8.5
CELL_SIDES = 6.0
MAX_LABELS = 16
"""Labels under a column chart; with more days every second or third has one."""


def page_data(outline: Outline, writer: Writer) -> dict[str, Any]:
    """Return what the template draws for one report."""
    words, school, origin = writer.words, outline.school, outline.origin
    moment = words.moment(origin.as_of, school.timezone)
    facts = (
        words.period(outline.period),
        words.text("as_of", moment=moment),
        words.text("log_position", offset=words.number(origin.offset)),
        words.text("template", template=origin.template),
    )
    return {
        "school": writer.value(school.name),
        "letterhead": writer.value(school.letterhead),
        "color": readable(school.color),
        "logo": logo_data(school.logo),
        "title": writer.text(outline.title),
        "subject": writer.value(outline.subject),
        "period": writer.text(words.period(outline.period)),
        "head": [writer.value(shortened(text)) for text in (school.name, outline.subject or outline.title)],
        "replaced": _replaced(outline, writer),
        "details": [[writer.text(label), writer.value(value)] for label, value in outline.details],
        "facts": writer.text(" · ".join(facts)),
        "cards": [_card(card, writer) for card in outline.cards],
        "parts": [_part(part, writer) for part in outline.parts],
    }


def shortened(text: str) -> str:
    """Cut a text for the one line that is above each page."""
    return text if len(text) <= MAX_HEAD else text[: MAX_HEAD - 1].rstrip() + "…"


def _replaced(outline: Outline, writer: Writer) -> str:
    origin = outline.origin
    if origin.replaces is None:
        return ""
    key = "replaces_why" if origin.reason else "replaces"
    return writer.text(writer.words.text(key, report=origin.replaces, reason=origin.reason))


def _card(card: Card, writer: Writer) -> dict[str, str]:
    words = writer.words
    note = ""
    if card.before is not None and card.value is not None:
        change = words.change(plain(card.value) - plain(card.before))
        note = words.text("change", before=_figure(card.before, words), change=change)
    return {
        "label": writer.text(card.label),
        "value": writer.value(_figure(card.value, words)),
        "note": writer.text(note),
    }


def _figure(value: int | Amount | None, words: Words) -> str:
    if value is None:
        return HIDDEN
    return words.amount(value.value, value.currency) if isinstance(value, Amount) else words.number(value)


def _part(part: Part, writer: Writer) -> dict[str, Any]:
    if isinstance(part, Counts):
        return _counts(part, writer)
    return _trend(part, writer) if isinstance(part, Trend) else _table(part, writer)


def _counts(part: Counts, writer: Writer) -> dict[str, Any]:
    words = writer.words
    rows = [
        {
            "name": writer.value(row.name),
            "value": writer.value(_figure(row.value, words)),
            "change": _change(row, writer),
            "count": row.value or 0,
        }
        for row in part.rows
    ]
    values = "; ".join(f"{words.apart(row.name)}: {words.apart(_figure(row.value, words))}" for row in part.rows)
    return {
        "kind": "counts",
        "title": writer.text(part.title),
        "empty": writer.text(part.empty),
        "headers": [writer.text(words.text(key)) for key in ("name", "value", "change_column")],
        "compared": any(row.before is not None for row in part.rows),
        "rows": rows,
        "alt": writer.text(words.text("chart", title=part.title, values=values)),
        "total": [writer.text(words.text("total")), writer.value(_figure(part.sum, words))]
        if part.total and len(part.rows) > 1
        else [],
    }


def _change(row: Count, writer: Writer) -> str:
    if row.before is None or row.value is None:
        return ""
    return writer.value(writer.words.change(row.value - row.before))


def _trend(part: Trend, writer: Writer) -> dict[str, Any]:
    words = writer.words
    write = words.short_day if part.by == "day" else words.month
    step = -(-len(part.days) // MAX_LABELS) or 1
    series = [
        {
            "name": writer.text(name),
            "values": values,
            "labels": [words.number(value) if value else "" for value in values],
        }
        for name, values in part.series
    ]
    values = "; ".join(
        f"{words.apart(write(day))}: {', '.join(words.number(counts[at]) for _, counts in part.series)}"
        for at, day in enumerate(part.days)
    )
    return {
        "kind": "trend",
        "title": writer.text(part.title),
        "empty": "" if any(any(each) for _, each in part.series) else writer.text(part.empty),
        "labels": [writer.value(write(day)) if at % step == 0 else "" for at, day in enumerate(part.days)],
        "series": series,
        "alt": writer.text(words.text("chart", title=part.title, values=values)),
    }


def _table(part: Table, writer: Writer) -> dict[str, Any]:
    words = writer.words
    shares = sum(column.width for column in part.columns)
    widest = [LINE_CHARACTERS * column.width // shares - 1 for column in part.columns]
    rows = part.rows if part.whole else part.rows[:SHOWN_ROWS]
    shortened = len(rows) < len(part.rows)
    shown = {"shown": words.number(len(rows)), "all": words.number(len(part.rows))}
    cells = [[_cell(cell, writer, most) for cell, most in zip(row, widest, strict=True)] for row in rows]
    room = [(TABLE_POINTS * column.width / shares - CELL_SIDES) / CELL_POINTS for column in part.columns]
    return {
        "kind": "table",
        "title": writer.text(part.title),
        "empty": writer.text(part.empty),
        "note": writer.text(words.text("shown", **shown) if shortened else part.note),
        "columns": [
            {"title": writer.text(each.title), "width": each.width, "end": each.numeric} for each in part.columns
        ],
        "rows": cells,
        # typst lays a row out once in place of twice where its height is given.
        "one_line": [all(width(cell) <= most for cell, most in zip(row, room, strict=True)) for row in cells],
    }


def _cell(cell: Cell, writer: Writer, most: int) -> str:
    words = writer.words
    match cell:
        case None:
            return ""
        case str():
            return writer.value(cell, most)
        case Amount():
            return writer.value(words.amount(cell.value, cell.currency), most + most // 3)
        case dt.date():
            return writer.value(words.day(cell), most + most // 3)
        case _:
            return writer.value(words.number(cell), most + most // 3)
