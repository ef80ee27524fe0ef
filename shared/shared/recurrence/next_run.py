"""The next run of a rule: local times from the rule, days from the school's calendar, instants from the timezone."""

import calendar
import datetime as dt
from zoneinfo import ZoneInfo

from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger

from shared.errors import RuleRefused
from shared.events.schedule_rules import CalendarRule, CronRule, Days, OnceRule, Rule
from shared.recurrence.cron import read_cron
from shared.recurrence.school_calendar import SchoolCalendar
from shared.recurrence.timezones import NEAR, changes_near, instants, zone_of

PLAIN = SchoolCalendar()
DAYS_TRIED = 800
"""How many days without school the search for a run may skip: two years and holidays."""
EARLIEST, LATEST = dt.date(1970, 1, 1), dt.date(2200, 1, 1)
"""The days that a rule may name; arithmetic with timezones overflows far outside."""


def next_run(rule: Rule, timezone: str, after: dt.datetime, school: SchoolCalendar = PLAIN) -> dt.datetime | None:
    """Return the first run later than `after` (aware), in UTC; None if there is none on the known calendar."""
    zone = zone_of(timezone)
    if isinstance(rule, OnceRule):
        instant = _once(rule, zone, school)
        return instant if instant is not None and instant > after else None
    since = _over(rule, _local(after, zone), school)
    if changes_near(after, zone):
        since -= NEAR
    real = isinstance(rule, CronRule) and read_cron(rule.expression, rule.seconds).real
    best: dt.datetime | None = None
    last: dt.datetime | None = None
    while (wall := _next_day(rule, since, school)) is not None:
        tick, since = wall
        if last is not None and tick > last:
            break
        for instant in instants(tick, zone, real=real):
            if instant > after and (best is None or instant < best):
                best = instant
        if best is not None and last is None:
            if not changes_near(best, zone):
                break
            # Near a clock change, a later local time can be the earlier instant.
            last = tick + NEAR
    return best


def completed_until(
    rule: CronRule | CalendarRule, timezone: str, after: dt.datetime, school: SchoolCalendar
) -> dt.datetime:
    """Return the local time up to which all occurrences of a rule have had their run at `after`.

    An occurrence is a local time of the rule; its run comes `school_days_before` it. A change of the calendar may move
    a run, but an occurrence must not run twice: store this time and continue with `next_occasion`.
    """
    return _over(rule, _local(after, zone_of(timezone)), school)


def next_occurrence(
    rule: CronRule | CalendarRule, timezone: str, over: dt.datetime, school: SchoolCalendar
) -> dt.datetime | None:
    """Return the run of the first occurrence later than the local time `over`; the run may be in the past."""
    found = _next_day(rule, over, school)
    return None if found is None else instants(found[0], zone_of(timezone))[0]


def upcoming(
    rule: Rule, timezone: str, after: dt.datetime, count: int, school: SchoolCalendar = PLAIN
) -> list[dt.datetime]:
    """Return the next runs, at most `count`."""
    found: list[dt.datetime] = []
    while len(found) < count and (after := next_run(rule, timezone, after, school)):  # type: ignore[assignment]
        found.append(after)
    return found


def validate_rule(rule: Rule, timezone: str, now: dt.datetime) -> None:
    """Raise RuleRefused for a rule that is wrong or never comes due on any calendar."""
    zone_of(timezone)
    if isinstance(rule, OnceRule):
        _check_once(rule)
    else:
        if rule.until is not None and rule.starts is not None and rule.until < rule.starts:
            raise RuleRefused("until", f"it ends on {rule.until}, before it starts on {rule.starts}")
        if rule.starts is not None:
            _check_day("starts", rule.starts)
    if isinstance(rule, CronRule) and rule.seconds != "0":
        raise RuleRefused("seconds", "seconds are not supported: a rule can run at most once a minute")
    if isinstance(rule, CalendarRule):
        _check_interval(rule)
    plain = rule.model_copy(update={"skip_closed": False, "term": None, "school_days_before": 0})
    if next_run(plain, timezone, now) is None:
        over = "its time has passed" if isinstance(rule, OnceRule) else "it never comes due"
        raise RuleRefused("rule", over)


def _check_once(rule: OnceRule) -> None:
    local = rule.on is not None and rule.time is not None
    if (rule.at is not None) == local or (rule.on is None) != (rule.time is None):
        raise RuleRefused("rule", "give either an instant (`at`) or a day and a local time (`on` and `time`)")
    if rule.at is not None and rule.at.tzinfo is None:
        raise RuleRefused("at", "an instant needs an offset, such as +01:00")
    if rule.at is not None and rule.needs_calendar:
        raise RuleRefused("at", "with the school's calendar, give a day and a local time (`on` and `time`)")
    if rule.on is not None:
        _check_day("on", rule.on)
    if rule.at is not None:
        _check_day("at", rule.at.date())
    if rule.time is not None:
        _check_local(rule.time)


def _check_day(field: str, day: dt.date) -> None:
    if not EARLIEST <= day <= LATEST:
        raise RuleRefused(field, f"{day} is not between {EARLIEST} and {LATEST}")


