"""Rules of schedules: once, by a cron expression, or every given number of days, weeks or months."""

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field

from shared.events.values import Part


class Days(Part):
    """How a school's calendar changes a rule.

    `skip_closed`: no runs on days without school. `term`: runs only within the term of that name, or within `any` term.
    `school_days_before`: the run comes that many school days before the day of the rule, at the same hour.
    """

    skip_closed: bool = False
    term: str | None = None
    school_days_before: int = Field(default=0, ge=0, le=30)

    @property
    def needs_calendar(self) -> bool:
        """Whether a change of the school's calendar can move the runs."""
        return self.skip_closed or self.term is not None or self.school_days_before > 0


class OnceRule(Days):
    """One run: at an instant (`at`, with offset), or `on` a day at a local `time` in the schedule's timezone."""

    kind: Literal["once"] = "once"
    at: dt.datetime | None = None
    on: dt.date | None = None
    time: dt.time | None = None


class CronRule(Days):
    """A cron expression of five fields: minute, hour, day of month, month, weekday (0 and 7 are Sunday; or names).

    If both a day of month and a weekday are given, either matches (POSIX crontab). `seconds` is a sixth field in front,
    for the system's own schedules only. `until` is the last day.
    """

    kind: Literal["cron"] = "cron"
    expression: str
    seconds: str = "0"
    starts: dt.date | None = None
    until: dt.date | None = None


class CalendarRule(Days):
    """A run every `every` days, weeks or months at a local time, counted from `starts`.

    For months, `day` is 1 to 31 or `last` (default: the day of `starts`). A shorter month runs on its last day.
    """

    kind: Literal["calendar"] = "calendar"
    every: int = Field(default=1, ge=1, le=1000)
    unit: Literal["day", "week", "month"]
    time: dt.time
    starts: dt.date
    day: Annotated[int, Field(ge=1, le=31)] | Literal["last"] | None = None
    until: dt.date | None = None


Rule = Annotated[OnceRule | CronRule | CalendarRule, Field(discriminator="kind")]

CatchUp = Literal["skip", "once", "all"]
"""What to do with missed runs: skip all, run once for the newest, or run each."""
