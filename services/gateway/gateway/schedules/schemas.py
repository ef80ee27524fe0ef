"""The time of a notification in a request: `deliver_at` for once, `repeat` for recurring sends."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag, model_validator

from gateway.http.json_types import WHOLE, Clock, Day, Flag, Moment
from shared.events.schedule_rules import CalendarRule, CatchUp, CronRule, OnceRule, Rule

MOST_AGE = 60 * 24 * 366
Minutes = Annotated[int, Field(ge=1, le=MOST_AGE), WHOLE]
Zone = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
Expression = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]
TermName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]


class OnDay(OnceRule):
    """A local time on a day, or so many school days before it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: None = None
    skip_closed: Flag = False
    school_days_before: Annotated[int, Field(ge=0, le=30), WHOLE] = 0
    on: Day
    time: Clock
    term: None = None


class CronIn(CronRule):
    """A cron expression: five fields; a day of month and a weekday together mean either."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["cron"]
    expression: Expression
    seconds: Annotated[str, StringConstraints(max_length=10)] = "0"
    term: TermName | None = None
    skip_closed: Flag = False
    school_days_before: Annotated[int, Field(ge=0, le=30), WHOLE] = 0
    starts: Day | None = None
    until: Day | None = None


class CalendarIn(CalendarRule):
    """Every so many days, weeks or months at a local time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    term: TermName | None = None
    skip_closed: Flag = False
    school_days_before: Annotated[int, Field(ge=0, le=30), WHOLE] = 0
    kind: Literal["calendar"]
    every: Annotated[int, Field(ge=1, le=1000), WHOLE] = 1
    time: Clock
    starts: Day
    day: Annotated[int, Field(ge=1, le=31), WHOLE] | Literal["last"] | None = None
    until: Day | None = None


Repeat = Annotated[CronIn | CalendarIn, Field(discriminator="kind")]


def _kind(value: Any) -> str:
    return "day" if isinstance(value, (dict, OnDay)) else "time"


When = Annotated[Annotated[Moment, Tag("time")] | Annotated[OnDay, Tag("day")], Discriminator(_kind)]
"""A union with a discriminator: errors are those of the kind that was meant only."""


class ScheduleInput(BaseModel):
    """`deliver_at`: an instant with offset, a local time without, or a day. Times are the `timezone`'s (the school's).

    `max_age_minutes`: how late a run may be; `expires_after_minutes`: how long after it the message is of use.
    """

    model_config = ConfigDict(extra="forbid")

    deliver_at: When | None = None
    repeat: Repeat | None = None
    timezone: Zone | None = None
    catch_up: CatchUp | None = None
    max_age_minutes: Minutes | None = None
    expires_after_minutes: Minutes | None = None

    @model_validator(mode="after")
    def one_of_them(self) -> Self:
        """Refuse `deliver_at` together with `repeat`."""
        if self.deliver_at is not None and self.repeat is not None:
            msg = "give deliver_at or repeat, not both"
            raise ValueError(msg)
        return self

    @property
    def only_limits(self) -> bool:
        """Whether limits are given, but no time."""
        limits = {"timezone", "catch_up", "max_age_minutes", "expires_after_minutes"}
        return self.rule is None and bool(limits & self.model_fields_set)

    @property
    def rule(self) -> Rule | None:
        """Return the scheduler's rule; None for now."""
        if self.repeat is not None:
            known = CronRule if isinstance(self.repeat, CronIn) else CalendarRule
            return known(**self.repeat.model_dump())
        if self.deliver_at is None:
            return None
        if isinstance(self.deliver_at, OnDay):
            return OnceRule(**self.deliver_at.model_dump())
        if self.deliver_at.tzinfo is None:
            return OnceRule(on=self.deliver_at.date(), time=self.deliver_at.time())
        return OnceRule(at=self.deliver_at)

    def seconds(self) -> dict[str, Any]:
        """Return the limits in seconds, for the scheduler."""
        return {
            "max_age_seconds": self.max_age_minutes and self.max_age_minutes * 60,
            "expires_after_seconds": self.expires_after_minutes and self.expires_after_minutes * 60,
        }
