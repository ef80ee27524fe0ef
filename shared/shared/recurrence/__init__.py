"""Computes when a rule comes due next: pure and synchronous. The gateway checks rules, the scheduler runs them."""

from shared.recurrence.next_run import check, is_over, next_occasion, next_run, over_until, upcoming
from shared.recurrence.school_calendar import SchoolCalendar
from shared.recurrence.timezones import instants, zone_of

__all__ = [
    "SchoolCalendar",
    "check",
    "instants",
    "is_over",
    "next_occasion",
    "next_run",
    "over_until",
    "upcoming",
    "zone_of",
]
