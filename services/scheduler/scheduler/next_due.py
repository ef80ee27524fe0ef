"""Computes the next run of a schedule, and the columns that its row has for it."""

import datetime as dt
from typing import Any

from psycopg.rows import DictRow
from pydantic import TypeAdapter

from scheduler import domain
from scheduler.run_events import EXPIRES_AFTER, ScheduledRun, prepared_message
from shared.events import NotificationDue
from shared.events.directory import CalendarChanged
from shared.events.schedule_rules import OnceRule, Rule
from shared.recurrence import SchoolCalendar, completed_until, next_occurrence, next_run

RULE: TypeAdapter[Rule] = TypeAdapter(Rule)
BEFORE_ALL = dt.datetime.min.replace(tzinfo=dt.UTC)


def rule_of(row: DictRow) -> Rule:
    """Return the rule of a schedule."""
    return RULE.validate_python(row["rule"])


def calendar_of(stored: dict[str, Any] | None) -> SchoolCalendar:
    """Read a calendar from its stored form; an empty calendar without one."""
    return SchoolCalendar.of(CalendarChanged.model_validate(stored)) if stored else SchoolCalendar()


def latest_of(row: DictRow) -> domain.Latest:
    """Return the function that gives the latest instant of each run of a schedule."""
    payload = row["payload"] or {}
    kind = payload.get("kind") if row["emits"] == NotificationDue.topic else None
    seconds = [limit for limit in (row["max_age_seconds"], payload.get(EXPIRES_AFTER)) if limit is not None]
    latest = domain.last_moment(kind, row["timezone"], min(seconds, default=None))
    if payload.get("expires_at") is None:
        return latest
    end = dt.datetime.fromisoformat(payload["expires_at"])
    return lambda tick: min(end, latest(tick))


def compute_next_due(row: DictRow, after: dt.datetime, school: SchoolCalendar) -> dict[str, Any]:
    """Return the columns for the next run later than `after`; a single run stays due at its time, even in the past."""
    rule = rule_of(row)
    once = isinstance(rule, OnceRule)
    simple = once and not rule.needs_calendar and row["emits"] == NotificationDue.topic
    until = completed_occurrences(row, rule, after, school)
    if isinstance(rule, OnceRule) or until is None:
        due = next_run(rule, row["timezone"], BEFORE_ALL if once else after, school)
    else:
        due = next_occurrence(rule, row["timezone"], until, school)
    columns = {"simple": simple, "needs_calendar": rule.needs_calendar, "over_until": until}
    return columns | due_columns(row | columns, due)


def recompute_after_calendar_change(row: DictRow, after: dt.datetime, school: SchoolCalendar) -> dict[str, Any]:
    """Return the columns for the next run after a change of the calendar; a run that it moves into the past is late.

    If the rule counts occurrences, this is the run of the first occurrence that has not run, otherwise the first run
    later than `after`.
    """
    rule = rule_of(row)
    if isinstance(rule, OnceRule) or row["over_until"] is None:
        return compute_next_due(row, after, school)
    return due_columns(row, next_occurrence(rule, row["timezone"], row["over_until"], school))


def completed_occurrences(row: DictRow, rule: Rule, after: dt.datetime, school: SchoolCalendar) -> dt.datetime | None:
    """Return the local time up to which occurrences are completed at `after`; None without `school_days_before`."""
    if isinstance(rule, OnceRule) or not rule.school_days_before:
        return None
    until = completed_until(rule, row["timezone"], after, school)
    return max(until, row.get("over_until") or until)


def due_columns(row: DictRow, due: dt.datetime | None) -> dict[str, Any]:
    """Return the columns for a next run at `due`; None means no further run."""
    columns: dict[str, Any] = {
        "simple": row["simple"],
        "needs_calendar": row["needs_calendar"],
        "due_at": due,
        "fire_until": dt.datetime.max.replace(tzinfo=dt.UTC) if due is None else latest_of(row)(due),
        "headers": None,
        "data": None,
    }
    if due is not None and row["simple"]:
        columns |= prepared_message(ScheduledRun(row, domain.run_name(due), due))
    return columns
