"""Filters of templates: dates, times, amounts and numbers in a locale (CLDR, by Babel)."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, cast
from unicodedata import bidirectional
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_currency, format_decimal, is_currency
from jinja2 import Undefined, pass_context
from jinja2.runtime import Context

LOCALE, ZONE = " locale", " zone"
"""Context variables with names that no template can use."""
MAX_EXPONENT = 20
"""1E+999999 would be a million digits, and 1E+30 more than decimals are rounded with."""
LENGTHS = ("short", "medium", "long", "full")


FSI, PDI = "\u2068", "\u2069"
"""First strong isolate and its end (Unicode UAX 9): the text between them does not reorder the text around it."""
LEFT, RIGHT = frozenset({"L"}), frozenset({"R", "AL"})


class InvalidVariable(Exception):
    """A variable has a value that a filter does not accept."""


@pass_context
def date(context: Context, value: str, length: str = "long") -> str:
    """Write a day: `2026-11-25`, or the day of a moment."""
    if not value:
        return ""
    moment = _moment(context, value) if "T" in value else _parsed(dt.date.fromisoformat, value, "date")
    return format_date(moment, _length(length), locale=_locale(context))


@pass_context
def time(context: Context, value: str, length: str = "short") -> str:
    """Write the time of a moment in the school's time zone."""
    return format_time(_moment(context, value), _length(length), locale=_locale(context)) if value else ""


@pass_context
def moment(context: Context, value: str, length: str = "short") -> str:
    """Write day and time of a moment in the school's time zone."""
    return format_datetime(_moment(context, value), _length(length), locale=_locale(context)) if value else ""


@pass_context
def money(context: Context, value: str, currency: str) -> str:
    """Write an exact amount in a currency (ISO 4217)."""
    if not is_currency(currency):
        raise InvalidVariable("the currency is not a code of ISO 4217")
    return _formatted(lambda: format_currency(_number(value), currency, locale=_locale(context)))


@pass_context
def number(context: Context, value: str) -> str:
    """Write a number with the locale's separators."""
    return _formatted(lambda: format_decimal(_number(value), locale=_locale(context)))


@pass_context
def isolate_direction(context: Context, value: Any) -> Any:
    """Isolate each line of a variable that runs against the direction of the text around it."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    against = LEFT if _locale(context).text_direction == "rtl" else RIGHT
    return "\n".join(f"{FSI}{line}{PDI}" if _runs(line, against) else line for line in value.split("\n"))


def _runs(line: str, directions: frozenset[str]) -> bool:
    return any(bidirectional(each) in directions for each in line)


def default(value: Any, other: str = "") -> Any:
    """Return `other` where a variable is empty."""
    return other if isinstance(value, Undefined) or not value else value


WITH_CONTEXT = (date, time, moment, money, number)
"""Filters whose first argument is the context."""
ALL: dict[str, Callable[..., Any]] = {
    "date": date,
    "time": time,
    "moment": moment,
    "money": money,
    "number": number,
    "default": default,
    "upper": lambda value: str(value).upper(),
    "lower": lambda value: str(value).lower(),
    "trim": lambda value: str(value).strip(),
}


def _locale(context: Context) -> Locale:
    return cast(Locale, context.resolve(LOCALE))


def _moment(context: Context, value: str) -> dt.datetime:
    zone = cast(ZoneInfo, context.resolve(ZONE))

    def in_zone(text: str) -> dt.datetime:
        found = dt.datetime.fromisoformat(text)
        return found.astimezone(zone) if found.tzinfo else found.replace(tzinfo=zone)

    return cast(dt.datetime, _parsed(in_zone, value, "moment"))


def _parsed(parse: Any, value: str, what: str) -> Any:
    try:
        return parse(value)
    except (ValueError, OverflowError) as problem:  # the ends of the calendar do not exist in every zone
        raise InvalidVariable(f"a variable is not a {what} (ISO 8601)") from problem


def _formatted(write: Callable[[], str]) -> str:
    try:
        return write()
    except InvalidOperation as problem:  # more digits than the arithmetic of decimals keeps
        raise InvalidVariable("a variable is not a usable number") from problem


def _number(value: str) -> Decimal:
    try:
        found = Decimal(value)
    except InvalidOperation as problem:
        raise InvalidVariable("a variable is not a number") from problem
    if not found.is_finite() or abs(found.adjusted()) > MAX_EXPONENT:
        raise InvalidVariable("a variable is not a usable number")
    return found


def _length(length: str) -> Any:
    if length not in LENGTHS:
        raise InvalidVariable(f"a length must be one of {', '.join(LENGTHS)}")
    return length
