"""The texts of the console: what a language translates is whole, shown somewhere, and has the same placeholders."""

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from gateway.console import texts

HOME = Path(texts.__file__).parent
METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
OPTIONS = {"**/templates/**.html": {"trimmed": "true", "newstyle_gettext": "true"}}
WORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None}


@pytest.fixture(scope="module")
def wanted():
    found = Catalog()
    for _, _, text, _, _ in extract_from_dir(HOME, METHODS, OPTIONS, keywords=WORDS):
        found.add(text)
    return found


@pytest.mark.parametrize("language", [name for name in texts.LANGUAGES if name != "en"])
def test_a_language_translates_whole_texts_and_only_those_that_are_shown(wanted, language):
    with (texts.FOLDER / f"{language}.po").open("rb") as source:
        catalog = read_po(source, locale=language)
    known = {message.id: message for message in catalog if message.id}
    assert set(known) <= {message.id for message in wanted if message.id}
    for message in known.values():
        given = message.string if isinstance(message.string, tuple) else (message.string,)
        asked = set(re.findall(r"%\(\w+\)s", str(message.id))) - {"%(num)s"}
        assert all(given), message.id
        assert not message.fuzzy, message.id
        assert all(set(re.findall(r"%\(\w+\)s", each)) - {"%(num)s"} == asked for each in given), message.id


def test_a_text_is_shown_in_each_language():
    shown = {texts.translations(language).ugettext("Tasks") for language in texts.LANGUAGES}
    assert len(shown) == len(texts.LANGUAGES)
    assert texts.direction("ar") == "rtl"


@pytest.mark.parametrize(
    ("kept", "accepted", "chosen"),
    [
        ("de", "ar", "de"),
        (None, "ar-EG,de;q=0.5", "ar"),
        (None, "fr, de;q=0.3, en;q=0.2", "de"),
        ("xx", "", "en"),
        (None, "en;q=x, ;;,*", "en"),
    ],
)
def test_the_language_is_the_persons_choice_else_the_browsers(kept, accepted, chosen):
    assert texts.chosen_language(kept, accepted) == chosen
