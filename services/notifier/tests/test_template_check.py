"""What a template may hold, found before it is saved, in bounded time."""

import re
import time
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.content import template_check
from notifier.content.template_check import find_problems
from notifier.content.template_engine import (
    Texts,
)
from notifier.content.template_html import TAGS, find_html_problems


def texts(body="x", **parts):
    return Texts(**({"title": "t", "body": body} | parts))


@pytest.mark.parametrize(
    "source",
    [
        "{% for x in 'abc' %}{{ x }}{% endfor %}",
        "{{ student.__class__ }}",
        "{{ student['a'] }}",
        "{{ student() }}",
        "{{ 'a' * 1000000000 }}",
        "{{ 1 + 1 }}",
        "{{ student ~ student }}",
        "{% set x = 1 %}",
        "{% include 'x' %}",
        "{% macro m() %}{% endmacro %}",
        "{{ student | safe }}",
        "{{ student | center(10000000) }}",
        "{{ range(9) }}",
        "{{ student",
        "{% if student %}",
        "{{ " + "(" * 3000 + "student" + ")" * 3000 + " }}",
    ],
)
def test_a_template_with_anything_but_variables_filters_and_if_is_refused(source):
    assert find_problems(texts(source), ["student"])


def test_a_text_that_has_not_changed_is_checked_once():
    one, other = f"{{{{ student }}}} {uuid4()}", f"{{{{ student }}}} {uuid4()}"
    find_problems(texts(one), ["student"])
    before = template_check._find_problems.cache_info()
    find_problems(texts(one), ["student"])
    assert template_check._find_problems.cache_info().misses == before.misses
    find_problems(texts(other), ["student"])
    assert template_check._find_problems.cache_info().misses == before.misses + 1


def test_unknown_variables_are_named():
    assert find_problems(texts("{{ studnet }} {{ school }}"), ["student", "school"]) == [
        "body: unknown variables: studnet; known are: school, student"
    ]


@pytest.mark.parametrize(
    ("html", "why"),
    [
        ("<script>x</script>", "<script> is not allowed here"),
        ('<p onclick="x">a</p>', "onclick"),
        ('<a href="javascript:x">a</a>', "https://"),
        ('<a href="{{ student }}">a</a>', "href"),
        ("<{{ student }}>", "write &lt;"),
        ("<p>{% if student %}<{% endif %}b>", "write &lt;"),
        ("<p>a", "<p> is not closed"),
        ("a</p>", "has no opening tag"),
        ('<img src="https://tracker.example.org/1">', "<img>"),
        ("<!-- x -->", "comments"),
        ("<!doctype html>", "declarations"),
        ('<p style="x">a</p>', "style"),
    ],
)
def test_html_with_scripts_or_tracking_is_refused(html, why):
    assert any(why in each for each in find_html_problems(html))


def test_html_for_mail_is_allowed():
    assert find_html_problems('<p>a<br><a href="https://example.org/x">{{ student }}</a></p><ul><li>b</li></ul>') == []


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{{ x | default(*x) }}", "does not take these arguments"),
        ("{{ x | default(**x) }}", "does not take these arguments"),
        ("{{ x | date(1, 2, 3) }}", "does not take these arguments"),
        ("{{ x | upper('a') }}", "does not take these arguments"),
        ("{{ x | money }}", "does not take these arguments"),
        ("{{ x | date(size='long') }}", "not: keyword"),
        ("{% if x < 5 %}a{% endif %}", "cannot use what it is given"),
        ("{% if x in 5 %}a{% endif %}", "cannot use what it is given"),
        ("{{ 5 | date }}", "cannot use what it is given"),
        ("{% if x == 'EUR' %}{{ 5 | moment }}{% endif %}", "cannot use what it is given"),
    ],
)
def test_trust_8_a_template_that_fails_while_rendering_is_refused_when_saved(source, why):
    assert any(why in each for each in find_problems(texts(source), ["x"]))


SLOW_HTML = {
    "open tags": "<a " * 16_600,
    "declarations": "<![" * 16_600,
    "unclosed quote": '<a href="' * 5_500,
    "attributes": "<a " + "b " * 24_000 + ">",
    "equals": "<a " + "b = " * 12_000 + ">",
    "spaces": "<a" + " " * 49_000,
    "slashes": "<a" + "/" * 49_000,
    "comments": "<!--" * 12_000,
    "end tags": "</a " * 12_000,
    "nested": "<b>" * 16_000,
    "quotes": "<a " + "b='" * 16_000,
}


SLOW_TEXT = {
    "variables": "{{ x }}" * 7_000,
    "filters": "{{ x" + " | trim" * 6_000 + " }}",
    "comparisons": "{{ x == " + "x == " * 9_000 + "x }}",
    "alternatives": "{{ " + "x or " * 9_000 + "x }}",
    "conditions": "{% if x %}a{% endif %}" * 2_200,
    "nested conditions": "{% if x %}" * 4_000,
    "comments": "{# #}" * 9_000,
    "digits": "{{ " + "1" * 49_000 + " }}",
    "groups": "{{ " + "1_" * 24_000 + " }}",
    "spaces": "{%" + " " * 49_000,
    "quotes": "{{ " + "'" * 49_000,
    "backslashes": "{{ '" + "\\" * 49_000,
}


CPU_SECONDS = 10
"""A check that is not linear takes minutes for these; a linear one takes 0.06, which `make test` does not measure."""


@pytest.mark.parametrize("name", SLOW_HTML)
def test_trust_3_the_check_of_html_is_linear(name):
    source, began = SLOW_HTML[name], time.process_time()
    assert find_html_problems(source)
    assert time.process_time() - began < CPU_SECONDS


@pytest.mark.parametrize("name", SLOW_TEXT)
def test_trust_3_a_template_of_any_text_is_checked_in_bounded_time(name):
    source, began = SLOW_TEXT[name], time.process_time()
    assert find_problems(Texts(title="t", body="b", html=source), ["x"])
    assert time.process_time() - began < CPU_SECONDS


@given(st.text("<>/!?-[]{}%# =\"'ab\n", max_size=80))
def test_trust_3_no_html_is_an_uncaught_error(source):
    problems = find_html_problems(source)
    # and what is allowed has no tag but the listed ones
    assert problems or all(tag in TAGS for tag in re.findall(r"<\s*/?\s*([a-z]+)", source.lower()))
