import datetime as dt
import string

import pytest

from reports.domain.content import Period
from reports.pages.colors import readable
from reports.pages.words import known_languages, words_of


@pytest.mark.parametrize("language", known_languages())
def test_each_language_has_each_text_with_the_same_values(language):
    english, other = words_of("en"), words_of(language)

    assert other.texts.keys() == english.texts.keys()
    assert other.names.keys() == english.names.keys()
    assert {key: _values(text) for key, text in other.texts.items()} == {
        key: _values(text) for key, text in english.texts.items()
    }


@pytest.mark.parametrize(
    ("language", "written"),
    [("en", "November 2026"), ("de", "November 2026"), ("fr", "novembre 2026"), ("ar", "نوفمبر 2026")],
)
def test_a_month_is_written_in_the_language_of_the_report(language, written):
    assert words_of(language).period(Period("ignored", dt.date(2026, 11, 1), dt.date(2026, 12, 1))) == written


def test_another_period_has_its_name_and_its_last_day():
    written = words_of("en").period(Period("First term", dt.date(2026, 8, 3), dt.date(2026, 12, 19)))

    assert written.replace("\u2009", " ") == "First term, 3 Aug – 18 Dec 2026"


def test_light_colours_are_darkened_until_white_is_readable_on_them():
    assert readable("#1f3a5f") == "#1f3a5f"
    assert readable("#ffee00") == "#786f00"
    assert readable(None) == "#1f3a5f"
    with pytest.raises(ValueError, match="#rrggbb"):
        readable("red")


def _values(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}
