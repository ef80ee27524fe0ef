"""One value in, one checked value out, or BadValue with a reason that does not repeat the value."""

import re
from datetime import date
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.roster_import.oneroster.errors import BadValue

MAX_ID = 255  # OneRoster's limit for a sourcedId
MAX_TEXT = 255
MAX_EMAIL = 254  # RFC 5321: a path of 256 with its angle brackets
MAX_PHONE = 64
MAX_GRADE = 16
MAX_LIST = 100
LONGEST_GRADE_NUMBER = 2

_EMAIL = re.compile(r"[^@\s,;<>\"]{1,64}@[^@\s,;<>\"]+\.[^@\s,;<>\".]+")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def required(value: str, column: str, limit: int = MAX_TEXT) -> str:
    if not value:
        raise BadValue(column, "is required and blank")
    if len(value) > limit:
        raise BadValue(column, _too_long(limit))
    return value


def optional(value: str, column: str, limit: int = MAX_TEXT) -> str | None:
    if len(value) > limit:
        raise BadValue(column, _too_long(limit))
    return value or None


def bounded(value: str, column: str, limit: int) -> str:
    if len(value) > limit:
        raise BadValue(column, _too_long(limit))
    return value


def _too_long(limit: int) -> str:
    return f"is longer than {limit} characters"


def one_of(value: str, column: str, words: frozenset[str]) -> str:
    if value not in words:
        raise BadValue(column, f"is not one of {', '.join(sorted(words))}")
    return value


def flag(value: str, column: str) -> bool:
    """Either true or false, in any case: spreadsheets write TRUE."""
    lowered = value.lower()
    if lowered not in {"true", "false"}:
        raise BadValue(column, "is neither true nor false")
    return lowered == "true"


@lru_cache(maxsize=4096)
def _calendar_day(value: str) -> date | None:
    if not _DATE.fullmatch(value):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def day(value: str, column: str) -> date:
    parsed = _calendar_day(value)
    if parsed is None:
        raise BadValue(column, "is not a calendar date written YYYY-MM-DD")
    return parsed


def span(begins: str, ends: str, first: str, last: str) -> tuple[date | None, date | None]:
    """A pair of optional dates; `first` and `last` are the columns' names."""
    start = day(begins, first) if begins else None
    end = day(ends, last) if ends else None
    if start and end and end < start:
        raise BadValue(last, f"is before {first}")
    return start, end


def items(value: str, column: str) -> tuple[str, ...]:
    """A list inside one field, separated by commas; blanks dropped, order kept, repeats removed."""
    if not value:
        return ()
    if "," not in value:
        return (bounded(value, column, MAX_ID),)
    parts = tuple(dict.fromkeys(filter(None, map(str.strip, value.split(",")))))
    if len(parts) > MAX_LIST:
        raise BadValue(column, f"lists more than {MAX_LIST} values")
    for part in parts:
        bounded(part, column, MAX_ID)
    return parts


def email(value: str, column: str) -> str | None:
    if not value:
        return None
    if len(value) > MAX_EMAIL or not _EMAIL.fullmatch(value):
        raise BadValue(column, "is not a mail address")
    return value


def grade(value: str, column: str) -> str:
    """A grade code (CEDS Entry Grade Level: KG, 01 … 13, …); a bare 7 means 07. Other codes pass."""
    bounded(value, column, MAX_GRADE)
    if value.isdecimal() and len(value) < LONGEST_GRADE_NUMBER:
        return value.zfill(LONGEST_GRADE_NUMBER)
    return value


def timezone(value: str, column: str) -> str | None:
    if not value:
        return None
    try:
        return ZoneInfo(value).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadValue(column, "is not an IANA timezone") from None
