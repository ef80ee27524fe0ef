"""Dates: the order of the school's country, months in words, and days that are none."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from files.domain.finding import Hints
from files.extraction import extract, needs_review
from files.extraction.dates import find_dates, is_doubtful, order_of_country
from services.files.tests.extraction.pages import document

RECEIPT = """
Example Books Ltd
Receipt
Date: {date}
Pen       2.00
Total     2.00
"""


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("25/12/2018 8:13:39 PM", "2018-12-25"),
        ("19/10/201820:49:59", "2018-10-19"),
        ("12-JAN-18", "2018-01-12"),
        ("7. Mai 2014", "2014-05-07"),
        ("4 de noviembre de 2022", "2022-11-04"),
        ("1er février 2020", "2020-02-01"),
        ("August 3 , 2014", "2014-08-03"),
        ("12 MAC 2018", "2018-03-12"),
        ("2018年3月12日", "2018-03-12"),
        ("12/13/2018", "2018-12-13"),
        ("15 deagosto de2022", "2022-08-15"),
        ("15 december 2020", "2020-12-15"),
        ("29.10.2021/11:20/Kasse 1", "2021-10-29"),
        ("July 1 - July 31 , 2014", "2014-07-31"),
    ],
)
def test_a_date_is_read_as_it_is_printed(text, day):
    assert [found.value.isoformat() for found in find_dates(text)] == [day]


@pytest.mark.parametrize(
    "text", ["2026-13-05", "31 février 2020", "789417-W", "03-7955 2208", "12 Items 20", "30/02/2024"]
)
def test_what_no_calendar_has_is_no_date(text):
    assert find_dates(text) == []


@given(st.dates(dt.date(1990, 1, 1), dt.date(2059, 12, 31)), st.sampled_from(["DE", "US", "GB", "FR", "MY", "JP"]))
def test_day_and_month_are_ordered_by_the_country(day, country):
    order = order_of_country(country)
    printed = {"DMY": day.strftime("%d/%m/%Y"), "MDY": day.strftime("%m/%d/%Y"), "YMD": day.strftime("%Y/%m/%d")}

    assert order is not None
    assert [found.value for found in find_dates(printed[order], order)] == [day]


@given(st.text(max_size=60))
def test_any_text_is_searched_for_dates(text):
    for found in find_dates(text):
        assert 0 <= found.start < found.end <= len(text)


@pytest.mark.parametrize(
    ("day", "doubtful"),
    [("2026-11-30", False), ("2026-12-01", False), ("2026-12-02", True), ("2024-11-30", False), ("2024-11-01", True)],
)
def test_a_date_far_from_the_upload_is_doubtful(day, doubtful):
    assert is_doubtful(dt.date.fromisoformat(day), dt.date(2026, 11, 30)) is doubtful


def test_a_doubtful_or_ambiguous_date_needs_a_review():
    def reasons(date, **hints):
        finding = extract(document(RECEIPT.format(date=date)), "payment_receipt", Hints(currency="USD", **hints))
        return needs_review(finding, "payment_receipt")

    uploaded = dt.date(2026, 11, 30)
    assert reasons("03/04/2026", uploaded_on=uploaded, country="US") == ()
    assert "ambiguous_date" in reasons("03/04/2026", uploaded_on=uploaded)
    assert "doubtful_date" in reasons("03/04/2019", uploaded_on=uploaded, country="US")
    assert "missing_date" in reasons("2026-13-05", uploaded_on=uploaded, country="US")


@pytest.mark.parametrize(("text", "ambiguous"), [("Date: 2 5/12/2018", True), ("Guests: 2 05/12/2018", False)])
def test_a_digit_in_front_of_a_day_may_be_its_first(text, ambiguous):
    assert [date.ambiguous for date in find_dates(text, "DMY")] == [ambiguous]


@pytest.mark.parametrize(
    ("rows", "date"),
    [
        pytest.param("Arrival: 20/11/2026\n22/11/2026 Visa", "2026-11-22", id="an arrival is another date"),
        pytest.param(
            "Return thru 19/12/2026\n21/11/2026  21:12", "2026-11-21", id="a date has its label, not the next"
        ),
        pytest.param("20/11/2026 Tax 20.44\n22/11/2026 19:44", "2026-11-22", id="an amount is no time"),
    ],
)
def test_the_date_of_a_receipt_is_found_among_others(rows, date):
    finding = extract(document(f"Example Inn Ltd\n{rows}\nTotal  206.00 GBP"), "payment_receipt", Hints(None))

    assert finding.fields["date"].value == date
    assert needs_review(finding, "payment_receipt") == ()


def test_a_list_of_dates_makes_none_of_them_sure():
    stay = "Example Inn Ltd\nDate\n20/11/2026  Room  179.00\n20/11/2026  Tax  27.00\n22/11/2026  Visa\nTotal 206.00 GBP"

    assert "unsure_date" in needs_review(extract(document(stay), "payment_receipt", Hints(None)), "payment_receipt")
