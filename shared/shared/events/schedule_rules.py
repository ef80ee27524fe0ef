"""When something is to happen: once, by a cron expression, or every so many days, weeks or months."""

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field

from shared.events.values import Part


class Days(Part):
    """What a school's calendar changes about a rule.

    `skip_closed`: days without school are left out. `term`: only within that term, or within `any` of them.
    `school_days_before`: the run comes that many school days before the day that the rule names, at the same hour.
    """

    skip_closed: bool = False
    term: str | None = None
    school_days_before: int = Field(default=0, ge=0, le=30)

    @property
    def needs_calendar(self) -> bool:
        """Whether the runs move when the school's calendar changes."""
        return self.skip_closed or self.term is not None or self.school_days_before > 0


class OnceRule(Days):
    """One run: at an instant (`at`, with offset), or at a local `time` `on` a day of the schedule's timezone."""

    kind: Literal["once"] = "once"
    at: dt.datetime | None = None
    on: dt.date | None = None
    time: dt.time | None = None


class CronRule(Days):
    """Five fields: minute, hour, day of month, month, weekday (0 and 7 are Sunday; names are safer).

    A day of month and a weekday together mean either, as cron has it. `seconds` is a sixth field in front, for the
    system's own use: nobody is offered it. `until` is the last day.
    """

    kind: Literal["cron"] = "cron"
    expression: str
    seconds: str = "0"
    starts: dt.date | None = None
    until: dt.date | None = None


class CalendarRule(Days):
    """Every so many days, weeks or months at a local time, counted from `starts`.

    For months `day` is 1 to 31 or `last` (default: the day of `starts`); a month that is too short has its last day.
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
"""What becomes of ticks that nobody was there for: none of them, one for the newest, or each."""
