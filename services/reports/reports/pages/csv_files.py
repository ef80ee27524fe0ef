"""Writes the figures and lists of an outline as CSV that the reader's Excel opens: BOM, the locale's separators.

Days are ISO 8601. Text that a spreadsheet would take for a formula begins with an apostrophe (defusedcsv).
"""

import datetime as dt
import io
from collections.abc import Iterable
from decimal import Decimal

from babel.numbers import get_decimal_symbol
from defusedcsv import csv

from reports.pages.file_names import FileNames
from reports.pages.outline import HIDDEN, Amount, Cell, Counts, Outline, Table, Trend
from reports.pages.words import Words, decimal_places

BOM = "\ufeff"
"""Excel reads UTF-8 only with it."""
Row = Iterable[Cell]


def write_csv(outline: Outline, words: Words) -> dict[str, bytes]:
    """Return file name → content: one file of figures, and one for each list."""
    names = FileNames()
    files = {names.free(words.text("figures"), "csv"): _written(_figures(outline, words), words)}
    for part in outline.parts:
        if isinstance(part, Table):
            rows = [[column.title for column in part.columns], *part.rows]
            files[names.free(part.title, "csv")] = _written(rows, words)
        elif isinstance(part, Trend):
            files[names.free(part.title, "csv")] = _written(_trend(part, words), words)
    return files


def _figures(outline: Outline, words: Words) -> list[Row]:
    """List period, origin, key figures and counts; the first column is the part they belong to."""
    heads = [words.text(key) for key in ("figures", "name", "value", "before")]
    period, origin = outline.period, outline.origin
    rows: list[Row] = [heads, (outline.title, outline.subject or outline.school.name, period.starts, period.ends)]
    rows.append((outline.title, words.plain_text("as_of", moment=origin.as_of.isoformat()), None, None))
    rows.append((outline.title, words.plain_text("log_position", offset=str(origin.offset)), origin.offset, None))
    rows += [(outline.title, label, value, None) for label, value in outline.details if not outline.subject]
    rows += [(outline.title, card.label, _shown(card.value), card.before) for card in outline.cards]
    for part in outline.parts:
        if isinstance(part, Counts):
            rows += [(part.title, count.name, _shown(count.value), count.before) for count in part.rows]
    return rows


def _shown(value: int | Amount | None) -> Cell:
    return HIDDEN if value is None else value


def _trend(part: Trend, words: Words) -> list[Row]:
    heads: Row = [words.text(part.by), *(name for name, _ in part.series)]
    rows: list[Row] = [(day, *(values[at] for _, values in part.series)) for at, day in enumerate(part.days)]
    return [heads, *rows]


def _written(rows: Iterable[Row], words: Words) -> bytes:
    symbol = get_decimal_symbol(words.locale)
    target = io.StringIO(newline="")
    writer = csv.writer(target, delimiter=";" if symbol == "," else ",", lineterminator="\r\n")
    writer.writerows([_cell(cell, symbol) for cell in row] for row in rows)
    return (BOM + target.getvalue()).encode()


def _cell(cell: Cell, symbol: str) -> str:
    match cell:
        case None:
            return ""
        case Amount():
            places = max(decimal_places(cell.currency), -int(cell.value.as_tuple().exponent))
            return f"{cell.value:.{places}f}".replace(".", symbol)
        case Decimal():
            return f"{cell:f}".replace(".", symbol)
        case dt.date():
            return cell.isoformat()
        case str():
            return cell.lstrip("\t\r\n ")  # a formula behind a space or tab is one too
        case _:
            return str(cell)
