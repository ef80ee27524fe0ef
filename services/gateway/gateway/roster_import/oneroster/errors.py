"""Errors of a roster.

RosterRefused          the whole upload cannot be read; nothing of it is used
BadValue               one value of one row; `reader` turns it into a Rejected and goes on
"""

from dataclasses import dataclass
from enum import StrEnum


class RosterRefused(Exception):
    """The upload as a whole cannot be used. `code` is stable, `message` says what to do and holds no data."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class BadValue(Exception):
    """One value is wrong. The reason never repeats the value: it ends in logs and on screens."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason


class Scope(StrEnum):
    """The part that was left out: the whole row, or one reference or optional value in a row that is used."""

    ROW = "row"
    REFERENCE = "reference"
    VALUE = "value"


@dataclass(frozen=True, slots=True)
class Rejected:
    """One complaint about one row. `line` counts from 1, which is the header; `column` is its name there."""

    file: str
    line: int
    column: str
    reason: str
    scope: Scope = Scope.ROW


class Rejections:
    """Collects complaints, and the sourcedIds of rejected rows.

    The ids matter in bulk mode: a record whose row was rejected has not disappeared, so it must not be ended.
    """

    def __init__(self) -> None:
        self.rows: list[Rejected] = []
        self.ids: dict[str, set[str]] = {}

    def add(
        self, file: str, line: int, column: str, reason: str, sourced_id: str = "", scope: Scope = Scope.ROW
    ) -> None:
        self.rows.append(Rejected(file, line, column, reason, scope))
        if sourced_id and scope is Scope.ROW:
            self.ids.setdefault(file, set()).add(sourced_id)

    def forget(self, file: str) -> None:
        """A file that is streamed a second time reports its rows afresh."""
        self.rows = [row for row in self.rows if row.file != file]
        self.ids.pop(file, None)
