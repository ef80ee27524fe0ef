from decimal import Decimal

from reports.domain.averages import Average, averages
from reports.domain.content import GradeRow
from services.reports.tests.pages.samples import DAYS


def grades(*values, course="Art", state="given"):
    return tuple(GradeRow(course, "", DAYS[0], value, state) for value in values)


def test_only_numbers_are_averaged_and_zero_is_one():
    assert averages(grades("0", "87", "9.5", "B+", "pass", "", "+1")) == (Average("Art", Decimal("32.17"), 3, 6),)


def test_excused_and_unreleased_grades_count_for_nothing():
    rows = grades("90") + grades("10", state="excused") + grades("10", state="not_released")

    assert averages(rows) == (Average("Art", Decimal("90.00"), 1, 1),)


def test_a_course_without_numbers_has_no_average():
    assert averages(grades("A", "pass", "")) == ()


def test_courses_are_averaged_apart():
    rows = grades("1,3", "1,7") + grades("80", course="Music")

    assert averages(rows) == (Average("Art", Decimal("1.50"), 2, 2), Average("Music", Decimal("80.00"), 1, 1))
