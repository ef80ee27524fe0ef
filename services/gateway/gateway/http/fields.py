"""The fields of requests and their checks, so that nothing fails after it was accepted."""

import datetime as dt
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from fastapi import Header, Path, Query
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    PlainSerializer,
    StringConstraints,
    model_validator,
)

from gateway.http.grades import usual_grade
from gateway.http.json_types import Day
from shared.events.directory import QuietHours
from shared.http.fields import NO_NUL

# Text for one line of a mail or a list has no line ends.
ONE_LINE = r"^[^\x00-\x1f\x7f]*$"

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255, pattern=ONE_LINE)]
Prose = Annotated[str, StringConstraints(max_length=5000, pattern=NO_NUL)]
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=ONE_LINE)]
Code = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=ONE_LINE)]
Grade = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=16, pattern=ONE_LINE),
    AfterValidator(usual_grade),
]
"""A grade; 7, 7th and Grade 7 are all 07."""
SourcedId = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=ONE_LINE)]
Language = Annotated[str, StringConstraints(max_length=35, pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
MOST = 2**63 - 1
"""PostgreSQL's bigint."""

Number = Annotated[int, Path(ge=1, le=MOST)]
"""A row's number in an address."""
After = Annotated[int | None, Query(ge=1, le=MOST)]
"""The number of the last row of the page before."""

LONGEST_KEY = 200
Key = Annotated[str | None, Header(min_length=1, max_length=LONGEST_KEY)]
"""An Idempotency-Key."""
Cursor = Annotated[str | None, Query(max_length=200, pattern=r"^[A-Za-z0-9_-]+$")]
Limit = Annotated[int, Query(ge=1, le=200)]
EARLIEST, LATEST = dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime(9000, 1, 1, tzinfo=dt.UTC)


def _within_calendar(moment: dt.datetime) -> dt.datetime:
    if not EARLIEST <= moment <= LATEST:
        msg = "must be between the years 1970 and 9000"
        raise ValueError(msg)
    return moment


Occurrence = Annotated[AwareDatetime, AfterValidator(_within_calendar)]
"""When something happened that a list or a replay is narrowed to. Minutes are subtracted from it and added to it."""
SchoolName = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=NO_NUL)]
Wanted = Annotated[str | None, Query(max_length=255, pattern=NO_NUL)]
"""Text that a list is narrowed to."""
WantedGrade = Annotated[
    str | None, Query(max_length=255, pattern=NO_NUL), AfterValidator(lambda g: g and usual_grade(g))
]
"""A grade that a list is narrowed to, in any spelling."""
State = Annotated[str | None, Query(max_length=20, pattern=NO_NUL)]
"""A state as its owner calls it."""


def _zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (OSError, ValueError, LookupError):
        msg = "is not an IANA timezone, such as Europe/Berlin"
        raise ValueError(msg) from None


Timezone = Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$"), AfterValidator(_zone)]

LocalTime = Annotated[
    str,
    StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"),
    AfterValidator(dt.time.fromisoformat),
    PlainSerializer(str),
]
"""A wall-clock time HH:MM: a JSON `time` would carry an offset, which a school's timezone has already."""


class Strict(BaseModel):
    """A request's body: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid")

    def given(self) -> dict[str, Any]:
        """The fields that the request named; those that it left out stay as they are."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class QuietIn(Strict):
    """From `starts` to `ends`, local time, over midnight when `ends` is not later."""

    starts: LocalTime
    ends: LocalTime


class Span(Strict):
    """Some days: `ends` is the last of them."""

    name: Name
    starts: Day
    ends: Day

    @model_validator(mode="after")
    def in_order(self) -> Self:
        """The first day comes first."""
        if self.ends < self.starts:
            msg = "ends before it starts"
            raise ValueError(msg)
        return self


class Until(Strict):
    """Since when, and the first day on which it no longer holds."""

    starts: Day | None = None
    ends: Day | None = None

    @model_validator(mode="after")
    def in_order(self) -> Self:
        """The first day comes first."""
        if self.starts and self.ends and self.ends < self.starts:
            msg = "ends before it starts"
            raise ValueError(msg)
        return self


def columns_of(quiet: QuietIn | QuietHours | None) -> dict[str, Any]:
    """Quiet hours as the two columns that hold them."""
    return {"quiet_starts": quiet.starts if quiet else None, "quiet_ends": quiet.ends if quiet else None}
