"""Amounts: the signs, marks and digits of many countries, and what stays ambiguous."""

from decimal import Decimal

import pytest
from babel.numbers import format_decimal
from hypothesis import given
from hypothesis import strategies as st

from files.domain.finding import Hints
from files.extraction import extract, needs_review
from files.extraction.amounts import decimal_mark, find_amounts, normalise, parse_amount
from services.files.tests.extraction.pages import document

CENTS = st.integers(min_value=-99_999_999, max_value=99_999_999).map(lambda cents: Decimal(cents) / 100)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-9,32", "-9.32"),
        ("9,32-", "-9.32"),
        ("(12.50)", "-12.50"),
        ("−9.32", "-9.32"),  # noqa: RUF001
        ("€ -9,32", "-9.32"),
        ("-RM 0.01", "-0.01"),
        ("1’234.50", "1234.50"),  # noqa: RUF001
        ("1\u202f234,50 €", "1234.50"),
        ("1 234,50 €", "1234.50"),
        ("\u0661\u066c\u0662\u0663\u0664\u066b\u0665\u0660", "1234.50"),
        ("1,23,456.00", "123456.00"),
        ("CHF 12.-", "12"),
        ("1O.5O", "10.50"),
        ("RM9.00", "9.00"),
        ("$.49", "0.49"),
    ],
)
def test_an_amount_is_read_as_it_is_printed(text, value):
    amount = parse_amount(text)

    assert amount is not None
    assert amount.value == Decimal(value)
    assert not amount.ambiguous


@pytest.mark.parametrize("text", ["6%", "25/12/2018", "8:13:39", "9556939040118", "PEGIV-1030765", "2026-13-05"])
def test_percentages_dates_times_and_numbers_of_articles_are_no_amounts(text):
    assert find_amounts(text) == []


def test_a_dash_between_words_and_an_amount_is_no_sign():
    assert [amount.value for amount in find_amounts("Camiseta – 24,46")] == [Decimal("24.46")]


def test_a_mark_before_three_digits_is_ambiguous_until_the_document_settles_it():
    assert find_amounts("1.234")[0].ambiguous
    assert decimal_mark(["12,50 €", "1.234 €"]) == ","
    assert find_amounts("1.234", ",")[0].value == Decimal(1234)
    assert find_amounts("1.234", ".")[0].value == Decimal("1.234")


@given(CENTS, st.sampled_from(["en_US", "de_DE", "fr_FR", "de_CH", "es_MX", "nl_NL", "ar_EG", "hi_IN"]))
def test_what_a_locale_prints_is_read_back(value, locale):
    printed = format_decimal(value, "#,##0.00", locale=locale, numbering_system="default")
    amount = parse_amount(printed.replace("\u200f", "").replace("\u061c", "").replace("\u200e", ""))

    assert amount is not None
    assert amount.value == value


@given(st.text(max_size=60))
def test_any_text_has_places_for_its_amounts(text):
    assert len(normalise(text)) == len(text)
    for amount in find_amounts(text):
        assert 0 <= amount.start < amount.end <= len(text)


AMBIGUOUS = """
Example School
Receipt No. 4711          Date: 3 March 2026
Received from: John Sample
Total        1.234
"""


def test_an_ambiguous_total_needs_a_review_unless_the_school_settles_it():
    def read(country, currency):
        return extract(document(AMBIGUOUS), "payment_receipt", Hints(None, country, currency))

    assert "ambiguous_amount" in needs_review(read(None, "EUR"), "payment_receipt")
    assert read("DE", "EUR").fields["amount"].value == "1234.00"
    assert "ambiguous_amount" not in read("DE", "EUR").reasons
