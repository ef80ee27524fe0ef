"""Behaviour reports: fields behind labels, and a category with the words that led to it."""

import datetime as dt

from files.domain.finding import Finding, Hints
from files.extraction import extract, needs_review
from services.files.tests.extraction.pages import document

REPORT = """
Example School                      Behavior Incident Report
Student: Lea Muster                 Student ID: S-1042
Date of incident: 12 November 2026  Time: 10:15
Reported by: Ms. Anna Beispiel
Category: Bullying                  Severity: Moderate
Action taken: Parents notified
"""


def read(text: str) -> Finding:
    return extract(document(text), "behavior_report", Hints(dt.date(2026, 11, 30)))


def test_a_report_says_who_did_what_when():
    finding = read(REPORT)

    found = {name: field.value for name, field in finding.fields.items()}
    assert found["student"] == "Lea Muster"
    assert found["date"] == "2026-11-12"
    assert found["reporter"] == "Ms. Anna Beispiel"
    assert (found["category"], found["severity"]) == ("bullying", "medium")
    assert needs_review(finding, "behavior_report") == ()
