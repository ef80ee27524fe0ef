"""Who is at a school: head-count, joined and left, from the days on which students joined and left."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from reports.domain.content import Count
from reports.domain.counts import natural


@dataclass(frozen=True, slots=True)
class Pupil:
    """A student at a school, from `starts` up to and without `ends`. None: without a known day."""

    name: str
    grade: str
    starts: dt.date | None = None
    ends: dt.date | None = None


UNKNOWN = Pupil("", "")
"""Stands for a student of whom the facts have no name."""


def by_grade(pupils: Iterable[Pupil], ends: dt.date) -> tuple[Count, ...]:
    """Count the students of each grade at the end of the day before `ends`."""
    there = Counter(
        pupil.grade
        for pupil in pupils
        if (pupil.starts is None or pupil.starts < ends) and (pupil.ends is None or pupil.ends >= ends)
    )
    return tuple(Count(grade, there[grade]) for grade in sorted(there, key=natural))


def in_grade(pupils: Iterable[tuple[UUID, Pupil]], grade: str, starts: dt.date, ends: dt.date) -> list[UUID]:
    """Return the students of a grade who were there on a day of a period, by name."""
    found = [
        (pupil.name, student)
        for student, pupil in pupils
        if pupil.grade == grade
        and (pupil.starts is None or pupil.starts < ends)
        and (pupil.ends is None or pupil.ends > starts)
    ]
    return [student for _, student in sorted(found)]


def joined(pupils: Iterable[Pupil], starts: dt.date, ends: dt.date) -> tuple[tuple[dt.date, str, str], ...]:
    """Return day, name and grade of who joined in a period; who left on the same day was never there."""
    found = [
        (pupil.starts, pupil.name, pupil.grade)
        for pupil in pupils
        if pupil.starts and starts <= pupil.starts < ends and (pupil.ends is None or pupil.ends > pupil.starts)
    ]
    return tuple(sorted(found))


def count_left(pupils: Iterable[Pupil], starts: dt.date, ends: dt.date) -> int:
    """Count who left in a period."""
    return sum(1 for pupil in pupils if pupil.ends and starts <= pupil.ends < ends)
