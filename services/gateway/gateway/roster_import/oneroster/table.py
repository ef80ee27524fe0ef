"""One CSV file → checked rows. One physical line is one row (OneRoster forbids line breaks inside a field),
so a stray quote spoils its own row and no other.
"""

import csv
import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import IO

from gateway.roster_import.oneroster.archive import BUFFER, Archive
from gateway.roster_import.oneroster.errors import Rejections, RosterRefused

MAX_LINE = 64 * 1024
MAX_COLUMNS = 500
BOM = b"\xef\xbb\xbf"
OTHER_SEPARATORS = (";", "\t", "|")
BLANK = ', \t"'
OTHER_ENCODINGS = (b"\xff\xfe", b"\xfe\xff")

# Controls, line separators, and the surrogates that stand for bytes which are not UTF-8.
_UNWANTED = re.compile("[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that are read: a row comes out in the order of `names`, those not in the file blank.

    `required` must be in the header. The first name is the row's id.
    """

    names: tuple[str, ...]
    required: tuple[str, ...]


class Table:
    """Refuses the file when its header is unusable; reports rows that are."""

    def __init__(self, archive: Archive, name: str, columns: Columns) -> None:
        self._archive = archive
        self.name = name
        self.columns = columns
        self.header: tuple[str, ...] = ()

    def check(self) -> int:
        """Read the file through once, so that an unusable file is refused before any row is used; returns its lines."""
        with self._archive.open(self.name) as stream:
            self.header = tuple(self._header(stream))
            lines = sum(piece.count(b"\n") for piece in iter(lambda: stream.read(BUFFER), b""))
        if lines > self._archive.limits.rows:
            raise RosterRefused("too_many_rows", f"{self.name} has more than {self._archive.limits.rows} rows")
        return lines

    def rows(self, rejections: Rejections | None) -> Iterator[tuple[int, Row]]:
        """Line and stripped values. With rejections=None, on a second reading, bad rows are passed over."""
        with self._archive.open(self.name) as stream:
            header = self._header(stream)
            width = len(header)
            positions = [header.index(c) if c in header else width for c in self.columns.names]
            pick = operator.itemgetter(*positions)
            id_at = positions[0]
            quiet = Rejections() if rejections is None else rejections
            line = 1
            while raw := stream.readline(MAX_LINE + 1):
                line += 1
                cells = self._cells(raw, line, header, id_at, stream, quiet)
                if cells is not None:
                    cells.append("")  # the value of an optional column that is missing
                    yield line, tuple(map(str.strip, pick(cells)))

    def _header(self, stream: IO[bytes]) -> list[str]:
        raw = stream.readline(MAX_LINE + 1)
        if raw.startswith(OTHER_ENCODINGS) or b"\0" in raw:
            raise RosterRefused("not_utf8", f"{self.name} is not UTF-8; save it as UTF-8")
        try:
            text = raw.removeprefix(BOM).decode().rstrip("\r\n")
            header = [self._usual(name) for name in _split(text)] if len(raw) <= MAX_LINE else []
        except (UnicodeDecodeError, csv.Error):
            header = []
        if not any(header) or len(header) > MAX_COLUMNS:
            raise RosterRefused("header_unreadable", f"the first line of {self.name} is not a header in UTF-8")
        if len(header) == 1 and any(mark in header[0] for mark in OTHER_SEPARATORS):
            advice = "its columns are not separated by commas; save it as CSV with commas"
            raise RosterRefused("separator_unknown", f"{self.name}: {advice}")
        missing = [c for c in self.columns.required if c not in header]
        if missing:
            raise RosterRefused("column_missing", f"{self.name} lacks the columns {', '.join(missing)}")
        twice = [c for c in self.columns.names if header.count(c) > 1]
        if twice:
            raise RosterRefused("column_twice", f"{self.name} has the columns {', '.join(twice)} twice")
        return header

    def _usual(self, name: str) -> str:
        """Return a column's name as OneRoster writes it: spreadsheets change its case."""
        plain = name.strip()
        known = {each.casefold(): each for each in self.columns.names}
        return known.get(plain.casefold(), plain)

    def _cells(
        self, raw: bytes, line: int, header: list[str], id_at: int, stream: IO[bytes], rejections: Rejections
    ) -> list[str] | None:
        text = raw.decode(errors="surrogateescape").rstrip("\r\n")
        if not text.strip(BLANK):
            return None  # a blank line, usually the last, or an empty row of a spreadsheet
        cells: list[str] = []
        at = id_at
        try:
            if len(raw) > MAX_LINE:
                _skip_line(raw, stream)
                reason = f"the row is longer than {MAX_LINE} bytes"
            elif len(cells := _split(text)) != len(header):
                reason = f"the row has {len(cells)} values, the header {len(header)}"
            elif text.isprintable() or not _UNWANTED.search(text):
                return cells
            else:
                at = next(i for i, cell in enumerate(cells) if _UNWANTED.search(cell))
                reason = _unwanted(cells[at])
        except csv.Error:
            reason = "the row's quotes do not match"
        rejections.add(self.name, line, header[at], reason, _likely_id(cells or text.split(","), id_at))
        return None


def _split(text: str) -> list[str]:
    if '"' not in text:
        return text.split(",")
    return next(csv.reader((text,), strict=True))


def _likely_id(cells: list[str], id_at: int) -> str:
    """Reject a broken row. If its id can be read, the record of that id does not count as gone."""
    return cells[id_at].strip('" ') if id_at < len(cells) else ""


def _unwanted(cell: str) -> str:
    if any("\ud800" <= character <= "\udfff" for character in cell):
        return "is not UTF-8 (was the file saved as Latin-1 or Windows-1252?)"
    return "holds a control character"


def _skip_line(raw: bytes, stream: IO[bytes]) -> None:
    for piece in chain((raw,), iter(lambda: stream.readline(MAX_LINE), b"")):
        if piece.endswith(b"\n"):
            return
