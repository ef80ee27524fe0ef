"""Renders a template with its variables in a language. Pure, and bounded by what `template_check` lets pass.

Its output is refused beyond `MAX_RENDERED`. What fails while it is rendered is `Unrenderable`, whatever it is: the same
values would fail again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from jinja2 import StrictUndefined, Template, meta
from jinja2.sandbox import SandboxedEnvironment
from pydantic import BaseModel, ConfigDict, Field

from notifier.content import template_filters
from notifier.content.template_filters import LOCALE, ZONE

MAX_WRITTEN = {"title": 200, "body": 10_000, "html": 50_000, "push_title": 200, "push_body": 1000}
"""Characters of each part, as written."""
MAX_RENDERED = {part: max(2 * most, 600) for part, most in MAX_WRITTEN.items()}
"""Characters of each part with its variables: a long name in a title must not prevent a notification."""
ENGLISH = "en"
WITHOUT_ISOLATES = dict.fromkeys(map(ord, (template_filters.FSI, template_filters.PDI)))


class Unrenderable(Exception):
    """The text cannot be rendered; the message says why, without the value of any variable."""


class Misused(Unrenderable):
    """A filter or a comparison cannot work with what the template gives it, whatever the variables are."""


class Texts(BaseModel):
    """A template in one language. Where `html` is missing it is made from `body`, and the push from title and body."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(min_length=1, max_length=MAX_WRITTEN["title"])
    body: str = Field(min_length=1, max_length=MAX_WRITTEN["body"])
    html: str | None = Field(default=None, max_length=MAX_WRITTEN["html"])
    push_title: str | None = Field(default=None, max_length=MAX_WRITTEN["push_title"])
    push_body: str | None = Field(default=None, max_length=MAX_WRITTEN["push_body"])

    @property
    def parts(self) -> dict[str, str]:
        """The parts that are given."""
        return {name: text for name, text in self.model_dump().items() if text is not None}


@dataclass(frozen=True, slots=True)
class RenderedContent:
    """The content of a notification. `language` is None where a person wrote it, in an unknown language."""

    title: str
    body: str
    push_title: str
    push_body: str
    html: str | None = None
    language: str | None = None


def _environment(*, html: bool) -> SandboxedEnvironment:
    environment = SandboxedEnvironment(
        autoescape=html, undefined=StrictUndefined, trim_blocks=False, finalize=template_filters.isolate_direction
    )
    environment.globals.clear()
    environment.tests.clear()
    environment.filters.clear()
    environment.filters.update(template_filters.ALL)
    return environment


PLAIN, HTML = _environment(html=False), _environment(html=True)


@lru_cache(maxsize=512)
def compiled(source: str, *, html: bool) -> Template:
    """Compile a text, once."""
    return (HTML if html else PLAIN).from_string(source)


def required_variables(texts: Texts) -> frozenset[str]:
    """Return the variables that a correct template needs."""
    return frozenset().union(*map(_variables_of, texts.parts.values()))


@lru_cache(maxsize=512)
def _variables_of(source: str) -> frozenset[str]:
    return frozenset(meta.find_undeclared_variables(PLAIN.parse(source)))


def render(texts: Texts, variables: Mapping[str, str], language: str, timezone: str) -> RenderedContent:
    """Render a correct template; raise Unrenderable naming what is missing, wrong or too long."""
    try:
        missing = sorted(required_variables(texts) - variables.keys())
        values = {**variables, LOCALE: locale_of(language), ZONE: ZoneInfo(timezone)}
    except Exception as problem:
        raise Unrenderable(f"it cannot be read any more ({type(problem).__name__})") from problem
    if missing:
        raise Unrenderable(f"variables are missing: {', '.join(missing)}")
    parts = {part: render_part(part, source, values) for part, source in texts.parts.items()}
    title = _one_line(parts["title"])
    return RenderedContent(
        title=title,
        body=parts["body"].strip(),
        push_title=_one_line(parts.get("push_title", title)),
        push_body=parts.get("push_body", parts["body"]).strip(),
        html=parts.get("html"),
    )


def _one_line(text: str) -> str:
    """Return a title without line breaks, and without marks that some lists of titles show."""
    return " ".join(text.translate(WITHOUT_ISOLATES).split())


def render_part(part: str, source: str, values: Mapping[str, object]) -> str:
    """Render one part; raise Unrenderable, or Misused where no other values would help."""
    try:
        return "".join(_bounded(compiled(source, html=part == "html").generate(values), part))
    except Unrenderable:
        raise
    except template_filters.InvalidVariable as problem:
        raise Unrenderable(f"{part}: {problem}") from problem
    except Exception as problem:
        reason = "a filter or a comparison cannot use what it is given"
        raise Misused(f"{part}: {reason} ({type(problem).__name__})") from problem


def _bounded(pieces: Iterator[str], part: str) -> Iterator[str]:
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > MAX_RENDERED[part]:
            raise Unrenderable(f"{part}: it is longer than {MAX_RENDERED[part]} characters")
        yield piece


def languages(asked: str | None, school: str) -> list[str]:
    """Return the languages to try: the person's, the school's, English; each with and without its region."""
    tags = [tag.replace("_", "-") for tag in (asked, school) if tag]
    candidates = [each for tag in tags for each in (tag, tag.partition("-")[0])]
    return list(dict.fromkeys([*candidates, ENGLISH]))


def locale_of(language: str) -> Locale:
    """Return the locale of a language tag, or of the nearest known one."""
    for tag in (language, language.partition("-")[0], ENGLISH):
        try:
            return Locale.parse(tag, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    raise AssertionError("English is always known")


def direction(language: str) -> str:
    """Return `rtl` or `ltr`, the value of HTML's `dir`."""
    return str(locale_of(language).text_direction)
