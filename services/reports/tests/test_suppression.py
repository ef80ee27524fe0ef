"""A version to share gives no hidden count back: not by sums, and not to a reader who knows the rules."""

import io
import zipfile
from collections import defaultdict
from itertools import product

import openpyxl
import pypdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.domain.content import Count
from reports.domain.suppression import hidden, hide_together, share
from reports.pages.render import render_csv_archive, render_pdf, render_xlsx
from reports.pages.words import known_languages, words_of
from services.reports.tests.pages.samples import month

COUNTS = st.lists(st.integers(0, 40), max_size=8)
LEAST = 4
MOST = 11
"""The largest total of the tables that a reader tries out."""


@given(COUNTS, st.integers(3, 12))
def test_what_is_shown_leaves_each_hidden_count_open(values, least):
    places = hidden(values, least)
    shown = [value for at, value in enumerate(values) if places is not None and at not in places]
    assert all(value == 0 or value >= least for value in shown)
    if places:
        small = [at for at in places if values[at] < least]
        rest = sum(values) - sum(shown)
        for number in (1, least - 1):  # whatever a small one is, the others stay small and large
            lowest = len(small) - 1 + (len(places) - len(small)) * least
            assert rest - number >= lowest
        assert 0 < len(small) < len(places)


def published(*tables):
    """What a reader sees of tables with one total."""
    return repr(
        hide_together([tuple(Count(f"{at}", value) for at, value in enumerate(table)) for table in tables], LEAST)
    )


def tables(cells):
    return [table for table in product(range(MOST + 1), repeat=cells) if sum(table) <= MOST]


def possible(worlds):
    """Published → what may be behind it: all that the same rules publish in the same way."""
    found = defaultdict(list)
    for world in worlds:
        found[published(*world)].append(tuple(value for table in world for value in table))
    return found


@pytest.mark.parametrize(
    "worlds",
    [
        [(table,) for table in tables(3)],
        [(one, other) for one in tables(3) for other in tables(2) if sum(one) == sum(other)],
    ],
    ids=["one table", "two tables of one total"],
)
def test_a_reader_who_knows_the_rules_finds_no_hidden_count(worlds):
    for shown, behind in possible(worlds).items():
        for column in zip(*behind, strict=True):
            small = {value for value in column if 0 < value < LEAST}
            assert not small or len(set(column)) >= LEAST - 1, (shown, behind)


def test_who_joined_is_not_the_change_of_the_head_count():
    assert [(shared.joined, shared.left) for shared in (share(month(50, joined=3, left=0), 10),)] == [(None, None)]
    assert [(shared.joined, shared.left) for shared in (share(month(50, joined=30, left=0), 10),)] == [(30, 0)]


@pytest.mark.parametrize("language", known_languages())
def test_a_version_to_share_names_no_person_and_shows_no_small_count(language):
    whole = month(60, names=("Ada Demo",), behavior_by_category=(Count("Bullying", 3, 7), Count("Homework", 57, 8)))
    report = share(whole, 10)
    pdf = "".join(
        page.extract_text() for page in pypdf.PdfReader(io.BytesIO(render_pdf(report, language).content)).pages
    )
    with zipfile.ZipFile(io.BytesIO(render_csv_archive(report, language).content)) as archive:
        (figures,) = archive.namelist()
        csv = archive.read(figures).decode()
    book = openpyxl.load_workbook(io.BytesIO(render_xlsx(report, language).content))
    (sheet,) = book.worksheets
    rows = {row[0]: row[1] for row in sheet.iter_rows(values_only=True) if row[0]}
    assert (rows["Bullying"], rows["Homework"]) == ("*", "*")
    for text in (pdf, csv, str(rows)):
        assert "Ada" not in text
        assert "Bullying" in text
        assert "EUR" not in text
    assert words_of(language).text("received_by_method") not in csv
