"""The templates: one environment for each language, with the filters that write numbers and times its way."""

import datetime as dt
from typing import Any, get_args

from babel import Locale
from babel.dates import format_datetime, format_timedelta, get_timezone
from babel.numbers import format_decimal
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from gateway.console import assets
from gateway.console.query import NotificationState
from gateway.console.texts import LANGUAGES, direction, translations
from gateway.console.vocabulary import CHANNELS, KINDS, REASONS, ROLES, STATES, TONES
from gateway.operations.failure_reads import FailureState
from gateway.tasks.reads import WorkerState
from shared.events import TaskState


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
        "age": lambda seconds: format_timedelta(dt.timedelta(seconds=float(seconds)), locale=locale),
        "number": lambda value: format_decimal(value, locale=locale),
        "state": lambda state: text(STATES.get(state) or str(state)),
        "role": lambda role: text(ROLES.get(role) or str(role)),
        "kind": lambda kind: text(KINDS.get(kind) or str(kind)),
        "channel": lambda channel: text(CHANNELS.get(channel) or str(channel)),
        "reason": lambda reason: text(REASONS.get(reason) or str(reason)),
        "moment": lambda written: dt.datetime.fromisoformat(written) if written else None,
        "worded": text,
    }
    made.globals |= {
        "languages": LANGUAGES,
        "language": language,
        "direction": direction(language),
        "assets": assets.ADDRESSES,
        "tones": TONES,
        "kinds": [(name, text(label)) for name, label in KINDS.items()],
        "channel_names": [(name, text(label)) for name, label in CHANNELS.items()],
        "notification_states": [(name, text(STATES[name])) for name in get_args(NotificationState)],
        "states": [(name, text(STATES[name])) for name in get_args(TaskState)],
        "failure_states": [(name, text(STATES[name])) for name in get_args(FailureState)],
        "worker_states": [(name, text(STATES[name])) for name in get_args(WorkerState)],
    }
    return made


def instant(context: Context, moment: dt.datetime | None, locale: Locale) -> Markup:
    """Write a time in the page's zone; the page names the zone once, in its heading."""
    if moment is None:
        return Markup("–")
    zone = get_timezone(str(context["zone"]))
    shown = format_datetime(moment, "yyyy-MM-dd HH:mm:ss", tzinfo=zone, locale=locale)
    return Markup('<time datetime="{}"><bdi>{}</bdi></time>').format(moment.isoformat(), escape(shown))
