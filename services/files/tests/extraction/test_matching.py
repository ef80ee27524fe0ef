"""Children: a printed name means a person only with a clear margin or a second key."""

import datetime as dt

import pytest

from files.extraction import Candidate, Printed, match_person

MUELLER = Candidate("mueller", "Lea", "Mueller", "S-1", dt.date(2014, 5, 1), "5a")
MILLER = Candidate("miller", "Lea", "Miller", "S-2", dt.date(2014, 7, 9), "5b")
KOWALSKI = Candidate("kowalski", "Łucja", "Kowalska", "S-3")


def test_an_umlaut_is_folded_before_names_are_compared():
    assert match_person(Printed("Lea Müller"), [MILLER, MUELLER]).person_id == "mueller"


@pytest.mark.parametrize("name", ["Łucja Kowalska", "Lucja Kowalska", "Kowalska, Łucja", "KOWALSKA ŁUCJA"])
def test_a_name_is_found_in_any_order_and_spelling(name):
    assert match_person(Printed(name), [MILLER, KOWALSKI]).person_id == "kowalski"


def test_a_name_between_two_children_is_ambiguous():
    found = match_person(Printed("Lea Muler"), [MILLER, MUELLER])

    assert (found.person_id, found.reason) == (None, "ambiguous_student")


def test_two_children_of_the_same_name_need_a_second_key():
    twin = Candidate("other", "Lea", "Mueller", "S-9", dt.date(2013, 1, 1), "6a")

    assert match_person(Printed("Lea Müller"), [MUELLER, twin]).reason == "ambiguous_student"
    assert match_person(Printed("Lea Müller", number="S-9"), [MUELLER, twin]).person_id == "other"
    assert match_person(Printed("Lea Müller", born_on=dt.date(2013, 1, 1)), [MUELLER, twin]).person_id == "other"
    assert match_person(Printed("Lea Müller", class_name="5a"), [MUELLER, twin]).person_id == "mueller"


def test_a_number_that_belongs_to_another_name_is_ambiguous():
    assert match_person(Printed("Tom Beispiel", number="S-1"), [MUELLER, MILLER]).reason == "ambiguous_student"


def test_a_name_that_no_child_has_is_no_student():
    assert match_person(Printed("Tom Beispiel"), [MUELLER, KOWALSKI]).reason == "no_student"
    assert match_person(Printed("Tom Beispiel"), []).reason == "no_student"
