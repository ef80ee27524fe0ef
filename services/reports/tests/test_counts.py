import datetime as dt

from reports.domain.counts import counted
from reports.domain.enrolment import Pupil, by_grade

DAY = dt.date(2026, 12, 1)
GRADES = ("10b", "2b", "1b", "2a", "", "Vorschule")
IN_ORDER = ["", "1b", "2a", "2b", "10b", "Vorschule"]


def test_grades_are_listed_as_people_count():
    assert [count.name for count in by_grade([Pupil("", grade) for grade in GRADES], ends=DAY)] == IN_ORDER


def test_equally_frequent_names_are_listed_as_people_count():
    assert [count.name for count in counted(["2b", "10b", "1b", "10b"])] == ["10b", "1b", "2b"]
    assert [count.name for count in counted(GRADES)] == IN_ORDER
