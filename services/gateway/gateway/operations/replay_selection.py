"""What an operator asks a service to use again of the log."""

import datetime as dt
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, model_validator

from gateway.http.fields import MOST, Occurrence, Strict
from shared.events import ReplayMode
from shared.http.fields import NO_NUL

Part = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NO_NUL)]
AHEAD = dt.timedelta(minutes=5)


class LogFilter(Strict):
    """Which events of the log are meant, by the time of their commit, their school and their id; nothing means all."""

    service: Part
    since: Occurrence | None = None
    until: Occurrence | None = None
    schools: tuple[UUID, ...] = Field((), max_length=100)
    dry_run: bool = False
    """Count what would be used, and change nothing."""

    @model_validator(mode="after")
    def has_a_span(self) -> Self:
        """Refuse a time that has not come, and a span without length."""
        if self.since is not None and self.since > dt.datetime.now(dt.UTC) + AHEAD:
            msg = "`since` has not come yet"
            raise ValueError(msg)
        if self.since is not None and self.until is not None and self.until < self.since:
            msg = "`until` is before `since`"
            raise ValueError(msg)
        return self


class ReplayIn(LogFilter):
    """A replay of one projection.

    `rebuild` makes its rows from the whole log in shadow tables and swaps them in. `in_place` reads the chosen events
    again into the rows that are there. `projection` may be left out if the service has one only. `force` accepts a log
    that has lost its first events, and for a rebuild also events that cannot be applied.
    """

    projection: Part | None = None
    mode: Literal["rebuild", "in_place"] | None = None
    """By default `in_place` with a filter and `rebuild` without."""
    types: tuple[Part, ...] = Field((), max_length=50)
    force: bool = False

    @model_validator(mode="after")
    def is_possible(self) -> Self:
        """Refuse a rebuild of a part of the log, because the rows of the rest would be missing."""
        if self.mode == "rebuild" and self.filtered:
            msg = "a rebuild reads the whole log; choose the mode `in_place` for a part of it"
            raise ValueError(msg)
        return self

    @property
    def filtered(self) -> bool:
        """Whether it means a part of the log."""
        return bool(self.since or self.until or self.schools or self.types)


class ReactionIn(LogFilter):
    """Events that a service should react to, if it has not yet.

    Make a dry run first: its result counts the events. Then send the same with its `until` and `count`; another number
    is refused. Without any filter, `everything` must be true.
    """

    type: Part
    events: tuple[UUID, ...] = Field((), max_length=1000)
    everything: bool = False
    count: int | None = Field(None, ge=1, le=MOST)

    @model_validator(mode="after")
    def is_meant(self) -> Self:
        """Refuse what was not seen in a dry run, and an empty filter that does not say that it means everything."""
        if not (self.since or self.schools or self.events) and not self.everything:
            msg = "has no filter; set `everything` to true to mean all events of this type"
            raise ValueError(msg)
        if not self.dry_run and (self.count is None or self.until is None):
            msg = "needs `until` and `count` of a dry run"
            raise ValueError(msg)
        return self


class ResyncIn(Strict):
    """A state that its owner should publish again: `directory`, of the gateway."""

    service: Part = "gateway"
    state: Part = "directory"


class ReplayAccepted(BaseModel):
    """The request is safe. The task counts the events that were read, and its result says what was done."""

    task_id: UUID
    service: str
    consumer: str
    mode: ReplayMode
    dry_run: bool
    until: AwareDatetime | None
