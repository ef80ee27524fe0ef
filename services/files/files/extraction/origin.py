"""Conclude from a document where it was made: that settles the order of its dates and the currency of its signs."""

import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib import resources

from files.domain.finding import Hints
from files.extraction.currencies import SHARED_SIGNS, SIGNS, codes, currency_of_country, currency_of_sign
from files.extraction.folding import fold
from files.extraction.layout import Row

BESIDE = re.compile(
    r"(?<![A-Za-z])(?P<before>[A-Z]{1,2}\$|RM|Rs\.?|Rp|Fr\.|[$€£¥₹₩₺₫฿]|[A-Z]{3})\s?-?\s?\d[\d.,' ]*(?:[.,]\d\d|,-)?"
    r"|\d[\d.,']*-?\s?(?P<after>€|£|kr\b|zł|[A-Z]{3}\b)"
)
ALONE = re.compile(r"\((RM|[$€£]|[A-Z]{3})\)|(?<![A-Za-z])(RM|EUR|USD|GBP|CHF|MYR|SGD)(?![A-Za-z\d.,])")
MIN_VOTES = 2
"""One code beside a number without cents is an article ("KWD 805")."""
WORDS = {"euro": "EUR", "euros": "EUR", "us dollars": "USD", "ringgit": "MYR", "pounds sterling": "GBP"}


@dataclass(frozen=True, slots=True)
class Origin:
    """The country of a document, and where the currency comes from. `sure`: the document or the school says so."""

    country: str | None
    currency: str | None
    currency_confidence: float
    sign: str


def origin_of(rows: list[Row], hints: Hints) -> Origin:
    """Return country and currency: what is printed counts most, then what the school says."""
    printed = country_of(rows)
    country = printed or hints.country
    sign, currency = _printed_currency(rows, country)
    if currency is not None:
        return Origin(country, currency, 0.97, sign)
    if sign in SHARED_SIGNS:
        own = hints.currency or currency_of_country(hints.country)
        return Origin(country, own or ("USD" if sign == "$" else None), 0.85 if own else 0.6, sign)
    if printed is not None and (local := currency_of_country(printed)) is not None:
        return Origin(country, local, 0.95 if local == hints.currency else 0.85, "")
    known = hints.currency or currency_of_country(hints.country)
    return Origin(country, known, 0.85 if known else 0.0, "")


def country_of(rows: list[Row]) -> str | None:
    """Return the country that most evidence names, or None if two are close."""
    text = fold("\n".join(row.text for row in rows))
    scores = Counter(
        {country: sum(bool(re.search(p, text)) for p in patterns) for country, patterns in _evidence().items()}
    )
    (first, most), (_, next_most) = scores.most_common(2)
    return first if most >= 1 and most > next_most else None


def _printed_currency(rows: list[Row], country: str | None) -> tuple[str, str | None]:
    """Return the sign or code that stands most often beside a number, and its currency if only one has it."""
    votes: Counter[str] = Counter()
    for row in rows:
        votes.update(_signs(row.text))
    folded = fold(" ".join(row.text for row in rows))
    for word, code in WORDS.items():
        votes[code] += 2 * len(re.findall(rf"\b{word}\b", folded))
    ranked = [(sign, count) for sign, count in votes.most_common() if count >= MIN_VOTES]
    if not ranked:
        return "", None
    sign = ranked[0][0]
    return sign, currency_of_sign(sign, country)


def _signs(text: str) -> Counter[str]:
    """Return the signs of a row: two votes beside an amount with decimals or alone in brackets, else one."""
    votes: Counter[str] = Counter()
    for match in BESIDE.finditer(text):
        sign = (match["before"] or match["after"]).strip()
        if sign in SIGNS or sign in SHARED_SIGNS or sign in codes():
            votes[sign] += 2 if re.search(r"[.,]\d\d|,-", match.group()) or not sign.isalpha() else 1
    for match in ALONE.finditer(text):
        sign = match[1] or match[2]
        if sign in SIGNS or sign in SHARED_SIGNS or sign in codes():
            votes[sign] += 2
    return votes


@cache
def _evidence() -> dict[str, list[str]]:
    """Return the patterns of each country."""
    return tomllib.loads(resources.files("files.extraction").joinpath("origins.toml").read_text(encoding="utf-8"))
