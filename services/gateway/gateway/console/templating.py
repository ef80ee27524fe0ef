"""The templates: one environment for each language, with the filters that write numbers and times its way."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, get_args

from babel import Locale
from babel.dates import format_datetime, format_timedelta, get_timezone
from babel.numbers import format_decimal
from babel.units import format_unit
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from gateway.console import assets, file_words, import_words, report_words, schedule_words
from gateway.console.query import NotificationState
from gateway.console.texts import LANGUAGES, direction, translations
from gateway.console.vocabulary import CHANNELS, KINDS, REASONS, ROLES, STATES, TONES
from gateway.operations.failure_reads import FailureState
from gateway.tasks.reads import WorkerState
from shared.events import TaskState

WORDS: dict[str, Mapping[str, str]] = {
    "file_state": file_words.STATES,
    "file_kind": file_words.KINDS,
    "report_kind": report_words.KINDS,
    "report_state": report_words.STATES,
    "report_format": report_words.FORMATS,
    "import_count": import_words.COUNTS,
    "schedule_state": schedule_words.STATES,
    "schedule_outcome": schedule_words.OUTCOMES,
    "schedule_catch_up": schedule_words.CATCH_UPS,
}
"""Words by the filter that writes them; with an `s` behind it, the choices of a filter."""


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


def _environment(language: str) -> Environment:
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
        "state": lambda state: text(STATES.get(state) or str(state)),
        "role": lambda role: text(ROLES.get(role) or str(role)),
        "kind": lambda kind: text(KINDS.get(kind) or str(kind)),
        "channel": lambda channel: text(CHANNELS.get(channel) or str(channel)),
        "reason": lambda reason: text(REASONS.get(reason) or str(reason)),
        "worded": text,
        "bytes": lambda size: size_text(size, locale),
    }
    made.filters |= {name: _worded(text, words) for name, words in WORDS.items()}
    made.globals |= {
        "languages": LANGUAGES,
        "language": language,
        "direction": direction(language),
        "assets": assets.ADDRESSES,
        "tones": TONES,
        "kinds": [(name, text(label)) for name, label in KINDS.items()],
        "channel_names": [(name, text(label)) for name, label in CHANNELS.items()],
        "notification_states": [(name, text(STATES[name])) for name in get_args(NotificationState)],
        "roles": [(name, text(word)) for name, word in ROLES.items() if name != "platform_admin"],
        "file_tones": file_words.TONES,
        "report_tones": report_words.TONES,
        "report_languages": report_words.LANGUAGES,
        "schedule_tones": schedule_words.TONES,
        "states": [(name, text(STATES[name])) for name in get_args(TaskState)],
        "failure_states": [(name, text(STATES[name])) for name in get_args(FailureState)],
        "worker_states": [(name, text(STATES[name])) for name in get_args(WorkerState)],
    } | {
        f"{name}s": [(key, text(word)) for key, word in words.items() if key != "accepted"]
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
