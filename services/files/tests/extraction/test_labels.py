"""The words of labels and lexicons are data: folded the way texts are, or they are never found."""

import tomllib
from importlib import resources

import pytest

from files.extraction.folding import fold, fold_label
from files.extraction.labels import find_labelled
from files.extraction.layout import rows_of
from services.files.tests.extraction.pages import document


def strings(node):
    if isinstance(node, dict):
        return [text for value in node.values() for text in strings(value)]
    return node if isinstance(node, list) else []


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("files.extraction", "labels.toml"),
        ("files.extraction", "words.toml"),
        ("files.extraction.behavior", "lexicon.toml"),
        ("files.extraction.transcripts", "grades.toml"),
    ],
)
def test_every_word_of_the_data_is_folded(package, name):
    data = tomllib.loads(resources.files(package).joinpath(name).read_text(encoding="utf-8"))
    plain = [text.replace("*", "").lstrip("-") for text in strings(data)]

    assert [text for text in plain if fold(text) != text] == []


@pytest.mark.parametrize(
    ("printed", "field"),
    [
        ("Schülernummer: D-1", "student_number"),
        ("N° d’élève: D-1", "student_number"),  # noqa: RUF001
        ("Maßnahme: Gespräch", "action"),
        ("Empfänger: Beispiel Verlag", "merchant"),
        ("Receipt N0. D-1", "reference"),
    ],
)
def test_a_label_is_found_as_it_is_printed(printed, field):
    assert next(find_labelled(rows_of(document(printed)), field)).text


@pytest.mark.parametrize(
    "form",
    [
        "Student: Lea Muster     Class: 7b",
        "Student        Lea Muster",
        "Student\nLea Muster",
        "Student                   Class\nLea Muster                7b",
    ],
)
def test_a_value_stands_behind_beside_or_below_its_label(form):
    assert next(find_labelled(rows_of(document(form)), "student")).text == "Lea Muster"


def test_a_label_is_not_the_end_of_a_longer_one():
    rows = rows_of(document("Date of incident: 3 March 2026"))

    assert list(find_labelled(rows, "description")) == []


def test_a_wrong_letter_in_a_long_label_is_tolerated():
    assert fold_label("T0TAL") == "total"
    assert next(find_labelled(rows_of(document("Receved from: Petra Beispiel")), "payer")).text == "Petra Beispiel"


@pytest.mark.parametrize(
    "form",
    [
        "Student             Class\nLea Muster          7b",
        "Student\nLea Muster",
        "Student Lea Muster        Student number D-1",
    ],
)
def test_the_form_around_it_makes_a_label_without_a_colon_sure(form):
    assert next(find_labelled(rows_of(document(form)), "student")).strength > 0.85


def test_a_phrase_that_begins_with_a_label_is_unsure():
    assert next(find_labelled(rows_of(document("Student Council Fee       12.00")), "student")).strength < 0.8
