"""Pure rules of the scheduler: how late a run may be, which missed ticks still happen, and what a run is called."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from uuid import UUID, uuid5

from shared.events.schedule_rules import CatchUp, Rule
from shared.events.values import Kind
from shared.recurrence import SchoolCalendar, instants, next_run, zone_of

LATEST: dict[Kind, dt.timedelta] = {
    "academic": dt.timedelta(hours=24),
    "behavior": dt.timedelta(hours=24),
    "payment": dt.timedelta(hours=48),
    "general": dt.timedelta(hours=12),
}
"""How late a notification of a kind may still be sent. Safety ("closed today") is about its day and ends with it."""
GRACE = dt.timedelta(seconds=60)
"""Later than this, a tick counts as missed where the policy is to skip."""
MOST = 10
"""Ticks of one schedule caught up in one commit; the next claim goes on with the rest."""
FIRST_LOOK = dt.timedelta(minutes=2)
WIDER = 8
DAY = dt.timedelta(days=1)

Latest = Callable[[dt.datetime], dt.datetime]
"""A tick → the last instant at which it may still run."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What a due schedule does now: the ticks that run, why others were dropped (or ""), and its next tick."""

    runs: tuple[dt.datetime, ...]
    dropped: Literal["", "missed", "expired", "moved"]
    then: dt.datetime | None


def run_id(schedule_id: UUID, name: str) -> UUID:
    """The same run has the same id, whoever makes it and however often: consumers take it once."""
    return uuid5(schedule_id, name)


def tick_name(due_at: dt.datetime) -> str:
    """What a tick is called in `run_id`."""
    return due_at.astimezone(dt.UTC).isoformat()


def last_moment(kind: Kind | None, timezone: str, max_age_seconds: int | None) -> Latest:
    """How long after its tick a run makes sense: by the kind of the notification and by what was asked for."""

    def latest(tick: dt.datetime) -> dt.datetime:
        limits = [tick + dt.timedelta(seconds=max_age_seconds)] if max_age_seconds is not None else []
        if kind == "safety":
            limits.append(end_of_day(tick, timezone))
        elif kind is not None and not limits:
            limits.append(tick + LATEST[kind])
        return min(limits, default=dt.datetime.max.replace(tzinfo=dt.UTC))

    return latest


def end_of_day(instant: dt.datetime, timezone: str) -> dt.datetime:
    """The midnight that ends the local day of an instant."""
    zone = zone_of(timezone)
    midnight = dt.datetime.combine(instant.astimezone(zone).date() + DAY, dt.time())
    return instants(midnight, zone)[0]


def take_turn(
    rule: Rule,
    timezone: str,
    due_at: dt.datetime,
    now: dt.datetime,
    *,
    policy: CatchUp,
    latest: Latest,
    school: SchoolCalendar,
) -> Turn:
    """A schedule has come due at `due_at`. Each tick runs at most once; what is too late for its purpose never does."""

    def after(tick: dt.datetime) -> dt.datetime | None:
        return next_run(rule, timezone, tick, school)

    following = after(due_at)
    if following is None or following > now:
        ticks = [due_at]
    elif policy == "all":
        return _each(due_at, now, latest, after)
    else:
        ticks = [_newest(due_at, now, after)]
        following = after(ticks[0])
    tick = ticks[0]
    if now > latest(tick):
        return Turn((), "expired", following)
    if policy == "skip" and now - tick > GRACE:
        return Turn((), "missed", following)
    return Turn((tick,), "missed" if tick != due_at else "", following)


def _each(
    due_at: dt.datetime, now: dt.datetime, latest: Latest, after: Callable[[dt.datetime], dt.datetime | None]
) -> Turn:
    runs: list[dt.datetime] = []
    dropped: Literal["", "expired"] = ""
    tick: dt.datetime | None = due_at
    for _ in range(MOST):
        if tick is None or tick > now:
            break
        if now <= latest(tick):
            runs.append(tick)
        else:
            dropped = "expired"
        tick = after(tick)
    return Turn(tuple(runs), dropped, tick)


def _newest(due_at: dt.datetime, now: dt.datetime, after: Callable[[dt.datetime], dt.datetime | None]) -> dt.datetime:
    """The newest tick not after `now`: looked for in ever wider windows, so that a long rest costs no long search."""
    window = FIRST_LOOK
    while True:
        since = max(due_at, now - window)
        found = after(since) if since > due_at else due_at
        if found is not None and found <= now:
            while (later := after(found)) is not None and later <= now:
                found = later
            return found
        window *= WIDER


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month at a school; `starts_at` up to but not including `ends_at`."""

    first: dt.date
    starts_at: dt.datetime
    ends_at: dt.datetime


def month_that_ended(instant: dt.datetime, timezone: str) -> Month:
    """The calendar month before the local month of an instant, in that zone's own days."""
    zone = zone_of(timezone)
    this = instant.astimezone(zone).date().replace(day=1)
    before = (this - DAY).replace(day=1)
    start, end = (instants(dt.datetime.combine(day, dt.time()), zone)[0] for day in (before, this))
    return Month(before, start, end)
