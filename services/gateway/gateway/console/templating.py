"""The templates: one environment for each language, with the filters that write numbers and times its way."""

import datetime as dt
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from babel import Locale
from babel.dates import format_datetime, format_timedelta, get_timezone
from babel.numbers import format_decimal
from babel.units import format_unit
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from gateway.console import assets
from gateway.console.texts import LANGUAGES, direction, translations
from gateway.console.vocabulary import NO_CHOICE, REPORT_LANGUAGES, TONES_OF, WORDS

SECOND, LONG = 1_000, 120_000


class Templates:
    """Renders pages."""

    def __init__(self) -> None:
        self._environments = {language: _environment(language) for language in LANGUAGES}

    def render(self, language: str, name: str, values: dict[str, Any]) -> str:
        """Return a page in a language."""
        return self._environments[language].get_template(name).render(values)

    def gettext(self, language: str, text: str) -> str:
        """Return a text in a language."""
        return translations(language).ugettext(text)


@cache
def _environment(language: str) -> Environment:
    """Make the environment of a language once for a process: it keeps the templates that were compiled."""
    made = Environment(
        loader=PackageLoader("gateway.console"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]
    locale = Locale.parse(language)
    text = translations(language).ugettext
    made.filters |= {
        "instant": pass_context(lambda context, moment: instant(context, moment, locale)),
        "moment": pass_context(lambda context, text: instant(context, moment_of(text), locale, "yyyy-MM-dd HH:mm")),
        "age": lambda seconds: format_timedelta(dt.timedelta(seconds=float(seconds)), locale=locale),
        "number": lambda value: format_decimal(value, locale=locale),
        "worded": text,
        "duration": lambda milliseconds: duration_text(milliseconds, locale),
        "bytes": lambda size: size_text(size, locale),
    }
    made.filters |= {name: _worded(text, words) for name, words in WORDS.items()}
    made.globals |= {
        "languages": LANGUAGES,
        "language": language,
        "direction": direction(language),
        "assets": assets.ADDRESSES,
        "words": WORDS,
        "tones": TONES_OF,
        "report_languages": REPORT_LANGUAGES,
    } | {
        f"{name}s": [(key, text(word)) for key, word in words.items() if key not in NO_CHOICE]
        for name, words in WORDS.items()
    }
    return made


def _worded(text: Callable[[str], str], words: Mapping[str, str]) -> Callable[[str], str]:
    """Return a filter that writes a name in the reader's language; an unknown one as it is."""
    return lambda name: text(words[name]) if name in words else str(name)


def size_text(size: int, locale: Locale) -> str:
    """Write a number of bytes in the unit that fits it."""
    for unit, step in (("megabyte", 1_000_000), ("kilobyte", 1_000)):
        if size >= step:
            return format_unit(round(size / step, 1), unit, "short", locale=locale)
    return format_unit(size, "byte", "short", locale=locale)


def duration_text(milliseconds: float, locale: Locale) -> str:
    """Write a time that passed in the unit that fits it."""
    if milliseconds < SECOND:
        return format_unit(round(milliseconds), "millisecond", "short", locale=locale)
    if milliseconds < LONG:
        return format_unit(round(milliseconds / SECOND, 1), "second", "short", locale=locale)
    return format_timedelta(dt.timedelta(milliseconds=milliseconds), locale=locale)


def moment_of(given: dt.datetime | str | None) -> dt.datetime | None:
    """Return an instant that another service has written as text."""
    return dt.datetime.fromisoformat(given) if isinstance(given, str) else given


def instant(
    context: Context, moment: dt.datetime | None, locale: Locale, shown_as: str = "yyyy-MM-dd HH:mm:ss"
) -> Markup:
    """Write a time in the page's zone; the page names the zone once, in its heading."""
    if moment is None:
        return Markup("–")
    zone = get_timezone(str(context["zone"]))
    shown = format_datetime(moment, shown_as, tzinfo=zone, locale=locale)
    return Markup('<time datetime="{}"><bdi>{}</bdi></time>').format(moment.isoformat(), escape(shown))
