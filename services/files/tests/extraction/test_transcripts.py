"""School reports: every subject with its grade, whatever stands beside it."""

import datetime as dt

from files.domain.finding import Finding, Hints
from files.extraction import extract
from services.files.tests.extraction.pages import document

TWO_COLUMNS = """
Example High School
Student: Lea Muster                ID: 4711
School year 2025-2026
Course             Grade   Credits        Course          Grade   Credits
English 9          A-      1.0            Algebra II      B+      1.0
World History      B       1.0            Biology         C       1.0
Grading scale:  A 90-100   B 80-89   C 70-79
"""


def read(*pages: str) -> Finding:
    return extract(document(*pages), "transcript", Hints(dt.date(2026, 11, 30)))


def grades(finding: Finding) -> list[tuple[str, str]]:
    return [(row["subject"].value, row["grade"].value) for row in finding.rows]


def test_two_columns_of_subjects_stand_side_by_side():
    finding = read(TWO_COLUMNS)

    assert sorted(grades(finding)) == [
        ("Algebra II", "B+"),
        ("Biology", "C"),
        ("English 9", "A-"),
        ("World History", "B"),
    ]
    assert finding.fields["student"].value == "Lea Muster"
    assert finding.fields["school"].value == "Example High School"
