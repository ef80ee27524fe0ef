"""Pure rules of the scheduler: how late a run may be, which missed runs still take place, and the id of a run."""

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
"""How late a notification of each kind may be sent. A safety notification is about its day and ends with it."""
GRACE = dt.timedelta(seconds=60)
"""With the policy `skip`, a run that is later than this counts as missed."""
CATCH_UP_LIMIT = 10
"""Missed runs of one schedule per commit; the next claim continues with the others."""
FIRST_WINDOW = dt.timedelta(minutes=2)
WINDOW_FACTOR = 8
DAY = dt.timedelta(days=1)

Latest = Callable[[dt.datetime], dt.datetime]
"""Due time of a run → the last instant at which it may take place."""


@dataclass(frozen=True, slots=True)
class DueDecision:
    """What a due schedule does now: the runs, why others were dropped (or ""), and the next due time (`then`)."""

    runs: tuple[dt.datetime, ...]
    dropped: Literal["", "missed", "expired", "moved", "inactive"]
    then: dt.datetime | None


def run_id(schedule_id: UUID, name: str) -> UUID:
    """Return the id of a run. It is the same in each replica and for each attempt, so that consumers handle it once."""
    return uuid5(schedule_id, name)


def run_name(due_at: dt.datetime) -> str:
    """Return the name of a run for `run_id`."""
    return due_at.astimezone(dt.UTC).isoformat()


def last_moment(kind: Kind | None, timezone: str, max_age_seconds: int | None) -> Latest:
    """Return how late runs may be, by the kind of the notification and by the request."""

    def latest(tick: dt.datetime) -> dt.datetime:
        limits = [tick + dt.timedelta(seconds=max_age_seconds)] if max_age_seconds is not None else []
        if kind == "safety":
            limits.append(end_of_day(tick, timezone))
        elif kind is not None and not limits:
            limits.append(tick + LATEST[kind])
        return min(limits, default=dt.datetime.max.replace(tzinfo=dt.UTC))

    return latest


def end_of_day(instant: dt.datetime, timezone: str) -> dt.datetime:
    """Return the midnight at the end of the local day of an instant."""
    zone = zone_of(timezone)
    midnight = dt.datetime.combine(instant.astimezone(zone).date() + DAY, dt.time())
    return instants(midnight, zone)[0]


def same_local_time(instant: dt.datetime | None, before: str, now: str) -> dt.datetime | None:
    """Return the instant at which the clock of the zone `now` shows what `before` showed at an instant."""
    if instant is None:
        return None
    return instants(instant.astimezone(zone_of(before)).replace(tzinfo=None), zone_of(now))[0]


def decide_due_runs(
    rule: Rule,
    timezone: str,
    due_at: dt.datetime,
    now: dt.datetime,
    *,
    policy: CatchUp,
    latest: Latest,
    school: SchoolCalendar,
) -> DueDecision:
    """Decide about a schedule that was due at `due_at`. Each run takes place at most once, and never too late."""

    def after(tick: dt.datetime) -> dt.datetime | None:
        return next_run(rule, timezone, tick, school)

    following = after(due_at)
    if following is None or following > now:
        ticks = [due_at]
    elif policy == "all":
        return _catch_up(due_at, now, latest, after)
    else:
        ticks = [_newest(due_at, now, after)]
        following = after(ticks[0])
    tick = ticks[0]
    if now > latest(tick):
        return DueDecision((), "expired", following)
    if policy == "skip" and now - tick > GRACE:
        return DueDecision((), "missed", following)
    return DueDecision((tick,), "missed" if tick != due_at else "", following)


def _catch_up(
    due_at: dt.datetime, now: dt.datetime, latest: Latest, after: Callable[[dt.datetime], dt.datetime | None]
) -> DueDecision:
    runs: list[dt.datetime] = []
    dropped: Literal["", "expired"] = ""
    tick: dt.datetime | None = due_at
    for _ in range(CATCH_UP_LIMIT):
        if tick is None or tick > now:
            break
        if now <= latest(tick):
            runs.append(tick)
        else:
            dropped = "expired"
        tick = after(tick)
    return DueDecision(tuple(runs), dropped, tick)


def _newest(due_at: dt.datetime, now: dt.datetime, after: Callable[[dt.datetime], dt.datetime | None]) -> dt.datetime:
    """Return the newest due time not after `now`, searched in growing windows: a long outage needs no long search."""
    window = FIRST_WINDOW
    while True:
        since = max(due_at, now - window)
        found = after(since) if since > due_at else due_at
        if found is not None and found <= now:
            while (later := after(found)) is not None and later <= now:
                found = later
            return found
        window *= WINDOW_FACTOR


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month at a school, from `starts_at` to `ends_at` (exclusive)."""

    first: dt.date
    starts_at: dt.datetime
    ends_at: dt.datetime


def previous_month(instant: dt.datetime, timezone: str) -> Month:
    """Return the calendar month before the local month of an instant, in a timezone."""
    zone = zone_of(timezone)
    this = instant.astimezone(zone).date().replace(day=1)
    before = (this - DAY).replace(day=1)
    start, end = (instants(dt.datetime.combine(day, dt.time()), zone)[0] for day in (before, this))
    return Month(before, start, end)
