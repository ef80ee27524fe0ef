"""The outline of a report: its parts in reading order, with values not yet written. Each drawing starts from it."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from reports.domain.content import Count, Origin, Period, School

ColumnKind = Literal["text", "code", "day", "count", "number", "money"]
"""How a column is aligned and written; a `code` runs left to right in each language."""


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of a currency."""

    value: Decimal
    currency: str


HIDDEN = "*"
"""Stands for a count that is not shown."""


def plain(value: int | Amount) -> int | Decimal:
    """Return the number of a figure."""
    return value.value if isinstance(value, Amount) else value


Cell = str | int | Decimal | dt.date | Amount | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a list. `width` is its share of the page."""

    title: str
    kind: ColumnKind
    width: int

    @property
    def numeric(self) -> bool:
        """Whether its cells are numbers, which end at the end of the column, with their header."""
        return self.kind in {"count", "number", "money"}


@dataclass(frozen=True, slots=True)
class Card:
    """A key figure, with the figure of the period before if it is compared."""

    label: str
    value: int | Amount | None
    before: int | Amount | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers by name: a bar chart whose numbers are written. `empty` stands there if there are none.

    `stated` is the total where some rows are not shown; None: it is not shown either.
    """

    title: str
    rows: tuple[Count, ...]
    empty: str
    total: bool = True
    stated: int | None = None

    @property
    def sum(self) -> int | None:
        """The total of all rows."""
        shown = [row.value for row in self.rows if row.value is not None]
        return sum(shown) if self.whole else self.stated

    @property
    def whole(self) -> bool:
        """Whether each row is shown."""
        return all(row.value is not None for row in self.rows)


@dataclass(frozen=True, slots=True)
class Trend:
    """Numbers over days or months: a column chart."""

    title: str
    by: Literal["day", "month"]
    days: tuple[dt.date, ...]
    series: tuple[tuple[str, tuple[int, ...]], ...]
    empty: str


@dataclass(frozen=True, slots=True)
class Table:
    """A list. `whole` lists are figures that are never shortened; other lists have a sheet of their own."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: str
    whole: bool = False
    note: str = ""


Part = Counts | Trend | Table


@dataclass(frozen=True, slots=True)
class Outline:
    """A report in reading order. `subject` is the student of a student's report."""

    title: str
    subject: str
    details: tuple[tuple[str, str], ...]
    school: School
    period: Period
    origin: Origin
    cards: tuple[Card, ...]
    parts: tuple[Part, ...]
