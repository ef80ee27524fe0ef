"""Templates: what one renders, and that its output is limited."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.content import builtin
from notifier.content.template_check import find_problems
from notifier.content.template_engine import (
    MAX_RENDERED,
    WITHOUT_ISOLATES,
    Texts,
    Unrenderable,
    direction,
    languages,
    render,
    required_variables,
)

NAMES = sorted(builtin.VARIABLES)


def texts(body="x", **parts):
    return Texts(**({"title": "t", "body": body} | parts))


def rendered(body, variables=None, language="en", **parts):
    return render(texts(body, **parts), variables or {}, language, "Europe/Berlin")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", ["en", "de", "fr", "ar"])
def test_built_in_texts_are_correct_with_all_and_with_few_variables(name, language):
    found = builtin.texts(name)[language]
    allowed = (*builtin.COMMON_VARIABLES, *builtin.VARIABLES[name])
    assert find_problems(found, allowed) == []
    content = render(found, builtin.SAMPLE_VARIABLES, language, "UTC")
    assert content.title
    assert "  " not in content.body
    # and with everything left out that may be empty
    bare = builtin.SAMPLE_VARIABLES | dict.fromkeys(
        ("period", "reason", "due_on", "paid_on", "purpose", "description"), ""
    )
    assert render(found, bare, language, "UTC").body


@given(st.text(max_size=200))
def test_variables_are_escaped_in_html_and_unchanged_in_text(value):
    content = rendered("{{ student }}|", {"student": value}, html="<p>{{ student }}</p>")
    # An isolate before a space keeps it from being stripped.
    assert content.body.translate(WITHOUT_ISOLATES).strip() == f"{value}|".translate(WITHOUT_ISOLATES).strip()
    inner = content.html.removeprefix("<p>").removesuffix("</p>")
    assert "<" not in inner
    assert '"' not in inner


def test_the_output_of_a_template_is_limited():
    with pytest.raises(Unrenderable, match="longer than 20000"):
        rendered("{{ x }}" * 100, {"x": "y" * 1000})
    assert len(rendered("{{ x }}" * 9, {"x": "y" * 1000}).body) <= MAX_RENDERED["body"]


def test_a_long_name_does_not_prevent_a_notification():
    found = builtin.texts("absence")["en"]
    assert render(found, builtin.SAMPLE_VARIABLES | {"student": "A" * 255, "school": "S" * 255}, "en", "UTC").title


def test_a_missing_variable_is_named():
    with pytest.raises(Unrenderable, match="missing: student"):
        rendered("{{ student }}")


@pytest.mark.parametrize(
    ("body", "variables", "why"),
    [
        ("{{ x | date }}", {"x": "tomorrow"}, "not a date"),
        ("{{ x | money('EUR') }}", {"x": "1E+999999"}, "not a usable number"),
        ("{{ x | money('Euro') }}", {"x": "1"}, "ISO 4217"),
        ("{{ x | number }}", {"x": "many"}, "not a number"),
        ("{{ x | date('epic') }}", {"x": "2026-11-25"}, "length"),
    ],
)
def test_an_invalid_variable_is_refused_without_showing_its_value(body, variables, why):
    with pytest.raises(Unrenderable, match=why) as refused:
        rendered(body, variables)
    assert variables["x"] not in str(refused.value) or variables["x"] in ("1", "2026-11-25")


@pytest.mark.parametrize(
    ("language", "date", "money"),
    [
        ("en", "November 25, 2026", "€1,250.50"),
        ("en-GB", "25 November 2026", "€1,250.50"),
        ("de", "25. November 2026", "1.250,50\xa0€"),
        ("fr", "25 novembre 2026", "1\u202f250,50\xa0€"),
        ("ar", "25 نوفمبر 2026", "1,250.50"),
    ],
)
def test_dates_and_amounts_follow_the_language(language, date, money):
    content = rendered("{{ d | date }} {{ a | money('EUR') }}", {"d": "2026-11-25", "a": "1250.50"}, language)
    assert date in content.body
    assert money in content.body


def test_moments_are_in_the_schools_time_zone():
    content = rendered("{{ at | time }} {{ at | date('short') }}", {"at": "2026-07-01T22:30:00+00:00"}, "de")
    assert content.body == "00:30 02.07.26"


def test_languages_fall_back_from_the_person_to_the_school_to_english():
    assert languages("de-AT", "fr") == ["de-AT", "de", "fr", "en"]
    assert languages(None, "ar") == ["ar", "en"]


def test_the_text_direction_of_languages():
    assert [direction(tag) for tag in ("ar", "he", "en", "tlh")] == ["rtl", "rtl", "ltr", "ltr"]


@pytest.mark.parametrize(
    ("language", "value", "shown"),
    [
        ("ar", "Hill School (demo).", "\u2068Hill School (demo).\u2069"),
        ("ar", "one\n\ntwo 2", "\u2068one\u2069\n\n\u2068two 2\u2069"),
        ("ar", "12:30", "12:30"),
        ("en", "Hill School", "Hill School"),
        ("en", "\u0633\u0627\u0631\u0629", "\u2068\u0633\u0627\u0631\u0629\u2069"),
    ],
)
def test_a_variable_of_the_other_direction_is_isolated(language, value, shown):
    content = rendered("{{ v }}{% if v == 'x' %}y{% endif %}", {"v": value}, language, html="<p>{{ v }}</p>")
    assert content.body == shown
    assert content.html == f"<p>{shown}</p>"


def test_required_variables_are_found():
    assert required_variables(texts("{% if a %}{{ b | date }}{% endif %}", html="<p>{{ c }}</p>")) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("at", "zone"),
    [("0001-01-01T00:00:00+00:00", "America/New_York"), ("9999-12-31T23:59:59+00:00", "Pacific/Kiritimati")],
)
def test_a_moment_outside_the_calendar_of_a_zone_is_refused(at, zone):
    with pytest.raises(Unrenderable, match="not a moment"):
        render(texts("{{ at | moment }}"), {"at": at}, "en", zone)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("{{ x | number }}", "1e30"),
        ("{{ x | money('EUR') }}", "1e28"),
        ("{{ x | number }}", "9" * 900),
        ("{{ x | default(*x) }}", "abc"),
        ("{% if x == 'a' %}{{ 5 | date }}{% endif %}", "a"),
        ("{% if x == 'a' and x < 5 %}b{% endif %}", "a"),
    ],
)
def test_trust_8_what_fails_while_rendering_is_a_reason_and_no_crash(body, value):
    with pytest.raises(Unrenderable) as refused:
        rendered(body, {"x": value})
    assert value not in str(refused.value) or value == "a"


def test_trust_8_an_unknown_time_zone_is_a_reason_and_no_crash():
    with pytest.raises(Unrenderable, match="ZoneInfoNotFoundError"):
        render(texts("{{ x }}"), {"x": "y"}, "en", "Nowhere/Town")
