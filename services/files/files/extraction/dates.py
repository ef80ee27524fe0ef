"""Read dates as they are printed. Day and month are ordered by the school's country; what stays open is ambiguous."""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal

import dateparser
from babel import Locale, UnknownLocaleError

from files.extraction.amounts import normalise
from files.extraction.currencies import countries_of_currency
from files.extraction.folding import LETTER_FOR_DIGIT

Order = Literal["DMY", "MDY", "YMD"]

LANGUAGES = ["en", "es", "de", "fr", "it", "nl", "pt", "ms", "id", "pl", "sv", "da"]
"""The languages of month names. More languages make each look-up slower and more tolerant of what is no date."""
FIRST_YEAR, LAST_YEAR = 1900, 2099
MONTHS = 12
SHORT = 2
PIVOT = 70
"""Two-digit years from here on are of the last century."""
SPLIT_DAY = re.compile(r"(?:^|\D\s|:)[0-3]\s$")
"""A digit in front of a day is perhaps its first: OCR reads "25/12" as "2 5/12"."""
BEFORE_UPLOAD = dt.timedelta(days=731)
AFTER_UPLOAD = dt.timedelta(days=1)

_YEAR = r"(?:(?:19|20)\d\d(?=\D|$|[0-2]?\d:\d\d)|\d\d(?=$|[0-2]\d:\d\d|\D)(?!\s?,?\s?(?:19|20)\d\d))"
_SEPARATOR = r"\s?[-/.]\s?"
_NUMERIC = re.compile(
    rf"(?:(?<![\d.,/-])(?P<a>\d{{1,2}})|(?<=\d{{4}})(?P<glued>\d\d))(?P<s>{_SEPARATOR})(?P<b>\d{{1,2}})\s?[-/.]\s?(?P<y>{_YEAR})(?![%-]|/(?!\s?[0-2]?\d:))"
)
"""`glued`: OCR joins the number in front ("568398 27-04-18"); then the day has two digits."""
_YEAR_FIRST = re.compile(
    r"(?<![\d.,/-])(?P<y>(?:19|20)\d\d)(?:\s?[-/.年]\s?)(?P<b>\d{1,2})(?:\s?[-/.月]\s?)(?P<a>\d{1,2})(?!\d?[\d/-]\d)日?"
)
_MONTH = r"(?P<m>(?:[^\W\d_]|[015](?=[^\W\d_])){3,12})"
"""A name of letters; OCR reads some as digits ("0ct")."""
_DAY_FIRST = re.compile(
    rf"(?<![\d.,/-])(?P<d>\d{{1,2}})(?:st|nd|rd|th|er|\.|º|°)?\s?(?:de\s|of\s)?[-./,\s]?\s?{_MONTH}\.?\s?(?:de\s?|del\s?|of\s)?[-./,'\u2019\s]?\s?(?P<y>{_YEAR})",
    re.IGNORECASE,
)
_MONTH_FIRST = re.compile(
    rf"(?<![^\W\d_]){_MONTH}\.?[-\s]{{0,2}}(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\s?[-,.\s'\u2019]\s?,?\s?(?P<y>(?:19|20)\d\d|\d\d(?=\s|$))",
    re.IGNORECASE,
)
_YEAR_MONTH_DAY = re.compile(rf"(?<!\d)(?P<y>(?:19|20)\d\d)[-\s/.]{_MONTH}[-\s/.](?P<d>\d{{1,2}})(?!\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FoundDate:
    """A date and where it stands in its text. `ambiguous`: day and month could be the other way round."""

    value: dt.date
    ambiguous: bool
    start: int
    end: int


def find_dates(text: str, order: Order | None = None) -> list[FoundDate]:
    """Return the dates in a text, from left to right. Days that no calendar has are none."""
    spelled = normalise(text)
    found: list[FoundDate] = []
    for date in (*_year_first(spelled), *_numeric(spelled, order), *_textual(spelled)):
        if all(date.end <= other.start or date.start >= other.end for other in found):
            found.append(date)
    return sorted(found, key=lambda date: date.start)


def order_of_country(country: str | None) -> Order | None:
    """Return the order of day, month and year that a country writes, from CLDR."""
    if country is None:
        return None
    try:
        pattern = str(Locale.parse(f"und_{country.upper()}").date_formats["short"].pattern).lower()
    except (UnknownLocaleError, ValueError):
        return None
    places = {letter.upper(): pattern.find(letter) for letter in "dmy"}
    order = "".join(sorted(places, key=lambda letter: places[letter]))
    known: dict[str, Order] = {"DMY": "DMY", "MDY": "MDY", "YMD": "YMD"}
    return known.get(order)


@cache
def order_of_currency(currency: str | None) -> Order | None:
    """Return the order of the countries that pay in a currency, if none of them writes the month first, or all do."""
    countries = countries_of_currency(currency) if currency else ()
    orders = {order for country in countries if (order := order_of_country(country)) is not None}
    if "MDY" in orders:
        return "MDY" if orders == {"MDY"} else None
    return "DMY" if "DMY" in orders else None


def is_doubtful(date: dt.date, uploaded_on: dt.date | None) -> bool:
    """Return whether a date is too far from the day of the upload to be accepted without a person."""
    return uploaded_on is not None and not uploaded_on - BEFORE_UPLOAD <= date <= uploaded_on + AFTER_UPLOAD


def _year_first(text: str) -> Iterator[FoundDate]:
    for match in _YEAR_FIRST.finditer(text):
        date = _date(int(match["y"]), int(match["b"]), int(match["a"]))
        if date is not None:
            yield FoundDate(date, ambiguous=False, start=match.start(), end=match.end())


def _numeric(text: str, order: Order | None) -> Iterator[FoundDate]:
    for match in _NUMERIC.finditer(text):
        first, second, year = int(match["a"] or match["glued"]), int(match["b"]), _year(match["y"])
        day_first, month_first = _date(year, second, first), _date(year, first, second)
        year_first = (
            _date(_year(match["a"] or match["glued"]), second, int(match["y"])) if len(match["y"]) == SHORT else None
        )
        chosen = month_first if order == "MDY" else day_first
        if order == "YMD" and len(match["y"]) == SHORT and year_first is not None:
            chosen = year_first
        date = chosen or day_first or month_first
        if date is None:
            continue
        split = match["a"] is not None and len(match["a"]) == 1 and SPLIT_DAY.search(text[: match.start()]) is not None
        open_order = order is None and day_first is not None and month_first is not None and day_first != month_first
        yield FoundDate(date, ambiguous=open_order or split, start=match.start(), end=match.end())


def _textual(text: str) -> Iterator[FoundDate]:
    for pattern in (_DAY_FIRST, _MONTH_FIRST, _YEAR_MONTH_DAY):
        for match in pattern.finditer(text):
            name = match["m"].lower().translate(LETTER_FOR_DIGIT)
            month = _month(name) or _month(name.removeprefix("de").removesuffix("de"))
            date = _date(_year(match["y"]), month, int(match["d"])) if month else None
            if date is not None:
                yield FoundDate(date, ambiguous=False, start=match.start(), end=match.end())


@lru_cache(maxsize=4096)
def _month(name: str) -> int | None:
    """Return the number of a month's name in any of the languages."""
    settings = {"STRICT_PARSING": True, "DATE_ORDER": "DMY"}
    parsed = dateparser.parse(f"2 {name} 2020", languages=LANGUAGES, settings=settings)
    return parsed.month if parsed is not None and (parsed.year, parsed.day) == (2020, 2) else None


def _year(text: str) -> int:
    year = int(text)
    if len(text) > SHORT:
        return year
    return year + (2000 if year < PIVOT else 1900)


def _date(year: int, month: int, day: int) -> dt.date | None:
    if not (FIRST_YEAR <= year <= LAST_YEAR and 1 <= month <= MONTHS):
        return None
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None
