"""From a template and its variables to words, in a language: pure, and bounded by construction.

A template is Jinja without loops, calls, attributes and arithmetic (`SOUND`): its time is linear in its length, and
what it makes is refused beyond `RENDERED`. The environment is a sandbox nevertheless.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from jinja2 import StrictUndefined, Template, TemplateError, meta, nodes
from jinja2.sandbox import SandboxedEnvironment
from pydantic import BaseModel, ConfigDict, Field

from notifier.content import template_filters
from notifier.content.template_filters import LOCALE, ZONE
from notifier.content.template_html import unsound_html

SOUND = (
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
LIMITS = {"title": 200, "body": 10_000, "html": 50_000, "push_title": 200, "push_body": 1000}
"""Characters of each part, as written."""
RENDERED = {part: max(2 * most, 600) for part, most in LIMITS.items()}
"""Characters of each part with its variables in it: a long name in a title is no reason to tell nobody."""
ENGLISH = "en"
UNMARKED = dict.fromkeys(map(ord, (template_filters.FSI, template_filters.PDI)))


class Unrenderable(Exception):
    """The words cannot be made; says why, without any value."""


class Texts(BaseModel):
    """A template in one language. Where `html` is missing it is made from `body`, and the push from title and body."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(min_length=1, max_length=LIMITS["title"])
    body: str = Field(min_length=1, max_length=LIMITS["body"])
    html: str | None = Field(default=None, max_length=LIMITS["html"])
    push_title: str | None = Field(default=None, max_length=LIMITS["push_title"])
    push_body: str | None = Field(default=None, max_length=LIMITS["push_body"])

    @property
    def parts(self) -> dict[str, str]:
        """The parts that are written."""
        return {name: text for name, text in self.model_dump().items() if text is not None}


@dataclass(frozen=True, slots=True)
class Words:
    """What a notification says in one language."""

    title: str
    body: str
    html: str | None
    push_title: str
    push_body: str


def _environment(*, html: bool) -> SandboxedEnvironment:
    environment = SandboxedEnvironment(
        autoescape=html, undefined=StrictUndefined, trim_blocks=False, finalize=template_filters.isolated
    )
    environment.globals.clear()
    environment.tests.clear()
    environment.filters.clear()
    environment.filters.update(template_filters.ALL)
    return environment


PLAIN, HTML = _environment(html=False), _environment(html=True)


@lru_cache(maxsize=512)
def _compiled(source: str, html: bool) -> Template:
    return (HTML if html else PLAIN).from_string(source)


def unsound(texts: Texts, allowed: Iterable[str]) -> list[str]:
    """What is wrong with a template, part by part; empty where it is sound. Unknown variables are named."""
    known = frozenset(allowed)
    return [f"{part}: {why}" for part, source in texts.parts.items() for why in _unsound(source, part, known)]


def _unsound(source: str, part: str, known: frozenset[str]) -> list[str]:
    environment = HTML if part == "html" else PLAIN
    try:
        tree = environment.parse(source)
        strange = sorted({type(node).__name__.lower() for node in tree.find_all(nodes.Node) if type(node) not in SOUND})
        if strange:
            return [f"only variables, filters and if are understood, not: {', '.join(strange)}"]
        # Only now: compiling works out constants, and 'a' * 1000000000 is one.
        _compiled(source, part == "html")
    except TemplateError as problem:
        return [str(problem)]
    except (RecursionError, SyntaxError, ValueError):
        return ["is nested too deep"]
    unknown = sorted(meta.find_undeclared_variables(tree) - known)
    wrong = [f"unknown variables: {', '.join(unknown)}; known are: {', '.join(sorted(known))}"] if unknown else []
    return wrong + (unsound_html(source) if part == "html" else [])


def used(texts: Texts) -> frozenset[str]:
    """The variables that a sound template needs."""
    return frozenset().union(*(meta.find_undeclared_variables(PLAIN.parse(part)) for part in texts.parts.values()))


def render(texts: Texts, variables: Mapping[str, str], language: str, timezone: str) -> Words:
    """The words of a sound template; raises Unrenderable naming what is missing, wrong or too long."""
    missing = sorted(used(texts) - variables.keys())
    if missing:
        raise Unrenderable(f"variables are missing: {', '.join(missing)}")
    values = {**variables, LOCALE: locale_of(language), ZONE: ZoneInfo(timezone)}
    made = {part: _render(part, source, values) for part, source in texts.parts.items()}
    title = _one_line(made["title"])
    return Words(
        title=title,
        body=made["body"].strip(),
        html=made.get("html"),
        push_title=_one_line(made.get("push_title", title)),
        push_body=made.get("push_body", made["body"]).strip(),
    )


def _one_line(text: str) -> str:
    """A title: no line breaks, and none of the marks that not every list of titles understands."""
    return " ".join(text.translate(UNMARKED).split())


def _render(part: str, source: str, values: Mapping[str, object]) -> str:
    pieces, length = [], 0
    try:
        for piece in _compiled(source, part == "html").generate(values):
            length += len(piece)
            if length > RENDERED[part]:
                raise Unrenderable(f"{part}: is longer than {RENDERED[part]} characters")
            pieces.append(piece)
    except template_filters.Misfit as problem:
        raise Unrenderable(f"{part}: {problem}") from problem
    except TemplateError as problem:
        raise Unrenderable(f"{part}: {type(problem).__name__}") from problem
    return "".join(pieces)


def languages(asked: str | None, school: str) -> list[str]:
    """The languages to try, best first: the person's, the school's, English; each with and without its region."""
    tags = [tag.replace("_", "-") for tag in (asked, school) if tag]
    wider = [each for tag in tags for each in (tag, tag.partition("-")[0])]
    return list(dict.fromkeys([*wider, ENGLISH]))


def locale_of(language: str) -> Locale:
    """The locale of a language tag, or of the nearest that is known."""
    for tag in (language, language.partition("-")[0], ENGLISH):
        try:
            return Locale.parse(tag, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    raise AssertionError("English is always known")


def direction(language: str) -> str:
    """`rtl` or `ltr`, as HTML's `dir` says it."""
    return str(locale_of(language).text_direction)
