"""Writes words, numbers, days and amounts of a report in a language: texts from `texts/`, forms from CLDR by Babel."""

import datetime as dt
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

from babel import Locale
from babel.core import get_global
from babel.dates import format_date, format_datetime, format_interval
from babel.numbers import format_currency, format_decimal

from reports.domain.content import Period
from reports.pages.directions import isolate

MINUS, PLUS = "\u2212", "+"


class UnknownLanguage(ValueError):
    """There are no texts in this language; the message names those that there are."""


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language. Values in texts are isolated, so that their direction disturbs nothing around."""

    language: str
    locale: Locale
    texts: dict[str, str]
    names: dict[str, str]
    direction: str
    """`ltr` or `rtl`: how lines and columns run."""

    def text(self, key: str, **values: str) -> str:
        """Return a text with its values filled in."""
        return self.texts[key].format(**{name: self.apart(value) for name, value in values.items()})

    def plain_text(self, key: str, **values: str) -> str:
        """Return a text for machines: its values are not isolated."""
        return self.texts[key].format(**values)

    def apart(self, value: str) -> str:
        """Return a value that disturbs no line around it."""
        return isolate(value, self.direction)

    def name(self, value: str) -> str:
        """Return the word for a value of a record, or the value itself where a school chose it."""
        return self.names.get(value, value)

    def number(self, value: int | Decimal) -> str:
        return format_decimal(value, locale=self.locale)

    def change(self, value: int | Decimal) -> str:
        """Write a difference with its sign."""
        return f"{PLUS if value > 0 else MINUS if value < 0 else ''}{self.number(value if value > 0 else -value)}"

    def day(self, value: dt.date) -> str:
        return format_date(value, "medium", locale=self.locale)

    def short_day(self, value: dt.date) -> str:
        """Write a day under a chart."""
        return format_date(value, "d", locale=self.locale)

    def month(self, value: dt.date) -> str:
        return format_date(value, "LLL yyyy", locale=self.locale)

    def period(self, value: Period) -> str:
        """Write a calendar month as month and year; other periods by their own name, if any, and days."""
        last = value.ends - dt.timedelta(days=1)
        if value.starts.day == value.ends.day == 1 and (value.starts.year, value.starts.month) == (
            last.year,
            last.month,
        ):
            return format_date(value.starts, "LLLL y", locale=self.locale)
        days = format_interval(value.starts, last, "yMMMd", locale=self.locale)
        return f"{self.apart(value.name)}, {self.apart(days)}" if value.name else days

    def moment(self, value: dt.datetime, timezone: str) -> str:
        """Write a moment in a timezone, to the minute."""
        return format_datetime(value.astimezone(ZoneInfo(timezone)), "d MMM y HH:mm ZZZZ", locale=self.locale)

    def amount(self, value: Decimal, currency: str) -> str:
        """Write an amount without its currency, with the currency's decimal places."""
        return format_currency(value, currency, format="#,##0.00", locale=self.locale)


def decimal_places(currency: str) -> int:
    """Return the number of decimal places of a currency (CLDR)."""
    fractions = get_global("currency_fractions")
    places: int = fractions.get(currency, fractions["DEFAULT"])[0]
    return places


@cache
def known_languages() -> tuple[str, ...]:
    """Return the languages that reports are written in."""
    folder = resources.files("reports.pages") / "texts"
    return tuple(sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml")))


@cache
def words_of(language: str) -> Words:
    """Return the words of a language. Raise UnknownLanguage where there are none."""
    if language not in known_languages():
        raise UnknownLanguage(f"reports are written in {', '.join(known_languages())}; {language!r} is none of them")
    file = resources.files("reports.pages") / "texts" / f"{language}.toml"
    texts = tomllib.loads(file.read_text(encoding="utf-8"))
    locale = Locale.parse(texts.pop("locale"))
    return Words(language, locale, names=texts.pop("names"), texts=texts, direction=locale.text_direction)
