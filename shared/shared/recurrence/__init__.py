"""When a rule comes due next: pure and synchronous. The gateway refuses bad rules with it, the scheduler runs by it."""

from shared.recurrence.next_run import completed_until, is_over, next_occurrence, next_run, upcoming, validate_rule
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
