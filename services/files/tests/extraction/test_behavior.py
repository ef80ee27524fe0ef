"""Behaviour reports: fields behind labels, and a category with the words that led to it."""

import datetime as dt

import pytest

from files.domain.finding import Finding, Hints
from files.extraction import extract, needs_review
from files.extraction.folding import fold
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


@pytest.mark.parametrize(
    ("words", "category"),
    [
        ("She was seen punching and kicking a classmate.", "violence"),
        ("Er hat den Unterricht mehrfach gestört und dazwischengerufen.", "disruption"),
        ("Rompió una ventana y causó daños en el aula.", "property_damage"),
        ("Il a triché pendant le contrôle.", "dishonesty"),
        ("Refused to follow the teacher, was disrespectful.", "defiance"),
        ("Helped a new pupil all week; outstanding effort.", "positive"),
    ],
)
def test_a_description_is_classified_with_its_words(words, category):
    finding = read(f"Student: Lea Muster\nDate: 12 November 2026\nDescription: {words}")

    field = finding.fields["category"]
    assert field.value == category
    assert field.text != ""
    assert all(word in fold(words) for word in field.text.split("; "))


def test_what_did_not_happen_is_no_evidence():
    finding = read(
        "Student: Lea Muster\nDate: 12 November 2026\nDescription: There was no fight and nobody was hurt at all"
    )

    assert finding.fields["category"].value == "unclassified"


def test_words_that_the_lexicon_does_not_know_are_unclassified_and_need_a_review():
    finding = read("Student: Lea Muster\nDate: 12 November 2026\nDescription: Lorem ipsum dolor sit amet")

    assert finding.fields["category"].value == "unclassified"
    assert "unclassified" in needs_review(finding, "behavior_report")


def test_words_for_two_categories_leave_the_choice_to_a_person():
    finding = read("Student: Lea Muster\nDate: 12 November 2026\nDescription: She stole a pencil and insulted a pupil")

    assert "unsure_category" in needs_review(finding, "behavior_report")


def test_a_description_below_its_label_is_joined():
    finding = read(
        """
Pupil: Lea Muster
Date of incident: 12 November 2026
Description of incident
During the break Lea was teasing a pupil
and excluding her from the game.
Action taken: Parents informed, detention
"""
    )

    assert finding.fields["description"].value.endswith("excluding her from the game.")
    assert finding.fields["category"].value == "bullying"
    assert finding.fields["action"].value == "Parents informed, detention"
