"""Periods: whole days in a school's timezone, from the first one up to and without the last."""

import datetime as dt
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton

from reports.domain.content import Period


def month_of(day: dt.date) -> tuple[dt.date, dt.date]:
    """Return the first day of a day's month, and of the month after it."""
    first = day.replace(day=1)
    return first, (first + dt.timedelta(days=31)).replace(day=1)


def month_before(first: dt.date) -> dt.date:
    """Return the first day of the month before."""
    return (first - dt.timedelta(days=1)).replace(day=1)


def is_month(starts: dt.date, ends: dt.date) -> bool:
    """Whether the days are one calendar month."""
    return (starts, ends) == month_of(starts)


def instant(day: dt.date, timezone: str) -> dt.datetime:
    """Return the instant at which a day begins; where clocks skip midnight, the first instant after it."""
    return dt.datetime.combine(day, dt.time(), ZoneInfo(timezone)).astimezone(dt.UTC)


def named(starts: dt.date, ends: dt.date, language: str) -> Period:
    """Return the period with its name in a language: a month, or its first and last day."""
    locale = _locale(language)
    if is_month(starts, ends):
        return Period(format_skeleton("yMMMM", starts, locale=locale), starts, ends)
    last = ends - dt.timedelta(days=1)
    first, final = (format_date(day, "medium", locale=locale) for day in (starts, last))
    return Period(f"{first} – {final}", starts, ends)


def _locale(language: str) -> Locale:
    try:
        return Locale.parse(language, sep="-")
    except (ValueError, UnknownLocaleError):
        return Locale.parse("en")
