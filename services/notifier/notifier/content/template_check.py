"""Finds what is wrong with a template before it is saved: a send must not be where it shows.

A template is Jinja without loops, calls, attributes and arithmetic (`ALLOWED_NODES`), of at most `MAX_TOKENS`: so its
time is linear in its length. The environment is a sandbox nevertheless.
"""

import inspect
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from zoneinfo import ZoneInfo

from jinja2 import TemplateError, meta, nodes
from jinja2.sandbox import SandboxedEnvironment

from notifier.content import template_filters
from notifier.content.template_engine import (
    ENGLISH,
    HTML,
    PLAIN,
    Misused,
    Texts,
    Unrenderable,
    compiled,
    locale_of,
    render_part,
)
from notifier.content.template_filters import LOCALE, ZONE
from notifier.content.template_html import find_html_problems

ALLOWED_NODES = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Filter,
    nodes.If,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
)
MAX_TOKENS = 1_500
"""Parts of speech of one text, spaces in its variables included: about 150 variables. They decide the time."""
TRIAL_VALUES = ("", "5", "2026-11-25T10:00:00+00:00", "EUR")
"""Every variable has each of these in turn when a template is checked: what fails then would fail for a send."""


def find_problems(texts: Texts, allowed: Iterable[str]) -> list[str]:
    """Return what is wrong with a template, part by part; nothing for a correct one. Unknown variables are named."""
    known = frozenset(allowed)
    return [f"{part}: {why}" for part, source in texts.parts.items() for why in _find_problems(source, part, known)]


@lru_cache(maxsize=512)
def _find_problems(source: str, part: str, known: frozenset[str]) -> Sequence[str]:
    """Find them once: an editor previews a template after each change, and most of its texts are as before."""
    environment = HTML if part == "html" else PLAIN
    try:
        if _count_tokens(environment, source) > MAX_TOKENS:
            return [f"it has too many variables and conditions: more than {MAX_TOKENS} words and signs"]
        tree = environment.parse(source)
        if problems := list(_find_misuse(tree)):
            return problems
        # Not earlier: compiling computes constants, and 'a' * 1000000000 is one.
        compiled(source, html=part == "html")
    except TemplateError as problem:
        return [str(problem)]
    except (RecursionError, SyntaxError, ValueError):
        return ["it is nested too deeply"]
    unknown = sorted(meta.find_undeclared_variables(tree) - known)
    if unknown:
        return [f"unknown variables: {', '.join(unknown)}; known are: {', '.join(sorted(known))}"]
    return _try_values(source, part, known) + (find_html_problems(source) if part == "html" else [])


def _count_tokens(environment: SandboxedEnvironment, source: str) -> int:
    """Count the tokens of a text, up to one more than are allowed."""
    count = 0
    for count, _ in enumerate(environment.lex(source), start=1):
        if count > MAX_TOKENS:
            break
    return count


def _find_misuse(tree: nodes.Template) -> Iterator[str]:
    """Find what no template may use, and filters with arguments that they do not take."""
    forbidden = {type(node).__name__.lower() for node in tree.find_all(nodes.Node) if type(node) not in ALLOWED_NODES}
    if forbidden:
        yield f"only variables, filters and if are allowed, not: {', '.join(sorted(forbidden))}"
        return
    for each in tree.find_all(nodes.Filter):
        if each.name in template_filters.ALL and not _fits(each):
            yield f"the filter {each.name} does not take these arguments"


def _fits(each: nodes.Filter) -> bool:
    """Return whether a filter takes the arguments that a template gives it; `*` and `**` give unknown ones."""
    if each.dyn_args or each.dyn_kwargs:
        return False
    function = template_filters.ALL[each.name]
    before = (None,) * (2 if function in template_filters.WITH_CONTEXT else 1)
    try:
        inspect.signature(function).bind(*before, *each.args)
    except TypeError:
        return False
    return True


def _try_values(source: str, part: str, known: frozenset[str]) -> list[str]:
    """Render with values of every kind; return what would fail for another reason than the value itself."""
    problems: dict[str, None] = {}
    for value in TRIAL_VALUES:
        try:
            render_part(
                part, source, {**dict.fromkeys(known, value), LOCALE: locale_of(ENGLISH), ZONE: ZoneInfo("UTC")}
            )
        except Misused as problem:
            problems[str(problem).removeprefix(f"{part}: ")] = None
        except Unrenderable:
            continue  # this value does not fit; another one will
    return list(problems)