def _check_local(time: dt.time) -> None:
    if time.tzinfo is not None:
        raise RuleRefused("time", "the time is local: remove the offset and give the timezone")


def _check_interval(rule: CalendarRule) -> None:
    _check_local(rule.time)
    if rule.day is not None and rule.unit != "month":
        raise RuleRefused("day", "a day of month needs the unit `month`")


def _local(instant: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _over(rule: CronRule | CalendarRule, now: dt.datetime, school: SchoolCalendar) -> dt.datetime:
    """Return the last local time of the rule whose run is not later than the local time `now`, or `now` if later.

    It advances day by day, because all days of a rule have the same times.
    """
    if not rule.school_days_before:
        return now
    over = since = now
    while (found := _next_day(rule, since, school)) is not None and found[0].date() <= now.date():
        day = found[1].date()
        since = dt.datetime.combine(day, dt.time.max)
        if found[0].date() < now.date():
            over = since
        elif found[0].time() <= now.time():
            over = dt.datetime.combine(day, now.time())
    return over


def _once(rule: OnceRule, zone: ZoneInfo, school: SchoolCalendar) -> dt.datetime | None:
    if rule.at is not None:
        return rule.at.astimezone(dt.UTC)
    assert rule.on is not None
    assert rule.time is not None
    day = school.run_day(rule, rule.on)
    return None if day is None else instants(dt.datetime.combine(day, rule.time), zone)[0]


def _next_day(
    rule: CronRule | CalendarRule, since: dt.datetime, school: SchoolCalendar
) -> tuple[dt.datetime, dt.datetime] | None:
    """Return the local time of the next run, and the rule's own local time to continue from; None if there is none."""
    for _ in range(DAYS_TRIED if rule.needs_calendar else 1):
        wall = _next_wall(rule, since)
        if wall is None or _beyond(rule, wall.date(), school):
            return None
        day = school.run_day(rule, wall.date())
        if day is not None:
            return dt.datetime.combine(day, wall.time()), wall
        since = dt.datetime.combine(wall.date(), dt.time.max)
    return None


def _beyond(rule: Days, day: dt.date, school: SchoolCalendar) -> bool:
    """Whether a rule with a term has passed the last known term."""
    return rule.term is not None and (school.known_until is None or day > school.known_until)


def _next_wall(rule: CronRule | CalendarRule, since: dt.datetime) -> dt.datetime | None:
    """Return the rule's first local time later than `since`, without the school's calendar."""
    if rule.starts is not None:
        since = max(since, dt.datetime.combine(rule.starts, dt.time()) - dt.timedelta(microseconds=1))
    if isinstance(rule, CronRule):
        wall = read_cron(rule.expression, rule.seconds).next_wall(since)
    else:
        wall = _next_interval(rule, since)
    return None if rule.until is not None and wall.date() > rule.until else wall


def _next_interval(rule: CalendarRule, since: dt.datetime) -> dt.datetime:
    trigger = CalendarIntervalTrigger(
        **{f"{rule.unit}s": rule.every},
        hour=rule.time.hour,
        minute=rule.time.minute,
        second=rule.time.second,
        start_date=rule.starts.replace(day=1) if rule.unit == "month" else rule.starts,
        timezone=dt.UTC,
    )
    tick = _at_or_before(rule, since.date()) or trigger.get_next_fire_time(None, since.replace(tzinfo=dt.UTC))
    while (wall := _day_of_month(rule, tick)) <= since:
        tick = trigger.get_next_fire_time(tick, tick)
    return wall


def _at_or_before(rule: CalendarRule, day: dt.date) -> dt.datetime | None:
    """Return a tick of the interval not after `day`, so that the trigger need not count from the start; or None."""
    if rule.unit == "month":
        passed = (day.year - rule.starts.year) * 12 + day.month - rule.starts.month
        months = rule.starts.month - 1 + passed // rule.every * rule.every
        found = dt.date(rule.starts.year + months // 12, months % 12 + 1, 1)
    else:
        length = rule.every * (7 if rule.unit == "week" else 1)
        passed = (day - rule.starts).days
        found = rule.starts + dt.timedelta(days=passed // length * length)
    return dt.datetime.combine(found, rule.time, dt.UTC) if passed >= 0 else None


def _day_of_month(rule: CalendarRule, tick: dt.datetime) -> dt.datetime:
    wall = tick.replace(tzinfo=None)
    if rule.unit != "month":
        return wall
    length = calendar.monthrange(wall.year, wall.month)[1]
    day = rule.starts.day if rule.day is None else rule.day
    return wall.replace(day=length if day == "last" else min(day, length))


def is_over(rule: Rule, timezone: str, after: dt.datetime) -> bool:
    """Whether a rule has no run later than `after`, on any school calendar."""
    plain = rule.model_copy(update={"skip_closed": False, "term": None, "school_days_before": 0})
    return isinstance(rule, OnceRule) or next_run(plain, timezone, after) is None
