"""When a schedule runs next, and all that its row holds for that moment."""

import datetime as dt
from typing import Any

from psycopg.rows import DictRow
from pydantic import TypeAdapter

from scheduler import domain
from scheduler.occasions import EXPIRES_AFTER, Run, prepared
from shared.events import NotificationDue
from shared.events.directory import CalendarChanged
from shared.events.schedule_rules import OnceRule, Rule
from shared.recurrence import SchoolCalendar, completed_until, next_occurrence, next_run

RULE: TypeAdapter[Rule] = TypeAdapter(Rule)
EVER = dt.datetime.min.replace(tzinfo=dt.UTC)


def rule_of(row: DictRow) -> Rule:
    """The rule of a schedule."""
    return RULE.validate_python(row["rule"])


def calendar_of(stored: dict[str, Any] | None) -> SchoolCalendar:
    """The calendar of a school as its row keeps it; nothing kept means nothing known."""
    return SchoolCalendar.of(CalendarChanged.model_validate(stored)) if stored else SchoolCalendar()


def latest_of(row: DictRow) -> domain.Latest:
    """How late each run of this schedule may be."""
    payload = row["payload"] or {}
    kind = payload.get("kind") if row["emits"] == NotificationDue.topic else None
    seconds = [limit for limit in (row["max_age_seconds"], payload.get(EXPIRES_AFTER)) if limit is not None]
    latest = domain.last_moment(kind, row["timezone"], min(seconds, default=None))
    if payload.get("expires_at") is None:
        return latest
    end = dt.datetime.fromisoformat(payload["expires_at"])
    return lambda tick: min(end, latest(tick))


def armed(row: DictRow, after: dt.datetime, school: SchoolCalendar) -> dict[str, Any]:
    """Columns for the next run later than `after`; a single run is due at its time, even if that is over."""
    rule = rule_of(row)
    once = isinstance(rule, OnceRule)
    simple = once and not rule.needs_calendar and row["emits"] == NotificationDue.topic
    until = over(row, rule, after, school)
    if isinstance(rule, OnceRule) or until is None:
        due = next_run(rule, row["timezone"], EVER if once else after, school)
    else:
        due = next_occurrence(rule, row["timezone"], until, school)
    columns = {"simple": simple, "needs_calendar": rule.needs_calendar, "over_until": until}
    return columns | at(row | columns, due)


def moved(row: DictRow, after: dt.datetime, school: SchoolCalendar) -> dict[str, Any]:
    """Columns for the next run by a calendar that has changed: one that it moves into the past is late, not lost.

    The first occasion that has not run yet, where occasions are counted; else the first run later than `after`.
    """
    rule = rule_of(row)
    if isinstance(rule, OnceRule) or row["over_until"] is None:
        return armed(row, after, school)
    return at(row, next_occurrence(rule, row["timezone"], row["over_until"], school))


def over(row: DictRow, rule: Rule, after: dt.datetime, school: SchoolCalendar) -> dt.datetime | None:
    """Up to where occasions have had their run by `after`; None for rules that no calendar moves."""
    if isinstance(rule, OnceRule) or not rule.school_days_before:
        return None
    until = completed_until(rule, row["timezone"], after, school)
    return max(until, row.get("over_until") or until)


def at(row: DictRow, due: dt.datetime | None) -> dict[str, Any]:
    """Columns for a next run at `due`."""
    columns: dict[str, Any] = {
        "simple": row["simple"],
        "needs_calendar": row["needs_calendar"],
        "due_at": due,
        "fire_until": dt.datetime.max.replace(tzinfo=dt.UTC) if due is None else latest_of(row)(due),
        "headers": None,
        "data": None,
    }
    if due is not None and row["simple"]:
        columns |= prepared(Run(row, domain.run_name(due), due))
    return columns
