"""Averages of grades: of numbers only, per course, because courses may use different scales."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from reports.domain.content import GradeRow

NUMBER = re.compile(r"[0-9]{1,4}(?:[.,][0-9]{1,3})?")
PLACES = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Average:
    """The average of a course's grades that are numbers: `counted` of `given` ones."""

    course: str
    value: Decimal
    counted: int
    given: int


def averages(rows: Iterable[GradeRow]) -> tuple[Average, ...]:
    """Return the average of each course that has a number; blanks, letters, pass or fail are in none.

    Excused and unreleased grades are not even counted as given.
    """
    by_course: dict[str, list[str]] = {}
    for row in rows:
        if row.state == "given" and row.grade:
            by_course.setdefault(row.course, []).append(row.grade)
    found = (_average(course, grades) for course, grades in sorted(by_course.items()))
    return tuple(average for average in found if average)


def _average(course: str, grades: list[str]) -> Average | None:
    numbers = [Decimal(grade.replace(",", ".")) for grade in grades if NUMBER.fullmatch(grade)]
    if not numbers:
        return None
    value = (sum(numbers, Decimal(0)) / len(numbers)).quantize(PLACES, ROUND_HALF_UP)
    return Average(course, value, len(numbers), len(grades))
