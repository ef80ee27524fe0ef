"""One announced file as a source of records: status by mode, ids unique, rejected rows apart."""

import re
from collections.abc import Callable, Container, Iterator
from typing import TypeVar

from gateway.roster_import.oneroster.archive import Archive
from gateway.roster_import.oneroster.errors import BadValue, Rejections, Scope
from gateway.roster_import.oneroster.fields import MAX_ID, required
from gateway.roster_import.oneroster.manifest import Mode
from gateway.roster_import.oneroster.near_columns import near_columns
from gateway.roster_import.oneroster.records import Status
from gateway.roster_import.oneroster.table import Columns, Row, Table

T = TypeVar("T")
Build = Callable[[str, Status, Row], T]

COMMON = ("sourcedId", "status", "dateLastModified")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII)
_STATUSES = {status.value: status for status in Status}


class Source:
    """`needs` and `reads` are the file's own columns beside the common three, in the order of the values.

    `known` holds ids that exist already; a bulk file is complete and does not look at it.
    """

    def __init__(
        self,
        archive: Archive,
        name: str,
        mode: Mode,
        rejections: Rejections,
        *,
        needs: tuple[str, ...],
        reads: tuple[str, ...] = (),
        known: Container[str] = (),
    ) -> None:
        self.name = name
        self.mode = mode
        self.accepted: dict[str, int] = {}
        self._deleted: set[str] = set()
        self._known = known
        self._rejections = rejections
        self._left_out: list[BadValue] = []
        self._named: list[BadValue] = []
        must = ("sourcedId", *needs) if mode is Mode.BULK else (*COMMON, *needs)
        self._table = Table(archive, name, Columns(names=(*COMMON, *needs, *reads), required=must))
        self.lines = 0 if mode is Mode.ABSENT else self._table.check()
        self.near_columns = near_columns(name, self._table.header, (*COMMON, *needs, *reads))
        self._absent = frozenset(name for name in reads if name not in self._table.header)

    def __contains__(self, sourced_id: str) -> bool:
        """True for an id another row may refer to."""
        if sourced_id in self.accepted:
            return sourced_id not in self._deleted
        return self.mode is not Mode.BULK and sourced_id in self._known

    def rejected(self, sourced_id: str) -> bool:
        return sourced_id in self._rejections.ids.get(self.name, ())

    def reject(self, line: int, column: str, reason: str, sourced_id: str = "", scope: Scope = Scope.ROW) -> None:
        self._rejections.add(self.name, line, column, reason, sourced_id, scope)

    def usable(self, read: Callable[[str, str], T], value: str, column: str) -> T | None:
        """Read an optional value; one that cannot be used is left out and named, and its row stays."""
        try:
            return read(value, column)
        except BadValue as bad:
            self._left_out.append(bad)
            return None

    def name_value(self, column: str, reason: str) -> None:
        """Name a value of the row that is being read, which is used all the same."""
        self._named.append(BadValue(column, reason))

    @property
    def gone(self) -> frozenset[str]:
        """The ids of accepted rows that say `tobedeleted`."""
        return frozenset(self._deleted)

    @property
    def unsaid(self) -> frozenset[str]:
        """The columns that the row which is being read says nothing about: not in the file, or left out."""
        if not self._left_out:
            return self._absent
        return self._absent | {bad.column for bad in self._left_out}

    @property
    def refuses_all(self) -> bool:
        """Whether the file has rows of which not one can be used."""
        return not self.accepted and any(row.file == self.name for row in self._rejections.rows)

    def withdraw(self, sourced_id: str, column: str, reason: str) -> None:
        """A record that looked right until the rest of the roster was known."""
        self.reject(self.accepted.pop(sourced_id), column, reason, sourced_id)

    def records(self, build: Build[T]) -> Iterator[T]:
        """Read the file, fill `accepted` and report rows that `build` refuses with BadValue."""
        if self.mode is Mode.ABSENT:
            return
        self.accepted.clear()
        self._deleted.clear()
        self._rejections.forget(self.name)
        seen: dict[str, int] = {}
        for line, row in self._table.rows(self._rejections):
            sourced_id, word, moment = row[:3]
            self._forget_values()
            try:
                _check_unused(required(sourced_id, "sourcedId", MAX_ID), seen)
                seen[sourced_id] = line
                status = self._status(word, moment)
                record = build(sourced_id, status, row[3:])
            except BadValue as bad:
                self.reject(line, bad.column, bad.reason, sourced_id)
                continue
            self.accepted[sourced_id] = line
            for named in (*self._left_out, *self._named):
                self.reject(line, named.column, named.reason, scope=Scope.VALUE)
            if status is Status.TOBEDELETED:
                self._deleted.add(sourced_id)
            yield record

    def again(self, build: Build[T]) -> Iterator[T]:
        """Return the accepted records again; rejected ones are not reported twice."""
        if self.mode is Mode.ABSENT:
            return
        for line, row in self._table.rows(None):
            if self.accepted.get(row[0]) == line:
                self._forget_values()
                yield build(row[0], _STATUSES.get(row[1].casefold(), Status.ACTIVE), row[3:])

    def _forget_values(self) -> None:
        self._left_out.clear()
        self._named.clear()

    def _status(self, word: str, moment: str) -> Status:
        """Read the status: bulk leaves it blank or fills it, delta must fill it."""
        if moment and not _MOMENT.fullmatch(moment):
            self.name_value("dateLastModified", "is not an ISO 8601 date and time")
        if not word and self.mode is Mode.BULK:
            return Status.ACTIVE
        status = _STATUSES.get(required(word, "status").casefold())
        if status is None:
            raise BadValue("status", "is neither active nor tobedeleted")
        return status


def _check_unused(sourced_id: str, seen: dict[str, int]) -> None:
    if sourced_id in seen:
        raise BadValue("sourcedId", f"was already used in line {seen[sourced_id]}")
