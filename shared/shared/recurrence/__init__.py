"""Computes when a rule comes due next: pure and synchronous. The gateway checks rules, the scheduler runs them."""

from shared.recurrence.next_run import check, completed_until, is_over, next_occurrence, next_run, upcoming
from shared.recurrence.school_calendar import SchoolCalendar
from shared.recurrence.timezones import instants, zone_of

__all__ = [
    "SchoolCalendar",
    "check",
    "completed_until",
    "instants",
    "is_over",
    "next_occurrence",
    "next_run",
    "upcoming",
    "zone_of",
]
