"""The texts of the console in several languages: catalogs in `locales/`, one for each language but English.

They are read as they are translated (`.po`), so that nothing has to be compiled.
A text without a translation is shown in English.
"""

from functools import cache
from io import BytesIO
from pathlib import Path

from babel import Locale, negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

LANGUAGES = {"en": "English", "de": "Deutsch", "ar": "العربية"}
"""Each in its own language, for people who look for theirs."""
FOLDER = Path(__file__).parent / "locales"
COOKIE = "language"


def N_(text: str) -> str:  # noqa: N802  # the name by which catalogs find texts
    """Mark a text that is translated where it is shown."""
    return text


@cache
def translations(language: str) -> NullTranslations:
    """Return the catalog of a language; English is the texts themselves."""
    file = FOLDER / f"{language}.po"
    if not file.exists():
        return NullTranslations()
    with file.open("rb") as source:
        catalog = read_po(source, locale=language)
    compiled = BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return Translations(compiled)


def direction(language: str) -> str:
    """Return the direction in which a language is written."""
    return Locale.parse(language).text_direction


def chosen_language(kept: str | None, accepted: str) -> str:
    """Return the language that a person has chosen, else the best of those that the browser asks for."""
    if kept in LANGUAGES:
        return kept
    wanted = [part.partition(";") for part in accepted.split(",")]
    ordered = sorted(wanted, key=lambda part: -_weight(part[2]))
    names = [part[0].strip().replace("-", "_") for part in ordered if part[0].strip()]
    return negotiate_locale(names, list(LANGUAGES)) or "en"


def _weight(parameter: str) -> float:
    try:
        return float(parameter.strip().removeprefix("q="))
    except ValueError:
        return 1.0
