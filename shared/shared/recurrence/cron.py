"""Parses cron expressions of five fields and makes APScheduler triggers with the meaning of POSIX crontab.

APScheduler 3 counts weekdays from Monday, cron from Sunday: weekdays are passed by name. If a day of month and a
weekday are given, APScheduler requires both, cron either: an OrTrigger combines them.
"""

import calendar
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger

from shared.errors import RuleRefused

FIELDS = 5
EVERY = ("*", "*/1")
LEAP_YEAR = 2028
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an expression: its name, its bounds, and the names of its numbers."""

    name: str
    low: int
    high: int
    names: Mapping[str, int]


MINUTE = Field("minute", 0, 59, {})
HOUR = Field("hour", 0, 23, {})
DAY = Field("day of month", 1, 31, {})
MONTH = Field("month", 1, 12, {name: number for number, name in enumerate(MONTHS, 1)})
WEEKDAY = Field("weekday", 0, 7, {name: number for number, name in enumerate(WEEKDAYS)})
SECOND = Field("second", 0, 59, {})


@dataclass(frozen=True)
class Cron:
    """A parsed expression. `real`: its hour starts with `*`, so that it runs twice in an hour that autumn repeats."""

    trigger: BaseTrigger
    real: bool

    def next_wall(self, after: dt.datetime) -> dt.datetime:
        """Return the first matching local time later than `after`; both are without a timezone."""
        now = after.replace(tzinfo=dt.UTC) + dt.timedelta(microseconds=1)
        found: dt.datetime = self.trigger.get_next_fire_time(None, now)
        return found.replace(tzinfo=None)


@lru_cache(maxsize=4096)
def read_cron(expression: str, seconds: str = "0") -> Cron:
    """Parse an expression; raises RuleRefused, which names the wrong field and the reason."""
    parts = expression.lower().split()
    if len(parts) != FIELDS:
        more = "; seconds are not supported: a rule can run at most once a minute" if len(parts) == FIELDS + 1 else ""
        raise _refused(
            f"a cron expression has five fields (minute, hour, day of month, month, weekday), "
            f"{expression!r} has {len(parts)}{more}"
        )
    minute, hour, day, month, weekday = parts
    days = None if day in ("l", "last") else _numbers(DAY, day)
    months = _numbers(MONTH, month)
    weekdays = frozenset(number % 7 for number in _numbers(WEEKDAY, weekday))
    common = {
        "second": _written(SECOND, _numbers(SECOND, seconds)),
        "minute": _written(MINUTE, _numbers(MINUTE, minute)),
        "hour": _written(HOUR, _numbers(HOUR, hour)),
        "month": _written(MONTH, months),
        "timezone": dt.UTC,
    }
    by_day = {"day": "last" if days is None else _written(DAY, days)}
    by_weekday = {"day_of_week": ",".join(WEEKDAYS[number] for number in sorted(weekdays))}
    real = hour.startswith("*")
    if weekday in EVERY:
        _check_days(days, months)
        return Cron(CronTrigger(**by_day, **common), real)
    if day in EVERY:
        return Cron(CronTrigger(**by_weekday, **common), real)
    either = [CronTrigger(**by_weekday, **common)]
    if days is None or _comes(days, months):
        either.append(CronTrigger(**by_day, **common))
    return Cron(OrTrigger(either), real)


def _check_days(days: frozenset[int] | None, months: frozenset[int]) -> None:
    if days is not None and not _comes(days, months):
        named = ", ".join(calendar.month_name[month] for month in sorted(months))
        raise _refused(f"it never comes: {named} has no day {min(days)}")


def _comes(days: frozenset[int], months: frozenset[int]) -> bool:
    return any(min(days) <= calendar.monthrange(LEAP_YEAR, month)[1] for month in months)


def _numbers(field: Field, text: str) -> frozenset[int]:
    """Return the numbers of a field: `*`, 5, 1-5, */15, 10-50/20, mon-fri, and lists of these."""
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step_text = part.partition("/")
        step = _step(field, part, step_text) if slash else 1
        low_text, dash, high_text = span.partition("-")
        if span == "*":
            low, high = field.low, 6 if field is WEEKDAY else field.high
        elif dash:
            low, high = _number(field, part, low_text), _number(field, part, high_text)
            if field is WEEKDAY and high == 0:
                high = 7
        else:
            low = _number(field, part, low_text)
            high = field.high if slash else low
        if low > high:
            raise _refused(f"{field.name}: {part!r} runs backwards")
        found.update(range(low, high + 1, step))
    return frozenset(found)


def _number(field: Field, part: str, text: str) -> int:
    if text in field.names:
        return field.names[text]
    if not (text.isascii() and text.isdigit()):
        names = f", or {', '.join(field.names)}" if field.names else ""
        raise _refused(f"{field.name}: {part!r} is not understood; use {field.low} to {field.high}{names}")
    number = int(text[:9])
    if not field.low <= number <= field.high:
        raise _refused(f"{field.name}: {text} is not between {field.low} and {field.high}")
    return number


def _step(field: Field, part: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text[:9]) == 0:
        raise _refused(f"{field.name}: {part!r} has no step of 1 or more after the slash")
    return int(text[:9])


def _written(field: Field, numbers: frozenset[int]) -> str:
    """Write numbers for APScheduler in as few parts as possible, because it checks each part in each step."""
    if len(numbers) == field.high - field.low + 1:
        return "*"
    ordered = sorted(numbers)
    steps = {later - earlier for earlier, later in pairwise(ordered)}
    if len(ordered) > 2 and len(steps) == 1:  # noqa: PLR2004  # a list of two is as short
        return f"{ordered[0]}-{ordered[-1]}/{steps.pop()}"
    return ",".join(map(str, ordered))


def _refused(reason: str) -> RuleRefused:
    return RuleRefused("expression", reason)
