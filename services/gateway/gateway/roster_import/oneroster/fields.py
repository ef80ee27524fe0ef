"""One value in, one checked value out, or BadValue with a reason that does not repeat the value."""

import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.http.grades import MOST, grade_code
from gateway.roster_import.oneroster.errors import BadValue
from shared.http.addresses import mail_address, phone_number

MAX_ID = 255  # OneRoster's limit for a sourcedId
MAX_TEXT = 255
MAX_PHONE = 64
MAX_LIST = 100
MAX_ADDRESS = 1024
YES, NO = frozenset({"true", "yes", "y", "1"}), frozenset({"false", "no", "n", "0"})

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
    """Return one of OneRoster's words, as it writes it; the file may write it in any case."""
    if value in words:
        return value
    found = _in_any_case(words).get(value.casefold())
    if found is None:
        raise BadValue(column, f"is not one of {', '.join(sorted(words))}")
    return found


@lru_cache(maxsize=32)
def _in_any_case(words: frozenset[str]) -> dict[str, str]:
    return {word.casefold(): word for word in words}


def flag(value: str, column: str) -> bool:
    """Read true or false, in any case: spreadsheets write TRUE, other systems 1 or yes."""
    lowered = value.casefold()
    if lowered not in YES | NO:
        raise BadValue(column, "is neither true nor false")
    return lowered in YES


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
    """Read a mail address by the rule that holds everywhere."""
    return _address(mail_address, value, column)


def phone(value: str, column: str) -> str | None:
    """Read a telephone number by the rule that holds everywhere."""
    return _address(phone_number, value, column)


def _address(read: Callable[[str], str], value: str, column: str) -> str | None:
    if not value:
        return None
    try:
        return read(bounded(value, column, MAX_ADDRESS))
    except ValueError as wrong:
        raise BadValue(column, str(wrong)) from None


@lru_cache(maxsize=1024)
def grade(value: str, column: str) -> str:
    """Read a grade as its code; another text passes, because schools have grades of their own."""
    return grade_code(bounded(value, column, MOST)) or value


def timezone(value: str, column: str) -> str | None:
    if not value:
        return None
    try:
        return ZoneInfo(value).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadValue(column, "is not an IANA timezone") from None
