"""A school's calendar for rules: its school days and its terms."""

import datetime as dt
from dataclasses import dataclass

from shared.events.directory import CalendarChanged, Closure, Term
from shared.events.schedule_rules import Days

FURTHEST = 400
"""How many days to look back for a school day; holidays are shorter."""
DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SchoolCalendar:
    """Terms, closures and weekdays (ISO: 1 is Monday). The default is Monday to Friday, all year."""

    terms: tuple[Term, ...] = ()
    closures: tuple[Closure, ...] = ()
    weekdays: tuple[int, ...] = (1, 2, 3, 4, 5)

    @classmethod
    def of(cls, event: CalendarChanged) -> "SchoolCalendar":
        """Make the calendar of an event."""
        return cls(event.terms, event.closures, event.weekdays)

    def open_on(self, day: dt.date) -> bool:
        """Whether a day is a school day: a school weekday, in a term if terms are known, and not closed."""
        return (
            day.isoweekday() in self.weekdays
            and (not self.terms or self.in_term(day, "any"))
            and not any(closure.starts <= day <= closure.ends for closure in self.closures)
        )

    def in_term(self, day: dt.date, name: str) -> bool:
        """Whether a day is in the term of that name, or in `any`."""
        return any(name in ("any", term.name) and term.starts <= day <= term.ends for term in self.terms)

    def before(self, day: dt.date, school_days: int) -> dt.date | None:
        """Return the day that is `school_days` school days before `day`; None if the calendar does not reach so far."""
        found = day
        for _ in range(FURTHEST):
            if school_days == 0:
                return found
            found -= DAY
            school_days -= self.open_on(found)
        return found if school_days == 0 else None

    def run_day(self, rule: Days, day: dt.date) -> dt.date | None:
        """Return the day of the run for a rule's `day`; None if the calendar excludes it."""
        if rule.term is not None and not self.in_term(day, rule.term):
            return None
        if rule.skip_closed and not self.open_on(day):
            return None
        return self.before(day, rule.school_days_before)

    @property
    def known_until(self) -> dt.date | None:
        """Return the last day of the last known term."""
        return max((term.ends for term in self.terms), default=None)
