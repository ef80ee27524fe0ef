"""The catalogs of the console, and rules of schedules in words."""

import re
from types import SimpleNamespace

import pytest
from babel.messages.pofile import read_po

from gateway.console.schedule_rule import rule_text
from gateway.console.texts import FOLDER, LANGUAGES

PLACE = re.compile(r"%\(\w+\)s")
READER = SimpleNamespace(text=lambda text: text, moment=lambda at: at)


@pytest.mark.parametrize("language", [each for each in LANGUAGES if each != "en"])
def test_a_translation_names_what_its_text_names(language):
    with (FOLDER / f"{language}.po").open("rb") as source:
        catalog = read_po(source, locale=language)
    translated = [message for message in catalog if message.id and isinstance(message.id, str) and message.string]
    assert translated
    wrong = [each.id for each in translated if set(PLACE.findall(each.id)) != set(PLACE.findall(each.string))]
    assert wrong == []


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"kind": "once", "on": "2026-12-01", "time": "07:30:00"}, "Once, on 2026-12-01 at 07:30"),
        ({"kind": "once", "at": "soon", "school_days_before": 2}, "Once, at soon, 2 school days before"),
        ({"kind": "cron", "expression": "0 7 * * 1", "term": "any"}, "By the expression 0 7 * * 1, only in term"),
        ({"kind": "calendar", "unit": "day", "time": "07:30:00"}, "Every day at 07:30"),
        (None, "–"),
    ],
)
def test_a_rule_is_said_in_words(rule, said):
    assert rule_text(READER, rule) == said
