"""The part of a blob that a request asks for: Range and If-Range (RFC 9110, 13.1.5 and 14.2)."""

import re
from dataclasses import dataclass

ONE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class NotSatisfiable(Exception):
    """The range begins behind the end."""


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes from `start` up to and without `end`."""

    start: int
    end: int
    size: int

    @property
    def whole(self) -> bool:
        return self.start == 0 and self.end == self.size

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def part_of(size: int, etag: str, wanted: str | None, if_range: str | None) -> Part:
    """Return the part to send; raises NotSatisfiable.

    Everything, if the header is missing, is not one plain range (a server may ignore it), or is about another version.
    """
    found = ONE_RANGE.fullmatch(wanted.strip()) if wanted else None
    everything = Part(0, size, size)
    if found is None or (if_range is not None and if_range.strip() != etag):
        return everything
    first, last = found.groups()
    if first:
        return _from(int(first), int(last) + 1 if last else size, size) or everything
    if not last:
        return everything
    return _from(max(0, size - int(last)), size, size) or everything


def _from(start: int, end: int, size: int) -> Part | None:
    """Return a part; None if it ends before it begins, which is no range at all."""
    if end <= start < size:
        return None
    if start >= size:
        raise NotSatisfiable
    return Part(start, min(end, size), size)
