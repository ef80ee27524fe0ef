"""The catalogs of the console, and rules of schedules in words."""

import re
from types import SimpleNamespace

import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po

from gateway.console.schedule_rule import rule_text
from gateway.console.texts import FOLDER, LANGUAGES

PLACE = re.compile(r"%\(\w+\)s")
READER = SimpleNamespace(text=lambda text: text, moment=lambda at: at)


CONSOLE = FOLDER.parent
KEYWORDS = DEFAULT_KEYWORDS | {"N_": None}
KINDS = [("**.py", "python"), ("**.html", "jinja2")]
TRANSLATED = [each for each in LANGUAGES if each != "en"]


def catalog_of(language):
    with (FOLDER / f"{language}.po").open("rb") as source:
        return [message for message in read_po(source, locale=language) if message.id]


def forms(text):
    return (text,) if isinstance(text, str) else text


def test_every_text_of_the_console_is_translated():
    options = {"**.html": {"newstyle_gettext": "true"}}
    found = extract_from_dir(str(CONSOLE), KINDS, options, keywords=KEYWORDS)
    marked = {forms(text) for _, _, text, _, _ in found}
    assert len(marked) > 500
    for language in TRANSLATED:
        known = {forms(each.id) for each in catalog_of(language) if not each.fuzzy and all(forms(each.string))}
        assert sorted(marked - known) == [], language


OPERATORS = re.compile(r"(^|/)(failure|queue|log|event|replay|reading|worker|overview|timeline|task|key|hour)")
"""Templates and modules of pages for operators."""
BROKER = re.compile(
    r"rabbit|amqp|broker|exchange|consumer|outbox|dead letter|routing|postgres|http|stack|exception", re.IGNORECASE
)


def test_no_text_for_schools_has_words_of_the_machine():
    found = extract_from_dir(str(CONSOLE), KINDS, {"**.html": {"newstyle_gettext": "true"}}, keywords=KEYWORDS)
    texts = {text for file, _, message, _, _ in found if not OPERATORS.search(file) for text in forms(message)}
    assert len(texts) > 300
    assert sorted(text for text in texts if BROKER.search(text)) == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_names_what_its_text_names(language):
    single = [each for each in catalog_of(language) if isinstance(each.id, str)]
    wrong = [each.id for each in single if set(PLACE.findall(each.id)) != set(PLACE.findall(each.string))]
    assert wrong == []


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"kind": "once", "on": "2026-12-01", "time": "07:30:00"}, "Once, on 2026-12-01 at 07:30"),
        ({"kind": "once", "at": "soon", "school_days_before": 2}, "Once, at soon, 2 school days before"),
        ({"kind": "cron", "expression": "0 7 * * 1", "term": "any"}, "By the expression 0 7 * * 1, only in term"),
        ({"kind": "calendar", "unit": "day", "time": "07:30:00"}, "Every day at 07:30"),
        (None, "–"),
    ],
)
def test_a_rule_is_shown_in_words(rule, words):
    assert rule_text(READER, rule) == words
