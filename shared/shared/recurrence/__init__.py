"""Computes when a rule comes due next: pure and synchronous. The gateway checks rules, the scheduler runs them."""

from shared.recurrence.next_run import completed_until, is_over, next_occurrence, next_run, upcoming, validate_rule
from shared.recurrence.school_calendar import SchoolCalendar
from shared.recurrence.timezones import instants, zone_of

__all__ = [
    "SchoolCalendar",
    "completed_until",
    "instants",
    "is_over",
    "next_occurrence",
    "next_run",
    "upcoming",
    "validate_rule",
    "zone_of",
]
